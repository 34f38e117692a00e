"""A source of data as it is in its files: its rows in stretches, each read as the whole would be. A format is a ``Source`` in its own file.

What numbers and columns mean is found once, in a look at rows from all over; a stretch that means something else is an error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.reading import Reading
from lowerbound.data.rows import BLOCKS, spread
from lowerbound.data.schema import Schema
from lowerbound.errors import DataError

#: rows that are looked at, and bytes of their values, at most; of long rows this many all the same
LOOK, LOOK_BYTES, FEWEST = 50_000, 2**28, 1_000
#: stretches of a source, at least, where it has as many rows: few could not be shuffled, nor held out
STRETCHES = 256

Raw = TypeVar("Raw")


@dataclass(frozen=True)
class Stretch:
    """Rows that follow one another in a ``file``, from its row ``start`` on, of a ``part`` of the data.

    ``place`` says where they are, as the source has it: which row group, which byte.
    """

    part: str
    file: Path
    start: int
    rows: int
    place: int = 0

    @property
    def name(self) -> Path:
        """What messages call it."""
        return Path(f"{self.file}, rows {self.start:,} to {self.start + self.rows - 1:,}")


def lengths(rows: int, most: int, every: int) -> list[tuple[int, int]]:
    """First row and number of rows of stretches of at most ``most`` rows, and of fewer where ``every`` row of a source would make few."""
    each = max(1, min(most, every // STRETCHES))
    return [(start, min(each, rows - start)) for start in range(0, rows, each)]


class Source(ABC, Generic[Raw]):
    """Rows in files. ``stretches`` are those of all parts, one part after the other.

    ``bytes`` is what all values take in memory when they are read ``whole``, about: as many as a row times their number, where it is not
    said. ``Raw`` is what rows are as they are stored: an array, a table.
    """

    def __init__(
        self,
        path: Path,
        how: Reading,
        stretches: Sequence[Stretch],
        bytes_a_row: int,
        notes: tuple[str, ...] = (),
        whole: int | None = None,
    ) -> None:
        self.path, self.how, self.stretches, self.bytes_a_row, self.notes = path, how, tuple(stretches), max(1, bytes_a_row), notes
        self.rows = sum(stretch.rows for stretch in self.stretches)
        self.bytes = self.rows * self.bytes_a_row if whole is None else whole

    @abstractmethod
    def raw(self, stretch: Stretch) -> Raw:
        """The rows of a stretch; any thread may ask. Errors: DataError for files that are gone or damaged."""

    @abstractmethod
    def some(self, raw: Raw, rows: np.ndarray) -> Raw:
        """Some rows of these."""

    @abstractmethod
    def joined(self, several: Sequence[Raw]) -> Raw:
        """One after the other."""

    @abstractmethod
    def meant(self, name: Path, raw: Raw, how: Reading) -> Splits:
        """Rows as data, read as is said; ``name`` is what messages call them. Errors: DataError."""

    @abstractmethod
    def labelled(self, rows: Dataset, schema: Schema | None) -> Dataset:
        """All rows, ``(N, 0)``, with their labels, where there are some; ``schema`` is a table's. Errors: DataError."""


@dataclass(frozen=True)
class Look:
    """What was found in some ``rows`` of a source, as data: those, what they mean, and how to read the others."""

    dataset: Dataset
    schema: Schema | None
    how: Reading
    notes: tuple[str, ...]


def look(source: Source[Raw]) -> Look:
    """Rows from all over a source, all of them where they are few. Errors: DataError."""
    most = min(LOOK, max(FEWEST, LOOK_BYTES // source.bytes_a_row))
    if source.rows <= most:
        seen = source.joined([source.raw(stretch) for stretch in source.stretches])
    else:
        count = min(len(source.stretches), max(BLOCKS, -(-most * len(source.stretches) // source.rows)))
        some = [source.stretches[place] for place in spread(len(source.stretches), count).tolist()]
        seen = source.joined([source.some(source.raw(one), spread(one.rows, -(-most // count)).numpy()) for one in some])
    found = source.meant(source.path, seen, source.how)
    dataset = found.whole
    assert dataset is not None
    partly = len(dataset) < source.rows
    notes = (f"{source.path}: what the values mean was found in {len(dataset):,} of {source.rows:,} rows, from all over",) * partly
    how = as_seen(source.how, dataset, found.schema)
    turned = dataset.inverted() if source.how.invert else dataset
    return Look(turned, found.schema, how, (*source.notes, *found.notes, *notes))


def as_seen(how: Reading, seen: Dataset, schema: Schema | None = None) -> Reading:
    """How to read the rest of what was looked at."""
    if schema is not None:
        return replace(how, schema=schema, label_column=None)
    color = "grey" if seen.event_shape[0] == 1 else "rgb"
    return replace(how, unit=seen.unit, white=seen.white, shape=seen.event_shape, color=color, label_column=None)


def values(source: Source[Raw], stretch: Stretch, seen: Look) -> Tensor:
    """The values of a stretch, of the type of those that were looked at. Errors: DataError, which names the rows."""
    found = source.meant(stretch.name, source.raw(stretch), seen.how).whole
    assert found is not None
    if len(found) != stretch.rows:
        raise DataError(f"{stretch.name}: there are {len(found):,} rows; the file has changed since it was opened: begin again")
    found = found.inverted() if source.how.invert else found
    wanted = seen.dataset
    if found.event_shape != wanted.event_shape:
        raise DataError(f"{stretch.name}: examples have the shape {found.event_shape}, others {wanted.event_shape}; give all one shape")
    return _alike(stretch, found, wanted)


def _alike(stretch: Stretch, found: Dataset, wanted: Dataset) -> Tensor:
    """Values as those are stored that were looked at: bytes as bytes of one unit, or all as floats. Errors: DataError."""
    if wanted.array.dtype != torch.uint8:
        return found[:]
    if (found.array.dtype, found.unit) != (torch.uint8, wanted.unit):
        raise DataError(
            f"{stretch.name}: values up to {float(found.extremes[1]):g}, and those that were looked at are whole numbers up to "
            f"{wanted.unit if wanted.unit != 1 else 255}; give them as floats"
        )
    return found.array.index_select(0, torch.arange(len(found)))
