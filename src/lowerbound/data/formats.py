"""The formats that data are read from: one row each, tried in order. To add one, write a file beside this and a row of ``FORMATS``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from lowerbound.data import arrays, idx, images, tables
from lowerbound.data.dataset import Splits
from lowerbound.data.schema import Schema
from lowerbound.errors import DataError


@dataclass(frozen=True)
class Reading:
    """The options for reading a source, with their defaults; ``data.load`` describes each."""

    size: int | None = None
    color: str = "auto"
    skip_unreadable: bool = False
    holes: bool = False
    types: str | Path | None = None
    schema: Schema | None = None

    @property
    def given(self) -> frozenset[str]:
        """The names of the options that differ from the default."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name) != field.default)


@dataclass(frozen=True)
class Format:
    """One format: whether a path has it, how it is read, and which options it has; ``holes`` may be given to all."""

    takes: Callable[[Path], bool]
    load: Callable[[Path, Reading], Splits]
    options: frozenset[str] = frozenset()


def _is_array_file(path: Path) -> bool:
    return path.suffix in arrays.SUFFIXES and path.is_file()


IMAGE_OPTIONS = frozenset({"size", "color", "skip_unreadable"})
FORMATS = {
    "a folder of IDX files": Format(idx.is_idx_folder, lambda path, how: idx.load_folder(path)),
    "a folder of images": Format(
        Path.is_dir, lambda path, how: images.load_folder(path, how.size, how.color, how.skip_unreadable), IMAGE_OPTIONS
    ),
    "a file of arrays": Format(_is_array_file, lambda path, how: arrays.load_file(path, how.holes)),
    "a table": Format(tables.is_table, lambda path, how: tables.load(path, how.types, how.schema), frozenset({"types", "schema"})),
}


def format_of(path: Path) -> Format | None:
    """The first format that accepts the path, or None."""
    return next((row for row in FORMATS.values() if row.takes(path)), None)


def refuse_others(source: str | Path, reading: Reading, options: frozenset[str] = frozenset()) -> None:
    """Raise DataError for options that the source does not have: they would be ignored."""
    foreign = reading.given - options - {"holes"}
    if foreign & IMAGE_OPTIONS:
        raise DataError(f"size, color and skip-unreadable are for folders of images, which '{source}' is not; leave them out")
    if "types" in foreign:
        raise DataError(f"types are for tables ({', '.join(tables.SUFFIXES)}), which '{source}' is not; leave them out")
    if "schema" in foreign and Path(source).is_file():
        raise DataError(f"this model is for tables ({', '.join(tables.SUFFIXES)}), which '{source}' is not")
