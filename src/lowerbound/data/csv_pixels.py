"""Images in a CSV file: a column for each pixel, ``pixel0`` and so on, as Kaggle's competitions have them, or of a shape that is said."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lowerbound.data import arrays, csv_files
from lowerbound.data.axes import described
from lowerbound.data.cells import is_number
from lowerbound.data.dataset import Splits
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError, nearest, reason

LABEL = "label"
WHOLE = re.compile(r"-?\d+")
PIXEL = re.compile(r"pixel_?(\d+)")


def takes(path: Path) -> bool:
    """Whether its first line names as many pixels, in order, as a square has, and a label at most, and whole numbers follow."""
    if not csv_files.is_csv(path):
        return False
    names, first = _lines(path)
    return _side(names) is not None and bool(first) and all(WHOLE.fullmatch(cell) for cell in first)


def load(path: Path, how: Reading) -> Splits:
    """Its examples, of the shape that is said or square images, with their labels; a note says what they were taken for.

    Errors: DataError for a shape that its columns do not fill, cells that are no numbers, a first line of numbers that was not said to be
    a row.
    """
    first, _ = _lines(path)
    if how.header and first and all(map(is_number, first)):
        raise DataError(f"{path}: its first line is numbers; say --no-header if it is a row, or write a line of names above it")
    names = list(csv_files.numbered(len(first))) if not how.header else first
    label = _label(path, names, how)
    places = [place for place, name in enumerate(names) if name != label]
    values = _numbers(path, places, how)
    labels = None if label is None else _cells(path, names.index(label), how)
    side = _side(names)
    shape = how.shape or ((len(places),) if side is None else (1, side, side))
    meant = arrays.in_meaning(path, values, how, shape)
    note = f"{path}: its columns are read as {described(shape)}" + ("" if label is None else f", '{label}' as their labels")
    return Splits.of(arrays.labelled(path, meant, labels), (*meant.notes, note))


def _label(path: Path, names: Sequence[str], how: Reading) -> str | None:
    if how.label_column is None:
        return LABEL if LABEL in names else None
    if how.label_column not in names:
        raise DataError(f"{path} has no column '{how.label_column}' to take labels from{nearest(how.label_column, names)}")
    return how.label_column


def _numbers(path: Path, places: Sequence[int], how: Reading) -> np.ndarray:
    """The columns as whole numbers where all are, else as floats."""
    try:
        return _read(path, places, np.int64, how)
    except ValueError:
        try:
            return _read(path, places, np.float64, how)
        except ValueError as error:
            raise DataError(
                f"{path}: some cells of its columns of values are no numbers, or rows are of several lengths: {error}"
            ) from error


def _cells(path: Path, place: int, how: Reading) -> np.ndarray:
    try:
        found = _read(path, [place], np.str_, how)[:, 0]
    except ValueError as error:
        raise DataError(f"{path}: its rows are of several lengths: {error}") from error
    return found.astype(np.int64) if all(WHOLE.fullmatch(cell) for cell in np.unique(found)) else np.char.strip(found, '" ')


def _read(path: Path, places: Sequence[int], kind: type, how: Reading) -> np.ndarray:
    delimiter = csv_files.delimiter_of(path)
    try:
        found: np.ndarray = np.loadtxt(
            path, kind, delimiter=delimiter, skiprows=int(how.header), ndmin=2, usecols=places, encoding="utf-8-sig", comments=None
        )
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
    except (OverflowError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged, or has a number that is too large: {error}") from error
    if not len(found):
        raise DataError(f"{path} has column names but no row")
    return found


def _lines(path: Path) -> tuple[list[str], list[str]]:
    """The cells of its first line, and of the next."""
    try:
        with csv_files.opened(path) as file:
            lines = [file.readline() for _ in range(2)]
    except (OSError, UnicodeDecodeError, EOFError, zlib.error):  # which the reader of tables says
        return [], []
    delimiter = csv_files.delimiter_in(lines[0])
    first, second = ([cell.strip().strip('"') for cell in line.strip("\r\n").split(delimiter)] for line in lines)
    return first, second


def _side(names: list[str]) -> int | None:
    """The pixels of a side, where the names are those of a square's and at most a label's."""
    found = [PIXEL.fullmatch(name) for name in names if name != LABEL]
    places = [int(match[1]) for match in found if match is not None]
    side = math.isqrt(len(places))
    in_order = places in (list(range(len(places))), list(range(1, len(places) + 1)))
    return side if len(places) == len(found) and side > 1 and side**2 == len(places) and in_order else None
