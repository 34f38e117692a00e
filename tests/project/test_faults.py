"""A little of each fault; ``make faults`` tries them as often as docs/reliability.md says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import rubbish
from faults.table import FAULTS, Fault
from rows import long_if

from lowerbound.data.formats import FORMATS, format_of

#: each takes many seconds, and has a sibling: signals in tests/interfaces/test_cli.py, disks and folders in tests/runs/test_snapshots.py,
#: numbers that are not finite in tests/runs/test_divergence.py, damaged data in tests/data
LONG = (
    *("SIGTERM", "Killed", "No file may grow", "A full disk", "A folder that may only", "A training that keeps", "NaN"),
    *(
        f"Damaged at random: {what}"
        for what in ("IDX", "NumPy", "table", "image", "facts", "result", "state", "metrics", "weights", "compressed", "shards, what")
    ),
    *(
        f"Damaged at random: {what}"
        for what in ("EMNIST", "CIFAR", "saved", "one array", "on disk", "examples", "stack", "sparse", "MATLAB", "vectors", "arrays")
    ),
)
TRIED = long_if(lambda fault: fault.what.startswith(LONG), FAULTS)


def test_every_format_of_data_is_damaged(tmp_path: Path) -> None:
    read = []
    for number, kind in enumerate(kind for kind in rubbish.KINDS if not kind.same):  # those are no data that a model learns from
        place, run = tmp_path / str(number), tmp_path / f"run {number}" / "run"
        place.mkdir()
        run.mkdir(parents=True)
        for ending in (".csv", ".parquet"):
            run.with_name("table" + ending).touch()
        _, commands = kind.make(run, run, place)
        read += [format_of(Path(words[1 if words[0] == "data" else 2])) for words in commands if words[0] in ("data", "encode")]
    missing = [name for name, row in FORMATS.items() if row not in read]
    assert not missing, f"of {', '.join(missing)} there is no file in KINDS of tests/faults/rubbish.py; add one, damaged like the others"


@pytest.mark.parametrize("fault", TRIED, ids=lambda fault: fault.what)
def test_it_is_survived(fault: Fault, tmp_path: Path) -> None:
    outcome = fault.run(tmp_path, fault.little)
    assert not outcome.wrong
    assert outcome.tried
