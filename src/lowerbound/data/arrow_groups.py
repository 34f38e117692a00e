"""A Parquet or Arrow file in the groups of rows that it was written in, of which each can be read without the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lowerbound.data.arrow_files import PARQUET, must_differ, opened, said

SUFFIXES = (PARQUET, ".feather", ".arrow")  # lines of JSON have none


def has_groups(path: Path) -> bool:
    """Whether it is such a file, by its name."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


class Groups:
    """The groups of a file: how many rows each has, and each as a table of pyarrow's. Errors: DataError for a damaged file.

    ``source`` opens a file that is not on the disk, as pyarrow does.
    """

    def __init__(self, path: Path, source: Callable[[], Any] | None = None) -> None:
        import pyarrow.parquet

        self.path, self._source, self._footer, self._stream = path, source, None, None
        with said(path):
            if path.suffix.lower() == PARQUET:
                with pyarrow.parquet.ParquetFile(self._open()) as file:
                    self._footer, self.schema = file.metadata, file.schema_arrow
                self.sizes = [self._footer.row_group(number).num_rows for number in range(self._footer.num_row_groups)]
            else:
                reader = opened(self._open())
                self.schema = reader.schema
                if hasattr(reader, "get_batch"):
                    self.sizes = [len(reader.get_batch(number)) for number in range(reader.num_record_batches)]
                elif source is None:  # a stream, whose batches can be had in turn alone, and are mapped, not read
                    self._stream = list(reader)
                    self.sizes = list(map(len, self._stream))
                else:  # one that is not on the disk: all of it is a group, lest it is kept in memory
                    self.sizes = [sum(map(len, reader))]
        must_differ(path, self.schema.names)

    def _open(self) -> Any:
        """The file, mapped into memory where it is on the disk and Arrow's."""
        import pyarrow

        if self._source is not None:
            return self._source()
        return str(self.path) if self.path.suffix.lower() == PARQUET else pyarrow.memory_map(str(self.path))

    def read(self, number: int, columns: Sequence[str] | None = None) -> Any:
        """A group, or some of its columns; any thread may ask. Errors: DataError."""
        import pyarrow
        import pyarrow.parquet

        with said(self.path):
            if self._footer is not None:
                with pyarrow.parquet.ParquetFile(self._open(), metadata=self._footer) as file:
                    found = file.read_row_group(number, columns, use_threads=False)
            else:
                found = pyarrow.Table.from_batches(self._batches(number), self.schema)
                found = found if columns is None else found.select(columns)
            found.validate(full=True)
        return found

    def _batches(self, number: int) -> list[Any]:
        """Those of a group of an Arrow file."""
        if self._stream is not None:
            return [self._stream[number]]
        reader = opened(self._open())
        return [reader.get_batch(number)] if hasattr(reader, "get_batch") else list(reader)
