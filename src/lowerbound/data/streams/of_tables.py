"""Tables, images and vectors in Parquet and Arrow files as they are: a stretch is a group of rows, or a piece of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lowerbound.data import arrow_arrays, table_folders, tables
from lowerbound.data.arrow_arrays import Chosen
from lowerbound.data.arrow_groups import Groups, has_groups
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.parquet_files import Parquet
from lowerbound.data.reading import Reading
from lowerbound.data.schema import Schema
from lowerbound.data.streams.sources import Source, Stretch, lengths
from lowerbound.errors import DataError

#: bytes of the values of a stretch, at most, and of a cell while a table is read
BLOCK, CELL = 2**21, 120
#: groups that are kept of those that are cut in pieces
KEPT = 2

Files = dict[str, list[Path]]  # of each part


class Tables(Source[Any]):
    """The rows of files; ``chosen`` are their columns of images or lists, None of those whose columns are each a value."""

    def __init__(self, path: Path, how: Reading, files: Files, groups: dict[Path, Groups], notes: tuple[str, ...]) -> None:
        self.groups = groups
        self.schema = next(iter(self.groups.values())).schema
        of_array = not how.of_table and (arrow_arrays.has_images(self.schema) or arrow_arrays.has_vectors(self.schema, how.label_column))
        self.chosen: Chosen | None = arrow_arrays.chosen(path, self.schema, how) if of_array else None
        self.kept: dict[tuple[Path, int], Any] = {}
        bytes_a_row, kept = self._sizes(how)
        every = sum(sum(one.sizes) for one in self.groups.values())
        stretches = [
            stretch
            for part, several in files.items()
            for file in several
            for stretch in _stretches(part, file, self.groups[file].sizes, BLOCK // kept, every)
        ]
        super().__init__(path, how, stretches, bytes_a_row, (*notes, *(self.chosen.notes if self.chosen else ())))

    def _sizes(self, how: Reading) -> tuple[int, int]:
        """Bytes of a row while all are read, and of one that was read."""
        if self.chosen is None:
            return CELL * len(self.schema), 4 * len(self.schema)
        file, number = next((file, number) for file, one in self.groups.items() for number, size in enumerate(one.sizes) if size)
        found = self.meant(file, self._read(file, number).slice(0, 1), replace(how, label_column=None)).whole
        assert found is not None
        kept = found[:].numel() * found.array.dtype.itemsize
        return kept, kept

    def read(self, file: Path, number: int) -> Any:
        """A group of rows; those that were read last are kept."""
        found = self.kept.get((file, number))
        if found is None:
            found = self._read(file, number)
            self.kept = dict([*self.kept.items(), ((file, number), found)][-KEPT:])
        return found

    def _read(self, file: Path, number: int) -> Any:
        return self.groups[file].read(number, None if self.chosen is None else [self.chosen.values])

    def raw(self, stretch: Stretch) -> Any:
        """The rows of a stretch, a table of pyarrow's. Errors: DataError."""
        before = sum(self.groups[stretch.file].sizes[: stretch.place])
        return self.read(stretch.file, stretch.place).slice(stretch.start - before, stretch.rows)

    def some(self, raw: Any, rows: np.ndarray) -> Any:
        """Some rows of these."""
        return self.joined([raw.slice(row, 1) for row in rows.tolist()])  # not take, which not all types have

    def joined(self, several: Sequence[Any]) -> Any:
        """One table. Errors: DataError for tables of several kinds of columns."""
        import pyarrow

        try:
            return pyarrow.concat_tables(several, promote_options="default").combine_chunks()
        except pyarrow.ArrowException as error:
            said = " ".join(str(error).split())
            raise DataError(f"the tables in {self.path} have several kinds of columns; give one of them: {said}") from error

    def meant(self, name: Path, raw: Any, how: Reading) -> Splits:
        """Rows as data. Errors: DataError."""
        try:
            return tables.of_arrow(name, raw, how) if self.chosen is None else arrow_arrays.of_table(name, raw, how)
        except DataError as error:
            raise error if str(name) in str(error) else DataError(f"{name}: {error}") from error

    def labelled(self, rows: Dataset, schema: Schema | None) -> Dataset:
        """All rows, with the labels of one column, which alone is read for that."""
        label = self.how.label_column if self.chosen is None else self.chosen.label
        if label is None or label not in self.schema.names:
            return rows
        column = self.joined([self.groups[one.file].read(one.place, [label]) for one in self.stretches if self._begins(one)])
        column = column.replace_schema_metadata(self.schema.metadata)
        if self.chosen is not None:
            return arrow_arrays.labelled(self.path, rows, column, label)
        assert schema is not None
        return tables.labelled(self.path, rows, Parquet(column), schema, label)

    def _begins(self, stretch: Stretch) -> bool:
        """Whether it is the first of its group."""
        return stretch.start == sum(self.groups[stretch.file].sizes[: stretch.place])


def _stretches(part: str, file: Path, sizes: Sequence[int], most: int, every: int) -> list[Stretch]:
    before = np.cumsum([0, *sizes]).tolist()
    return [
        Stretch(part, file, before[number] + start, rows, number)
        for number, size in enumerate(sizes)
        for start, rows in lengths(size, most, every)
    ]


def of_file(path: Path, how: Reading) -> Tables | None:
    """A Parquet or Arrow file; None for one that is read whole, and for an empty one. Errors: DataError."""
    return _of(path, how, {"train": [path]}, ()) if has_groups(path) else None


def of_folder(path: Path, how: Reading) -> Tables | None:
    """A folder of them by part. Errors: DataError."""
    return _of(path, how, *table_folders.files(path))


def _of(path: Path, how: Reading, files: Files, notes: tuple[str, ...]) -> Tables | None:
    every = [file for several in files.values() for file in several]
    if not all(map(has_groups, every)):
        return None
    groups = {file: Groups(file) for file in every}
    return Tables(path, how, files, groups, notes) if any(size for one in groups.values() for size in one.sizes) else None
