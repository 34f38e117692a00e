"""Images in a CSV file as Kaggle's competitions have them: a column for each pixel, ``pixel0`` and so on, and one of labels."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from lowerbound.data import arrays
from lowerbound.data.axes import described, laid_out
from lowerbound.data.dataset import Splits
from lowerbound.data.meaning import numbers
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError, reason

LABEL = "label"
WHOLE = re.compile(r"-?\d+")
PIXEL = re.compile(r"pixel_?(\d+)")


def takes(path: Path) -> bool:
    """Whether its first line names as many pixels, in order, as a square has, and a label at most, and whole numbers follow."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    names, first = _lines(path)
    return _side(names) is not None and bool(first) and all(WHOLE.fullmatch(cell) for cell in first)


def load(path: Path, how: Reading) -> Splits:
    """Its images ``(N, 1, H, H)``, or of another shape, with their labels; a note says what they were taken for. Errors: DataError."""
    names, _ = _lines(path)
    side = _side(names)
    assert side is not None
    try:
        table = np.loadtxt(path, dtype=np.int64, delimiter=",", skiprows=1, ndmin=2, encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path}: its columns are named as pixels, and some hold no whole numbers: {error}") from error
    if not len(table) or table.shape[1] != len(names):
        raise DataError(f"{path} has {len(names)} names, and {table.shape[1] if len(table) else 'no'} columns; mend it")
    labels = table[:, names.index(LABEL)] if LABEL in names else None
    values = table[:, [place for place, name in enumerate(names) if name != LABEL]]
    shape = how.shape or (1, side, side)
    found = laid_out(path, numbers(path, values, how.limits, how.counts, how.unit, how.white), shape)
    note = f"{path}: columns pixel0 … are read as {described(shape)}" + ("" if labels is None else f", '{LABEL}' as their labels")
    return Splits.of(arrays.labelled(path, found, labels), (*found.notes, note))


def _lines(path: Path) -> tuple[list[str], list[str]]:
    """The names, and the cells of the first row."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            names, first = ([cell.strip().strip('"') for cell in file.readline().split(",")] for _ in range(2))
            return names, first
    except (OSError, UnicodeDecodeError):  # which the reader of tables says
        return [], []


def _side(names: list[str]) -> int | None:
    """The pixels of a side, where the names are those of a square's and at most a label's."""
    found = [PIXEL.fullmatch(name) for name in names if name != LABEL]
    places = [int(match[1]) for match in found if match is not None]
    side = math.isqrt(len(places))
    in_order = places in (list(range(len(places))), list(range(1, len(places) + 1)))
    return side if len(places) == len(found) and side > 1 and side**2 == len(places) and in_order else None
