"""Data for a run by ranges of rows, each read as the whole would be: no more of them need be in memory than one range.

Parquet and Arrow files, folders of them, and ``.npy`` files are read where they are; all else is what ``Run.read`` gives, of which shards
stay on disk. What numbers and columns mean is found in a look at ``LOOK`` rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lowerbound.data import Dataset, Splits, arrow_arrays, fingerprint_of, tables
from lowerbound.data.parquet_files import Parquet
from lowerbound.data.reading import Reading
from lowerbound.data.streams import of_arrays, row_ranges, sources
from lowerbound.data.streams.of_arrays import Arrays
from lowerbound.data.streams.row_ranges import RowRanges
from lowerbound.data.streams.sources import LOOK, Stretch, as_seen
from lowerbound.errors import DataError
from lowerbound.runs.run import Run

#: which examples of a source are asked for, all parts of it given
Part = Callable[[Splits], Dataset]


class Pieces(ABC):
    """The examples of a source that were asked for, ``len`` of them, by their numbers; ``notes`` say how they are read."""

    notes: tuple[str, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def identity(self) -> Any:
        """Another one where the rows may be others; as JSON has it."""

    @abstractmethod
    def read(self, first: int, end: int) -> Dataset:
        """The rows from ``first`` to before ``end``, which know their numbers. Errors: DataError for what the run's model cannot be of."""


@dataclass(frozen=True)
class Held(Pieces):
    """What was read whole, or stays in shards."""

    data: Dataset
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.data)

    @property
    def identity(self) -> str:
        """The fingerprint of the values."""
        return fingerprint_of(self.data, labels=True)

    def read(self, first: int, end: int) -> Dataset:
        """A view."""
        return self.data.piece(first, end)


@dataclass(frozen=True)
class InFiles(Pieces):
    """Rows of files, all ``n`` or the ``chosen`` ones; ``load`` reads a range of theirs, ``files`` are those of the identity."""

    n: int
    load: Callable[[int, int], Dataset]
    files: Any
    notes: tuple[str, ...] = ()
    chosen: Tensor | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.n if self.chosen is None else len(self.chosen)

    @property
    def identity(self) -> Any:
        """Of the files, and of what is chosen."""
        return self.files if self.chosen is None else [self.files, len(self.chosen), int(self.chosen.sum())]

    def read(self, first: int, end: int) -> Dataset:
        """Of chosen rows all between the first and the last are read."""
        rows = torch.arange(first, end) if self.chosen is None else self.chosen[first:end]
        start, stop = int(rows[0]), int(rows[-1]) + 1
        try:
            found = self.load(start, stop)
        except DataError as error:
            raise DataError(f"in rows {start:,} to {stop - 1:,}, the first of which is row 1 here: {error}") from error
        return replace(found if self.chosen is None else found.view(rows - start), first_row=first)


def pieces(run: Run, source: str | None, data_dir: str | None, part: Part) -> Pieces:
    """The examples that ``part`` takes of a source, by default of the run's own. Errors: DataError."""
    name, path = source or run.recipe.data, Path(source or run.recipe.data)
    own = not row_ranges.is_address(name) and run.is_own(source)
    # of a run whose data stayed on disk whole blocks were held out, which ``Run.read`` knows
    if not (own and (run.recipe.labels_file is not None or run.recipe.stream)):
        if row_ranges.takes(name):
            return _of_tables(run, name, own, part)
        if path.is_file() and (array := of_arrays.of_file(path, run.reading(own))) is not None:
            return _of_array(run, array, own, part)
    splits = run.read(source, data_dir)
    return Held(part(splits), splits.notes)


def _of_tables(run: Run, source: str, own: bool, part: Part) -> InFiles:
    """Tables, images or vectors in files of pyarrow's."""
    ranges, how, path = RowRanges(source), run.reading(own), Path(source)
    if not len(ranges):
        raise DataError(f"{source} has no row")
    look = ranges.look(LOOK)
    if run.spec.schema is not None:
        cells, _ = tables.by_schema(Parquet(look), run.spec.schema)
        how = replace(how, schema=run.spec.schema.like(cells))
        read: Callable[[Any, Reading], Splits] = tables.of_frame
    else:
        if not (arrow_arrays.has_images(look.schema) or arrow_arrays.has_vectors(look.schema, how.label_column)):
            raise DataError(f"{source} is a table of cells, and this run's data are none; give images, or lists of numbers")
        read = partial(arrow_arrays.of_table, path)
    first = read(look, how)
    if run.spec.schema is None:
        how = replace(as_seen(how, _whole(first)), label_column=how.label_column)

    def load(first: int, end: int) -> Dataset:
        return _suited(run, own, how, read(ranges.read(first, end), how))

    notes = (*ranges.notes, *first.notes)
    return InFiles(len(ranges), load, ranges.identity, notes, _chosen(part, len(ranges), ranges.parts))


def _of_array(run: Run, source: Arrays, own: bool, part: Part) -> InFiles:
    """An array in a file."""
    seen, (name, file) = sources.look(source), (source.stretches[0].part, source.stretches[0].file)

    def load(first: int, end: int) -> Dataset:
        values = sources.values(source, Stretch(name, file, first, end - first), seen)
        return _whole(run.suited(Splits.of(replace(seen.dataset, array=values, targets=None, rows=None)), own))

    stat = file.stat()
    identity = [[file.name, stat.st_size, stat.st_mtime_ns]]
    return InFiles(source.rows, load, identity, seen.notes, _chosen(part, source.rows, {"train": (0, source.rows)}))


def _suited(run: Run, own: bool, how: Reading, found: Splits) -> Dataset:
    return _whole(run.suited(found.inverted() if how.invert else found, own))


def _whole(found: Splits) -> Dataset:
    assert found.whole is not None
    return found.whole


def _chosen(part: Part, rows: int, parts: dict[str, tuple[int, int]]) -> Tensor | None:
    """Which rows of files are asked for; None for all."""
    stand_in = Dataset(torch.empty(rows, 0))
    if len(parts) == 1:
        return part(Splits.of(stand_in)).rows
    return part(Splits.of_parts(stand_in, {name: torch.arange(*ends) for name, ends in parts.items()})).rows
