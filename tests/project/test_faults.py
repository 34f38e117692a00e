"""A little of each fault; ``make faults`` tries them as often as docs/reliability.md says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults.table import FAULTS, Fault

#: each takes many seconds, and has a sibling: signals in tests/interfaces/test_cli.py, disks and folders in tests/runs/test_snapshots.py,
#: numbers that are not finite in tests/runs/test_divergence.py, damaged data in tests/data
LONG = (
    *("SIGTERM", "Killed", "No file may grow", "A full disk", "A folder that may only", "A training that keeps", "NaN"),
    *(f"Damaged at random: {what}" for what in ("IDX", "NumPy", "table", "state that is another's")),
)
TRIED = [pytest.param(fault, marks=pytest.mark.long) if fault.what.startswith(LONG) else fault for fault in FAULTS]


@pytest.mark.parametrize("fault", TRIED, ids=lambda fault: fault.what)
def test_it_is_survived(fault: Fault, tmp_path: Path) -> None:
    outcome = fault.run(tmp_path, fault.little)
    assert not outcome.wrong
    assert outcome.tried
