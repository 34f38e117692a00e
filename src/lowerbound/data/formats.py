"""The formats that data are read from: one row each, tried in order. To add one, write a file beside this and a row of ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lowerbound.data import arrays, csv_pixels, idx, images, parquet_arrays, tables
from lowerbound.data.dataset import Splits
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError


@dataclass(frozen=True)
class Format:
    """One format: whether a path has it, how it is read, and which options it has; ``holes`` may be given to all."""

    takes: Callable[[Path], bool]
    load: Callable[[Path, Reading], Splits]
    options: frozenset[str] = frozenset()


def _is_array_file(path: Path) -> bool:
    return path.suffix in arrays.SUFFIXES and path.is_file()


IMAGE_OPTIONS = frozenset({"size", "color", "skip_unreadable", "limits"})
ARRAY_OPTIONS = frozenset({"limits", "shape"})
FORMATS = {
    "a folder of IDX files": Format(idx.is_idx_folder, lambda path, how: idx.load_folder(path)),
    "a folder of images": Format(Path.is_dir, images.load_folder, IMAGE_OPTIONS),
    "a file of arrays": Format(_is_array_file, arrays.load_file, ARRAY_OPTIONS),
    "images or vectors in Parquet": Format(
        parquet_arrays.takes, parquet_arrays.load, (IMAGE_OPTIONS | ARRAY_OPTIONS) - {"skip_unreadable"}
    ),
    "images in a CSV": Format(csv_pixels.takes, csv_pixels.load, ARRAY_OPTIONS),
    "a table": Format(tables.is_table, lambda path, how: tables.load(path, how.types, how.schema), frozenset({"types", "schema"})),
}


def format_of(path: Path, reading: Reading | None = None) -> Format | None:
    """The first format that accepts the path, or None; a table where the options are a table's."""
    if reading is not None and (reading.schema is not None or reading.types is not None) and tables.is_table(path):
        return FORMATS["a table"]
    return next((row for row in FORMATS.values() if row.takes(path)), None)


def refuse_others(source: str | Path, reading: Reading, options: frozenset[str] = frozenset()) -> None:
    """Raise DataError for options that the source does not have: they would be ignored."""
    foreign = reading.given - options - {"holes", "counts", "unit", "white"}
    if "limits" in foreign:
        raise DataError(f"a range is for arrays and folders of images, which '{source}' is not; leave it out")
    if "shape" in foreign:
        raise DataError(f"a shape is for arrays, which '{source}' is not; leave it out")
    if foreign & (IMAGE_OPTIONS - {"limits"}):
        raise DataError(f"size, color and skip-unreadable are for folders of images, which '{source}' is not; leave them out")
    if "types" in foreign:
        raise DataError(f"types are for tables ({', '.join(tables.SUFFIXES)}), which '{source}' is not; leave them out")
    if "schema" in foreign and Path(source).is_file():
        raise DataError(f"this model is for tables ({', '.join(tables.SUFFIXES)}), which '{source}' is not")
