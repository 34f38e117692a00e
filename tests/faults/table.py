"""All faults that are tried, and how often."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from faults import numbers, rubbish, soak, training
from faults.outcome import Outcome


@dataclass(frozen=True)
class Fault:
    """What is done; ``run`` does it in a folder so many times, of which ``often`` for the table and ``little`` for a test."""

    what: str
    run: Callable[[Path, int], Outcome]
    often: int
    little: int
    unit: str = "times"


def _fed(kind: rubbish.Kind, place: Path, times: int) -> Outcome:
    run, table = kept_runs()
    return rubbish.fed(kind, run, table, place / "fed", times)


@cache
def kept_runs() -> tuple[Path, Path]:
    """``runs_of`` a folder that goes with this process; nobody changes them."""
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    return runs_of(Path(folder.name))


def runs_of(place: Path) -> tuple[Path, Path]:
    """A finished run of digits, and one of a table, which lies beside it as .csv and .parquet."""
    from faults.child import start

    table = place / "tables"
    table.mkdir()
    _write_table(table)
    common = ["--epochs", "1", "--network", "mlp:8", "--batch", "16", "--device", "cpu"]
    for words in (
        ["train", "digits", "--out", str(place / "digits")],
        ["train", str(table / "table.csv"), "--out", str(table / "run"), "--likelihood", "columns"],
    ):
        child = start([*words, *common], place)
        assert child.wait() == 0, child.said
    return place / "digits", table / "run"


def _write_table(folder: Path) -> None:
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv, parquet

    dice = np.random.default_rng(0)
    ages = [None if missing else age for age, missing in zip(dice.integers(18, 90, 60).tolist(), dice.random(60) < 0.1, strict=True)]
    names = [["red", "green", "blue"][number] for number in dice.integers(0, 3, 60)]
    table = pa.table(
        {
            "age": ages,
            "color": names,
            "size": dice.normal(size=60),
            "born": [f"19{year}-03-0{year % 9 + 1}" for year in dice.integers(10, 99, 60)],
        }
    )
    csv.write_csv(table, folder / "table.csv")
    parquet.write_table(table, folder / "table.parquet")


FAULTS = [
    Fault(
        "Killed (SIGKILL) at random moments while a state is written after every step; resumed until done", training.killed, 100, 3, "runs"
    ),
    Fault("SIGTERM, SIGINT, SIGINT twice, at a random moment", training.asked_to_stop, 60, 3),
    Fault("No file may grow over a random size (`ulimit -f`)", training.without_room, 40, 2),
    Fault("A full disk (tmpfs)", training.on_a_small_disk, 40, 2),
    Fault("A folder that may only be read", training.in_a_read_only_folder, 20, 1),
    Fault("NaN or ±∞ put into a weight", numbers.in_weights, 60, 3),
    Fault("NaN or ±∞ put into a gradient", numbers.in_gradients, 60, 3),
    Fault("NaN or ±∞ in an example, for good", numbers.in_data, 30, 3),
    *(Fault(f"Damaged at random: {kind.name}", partial(_fed, kind), 2000, 8, "variants") for kind in rubbish.KINDS),
    Fault("A training that keeps its state each second", soak.soaked, 1800, 12, "seconds"),
]
