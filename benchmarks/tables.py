"""Public tables with hidden cells, filled in by this project and by others: ``python benchmarks/tables.py``.

A model is fitted to the table with holes and fills in the same table. Measured are, over the cells that were hidden: the root mean squared
error of numbers, each column divided by its standard deviation over the whole table; the share of categories and booleans that are right;
of this project how many numbers are within the 2.5% and 97.5% quantiles of 200 draws; and seconds.

Each table, way, mask and method is an entry of ``benchmarks/results/tables.json``. One that is there is not measured again, except those of
this project by other code than that at hand; so the command can be killed, and goes on. One process at a time writes the file.
``tables_page.py`` makes docs/imputation.md of it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tables_data
from entries import Entry, read, written
from jaxtyping import Bool
from tables_data import AS_PUBLISHED, PUBLISHED, RANDOM, SELF, TABLES, Table
from tables_ways import DIRECTED, METHODS, OURS, Filled, methods, whole

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "tables.json"
MASKS = 5


class Job(NamedTuple):
    """What an entry is of."""

    table: str
    way: str
    mask: int
    method: str

    @property
    def key(self) -> str:
        """Its name in the file of results."""
        return " / ".join(map(str, self))


# --- one of them -------------------------------------------------------------------------------------


def scores(table: Table, hidden: Bool[np.ndarray, "N D"], filled: Filled) -> Entry:
    """How near what was filled in is to what was hidden; a cell that was left as it was counts as the column's mean or usual class."""
    values = whole(table.without(hidden), filled.values)
    numbers, classes = hidden & table.numbers, hidden & ~table.numbers
    error = ((values - table.values) / np.nanstd(table.values, 0))[numbers]
    found: Entry = {"numbers": int(numbers.sum()), "categories": int(classes.sum()), "rmse": round(float(np.sqrt(np.mean(error**2))), 4)}
    if classes.any():
        found["accuracy"] = round(float((values == table.values)[classes].mean()), 4)
    if filled.draws is not None:
        low, high = np.quantile(filled.draws[:, numbers], (0.025, 0.975), axis=0)
        truth = table.values[numbers]
        found["coverage"] = round(float(((low <= truth) & (truth <= high)).mean()), 4)
    return found | {"left empty": int(np.isnan(filled.values[hidden]).sum())}


def measured(job: Job, epochs: int | None) -> Entry:
    """An entry: its scores, or why there are none."""
    table = tables_data.of(tables_data.folder() / f"{job.table}.csv")
    hidden = tables_data.hidden(job.table, table, job.way, job.mask)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = scores(table, hidden, methods(epochs)[job.method](table.without(hidden), job.mask, Path(folder)))
        except Exception as error:  # one that fails must not end the others
            found = {"failed": f"{type(error).__name__}: {error}"[:300]}
    return {**found, "seconds": round(time.perf_counter() - started, 1), **version(), "epochs": epochs}


@cache
def version() -> Entry:
    """The commit, and the code of the package in it, which other commits may share. Errors: SystemExit where it was changed since."""

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True).stdout.strip()  # noqa: S607

    if git("status", "--porcelain", "src"):
        raise SystemExit("commit what was changed in src first, so that the results say by which code they are")
    return {"commit": git("rev-parse", "HEAD"), "code": git("rev-parse", "HEAD:src")}


# --- all of them -------------------------------------------------------------------------------------


def jobs(masks: int, named: list[str], tables: list[str]) -> Iterator[Job]:
    """One mask after the other, so that the first of all tables is there first."""
    ways = {RANDOM: TABLES, SELF: TABLES, AS_PUBLISHED: PUBLISHED}
    for mask in range(masks):
        for way, known in ways.items():
            methods = [name for name in named if name != DIRECTED or way != RANDOM]
            yield from (Job(table, way, mask, name) for table in known if table in tables for name in methods)


def done(entry: Entry | None, job: Job, code: str, epochs: int | None) -> bool:
    """Whether an entry needs no other measurement: there, not failed, and of this project by the code and epochs at hand."""
    if entry is None or "failed" in entry:
        return False
    return job.method not in (OURS, DIRECTED) or (entry["code"], entry["epochs"]) == (code, epochs)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=MASKS)
    parser.add_argument("--methods", nargs="*", choices=[*METHODS], default=[*METHODS])
    parser.add_argument("--tables", nargs="*", choices=[*TABLES, *PUBLISHED], default=[*TABLES, *PUBLISHED])
    parser.add_argument("--epochs", type=int, help="of this project, for a trial (default: those of the recipe)")
    parser.add_argument("--out", type=Path, default=RESULT)
    typed = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    entries = read(typed.out)
    there = {name for name in typed.tables if (tables_data.folder() / f"{name}.csv").exists()}
    for name in set(typed.tables) - there:
        print(f"{name} is left out: put its CSV file into {tables_data.folder()}", flush=True)
    for job in jobs(typed.masks, typed.methods, [*there]):
        if not done(entries.get(job.key), job, version()["code"], typed.epochs):
            entries[job.key] = measured(job, typed.epochs)
            written(typed.out, entries)
            print(job.key, json.dumps(entries[job.key], ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
