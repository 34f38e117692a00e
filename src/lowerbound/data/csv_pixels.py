"""Images in a CSV file: a column for each pixel, ``pixel0`` and so on, as Kaggle's competitions have them, or of a shape that is said."""

from __future__ import annotations

import csv
import itertools
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lowerbound.data import arrays, csv_files, label_columns
from lowerbound.data.axes import described
from lowerbound.data.cells import is_number
from lowerbound.data.dataset import Splits
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError, reason

LABEL = "label"
PIXEL = re.compile(r"pixel_?(\d+)")


def takes(path: Path, how: Reading) -> bool:
    """Whether a shape is specified, or its first line names as many pixels as a square has and a label at most.

    A run that is no table's was of pixels too.
    """
    if how.of_table or not csv_files.is_csv(path):
        return False
    if how.shape is not None or (how.of_run and how.label_column is not None):
        return True
    names, first = _lines(path)
    labels = (LABEL, how.label_column)
    pixels = [cell for name, cell in zip(names, first, strict=False) if name not in labels]
    return _side(names, labels) is not None and bool(pixels) and all(map(is_number, pixels))


def load(path: Path, how: Reading) -> Splits:
    """Its examples, of the shape that is said or square images, with their labels; a note says what they were taken for.

    Errors: DataError for a shape that its columns do not fill, cells that are no numbers, rows of several lengths, a first line of numbers
    that was not said to be a row.
    """
    first, _ = _lines(path)
    if how.header and first and all(map(is_number, first)):
        raise DataError(f"{path}: its first line is numbers; say --no-header if it is a row, or write a line of names above it")
    names = list(csv_files.numbered(len(first))) if not how.header else first
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise DataError(f"{path} has two columns called '{twice}'; give each a name of its own")
    label = _label(path, names, how)
    _must_be_of_one_width(path, len(names), how)
    places = _in_order([(place, name) for place, name in enumerate(names) if name != label])
    values = _numbers(path, places, how)
    labels = None if label is None else _labels(path, names.index(label), how)
    side = _side(names, (LABEL, label))
    shape = how.shape or ((len(places),) if side is None else (1, side, side))
    meant = arrays.interpreted(path, values, how, shape)
    note = f"{path}: its columns are read as {described(shape)}" + ("" if label is None else f", '{label}' as their labels")
    return Splits.of(arrays.labelled(path, meant, labels), (*meant.notes, note))


def _in_order(columns: Sequence[tuple[int, str]]) -> list[int]:
    """The places of columns, those of numbered pixels by their numbers: a program may have sorted them as text."""
    found = [PIXEL.fullmatch(name) for _, name in columns]
    if None in found:
        return [place for place, _ in columns]
    numbers = [int(match[1]) for match in found if match is not None]
    return [place for _, (place, _) in sorted(zip(numbers, columns, strict=True))]


def _label(path: Path, names: Sequence[str], how: Reading) -> str | None:
    if how.label_column is not None and (how.label_column in names or not how.of_run):
        label_columns.chosen(path, dict.fromkeys(names), how.label_column)
        return how.label_column
    return LABEL if LABEL in names else None


def _labels(path: Path, place: int, how: Reading) -> np.ndarray:
    cells = _columns(path, [place], np.str_, how)[:, 0].tolist()
    return arrays.numbers_of([_label_of(cell.strip()) for cell in cells])


def _label_of(cell: str) -> float | str | None:
    return float(cell) if is_number(cell) and math.isfinite(float(cell)) else cell or None


def _numbers(path: Path, places: Sequence[int], how: Reading) -> np.ndarray:
    """The columns as whole numbers where all are, else as floats."""
    for kind in (np.int64, np.float64):
        try:
            return _columns(path, places, kind, how)
        except (ValueError, OverflowError) as error:
            wrong = error
    raise DataError(f"{path}: some values are no numbers: {wrong}") from wrong


def _columns(path: Path, places: Sequence[int], kind: type, how: Reading) -> np.ndarray:
    """Some columns of all rows, as one type. Errors: ValueError, OverflowError; DataError for a file without rows."""
    delimiter = csv_files.delimiter_of(path)
    rows = itertools.islice(_rows(path), int(how.header), None)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path} has column names but no row")
    lines = itertools.chain([first], rows)
    return np.loadtxt(lines, kind, delimiter=delimiter, ndmin=2, usecols=places, comments=None, quotechar='"')


def _must_be_of_one_width(path: Path, width: int, how: Reading) -> None:
    """Raise DataError for a row of another length than the first line."""
    delimiter = csv_files.delimiter_of(path)
    for row, (number, line) in enumerate(_numbered(path), start=1 - int(how.header)):
        cells = len(next(csv.reader([line], delimiter=delimiter))) if '"' in line else line.count(delimiter) + 1
        if cells != width:
            raise DataError(f"{path}: line {number:,}: row {row} has {cells} cells, and the first line {width}; correct that line")


def _rows(path: Path) -> Iterator[str]:
    """The lines that are not blank. Errors: DataError."""
    return (line for _, line in _numbered(path))


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, each with its number in the file. Errors: DataError."""
    try:
        with csv_files.opened(path) as file:
            yield from ((number, line) for number, line in enumerate(file, start=1) if line.strip())
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
    except (EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is damaged, or not in UTF-8: {error}") from error


def _lines(path: Path) -> tuple[list[str], list[str]]:
    """The cells of its first line that is not blank, and of the next."""
    try:
        with csv_files.opened(path) as file:
            lines = list(itertools.islice((line for line in file if line.strip()), 2))
    except (OSError, UnicodeDecodeError, EOFError, zlib.error):  # which the reader of tables says
        return [], []
    delimiter = csv_files.delimiter_in(lines[0]) if lines else ","
    parts = [[cell.strip().strip('"') for cell in line.strip("\r\n").split(delimiter)] for line in lines]
    return (parts[0] if parts else []), (parts[1] if len(parts) > 1 else [])


def _side(names: list[str], labels: Sequence[str | None]) -> int | None:
    """The pixels of a side, where the names are those of a square's and of labels."""
    found = [PIXEL.fullmatch(name) for name in names if name not in labels]
    places = sorted(int(match[1]) for match in found if match is not None)
    side = math.isqrt(len(places))
    in_order = places in (list(range(len(places))), list(range(1, len(places) + 1)))
    return side if len(places) == len(found) and side > 1 and side**2 == len(places) and in_order else None
