"""Rows of Parquet and Arrow files by their numbers, of one file or a folder of some, on any filesystem that pyarrow knows.

They are read in the groups that they were written in; the last group is kept.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lowerbound.data import table_folders
from lowerbound.data.arrow_groups import SUFFIXES, Groups
from lowerbound.data.rows import spread
from lowerbound.errors import DataError

#: from how many places of a source the rows come that are looked at
PLACES = 50


def is_address(source: str) -> bool:
    """Whether it names a filesystem, as ``s3://bucket/table.parquet`` does."""
    return "://" in source


def takes(source: str) -> bool:
    """Whether it is an address, a file of one of ``SUFFIXES``, or a folder that has some."""
    path = Path(source)
    if is_address(source) or (path.is_file() and path.suffix.lower() in SUFFIXES):
        return True
    return path.is_dir() and (table_folders.is_folder(path) or any(_is_table(file.name) for file in path.iterdir()))


def filesystem(place: str) -> tuple[Any, str]:
    """The filesystem of an address or a path, pyarrow's, and the path there. Errors: DataError."""
    import pyarrow
    from pyarrow import fs

    try:
        return fs.FileSystem.from_uri(place) if is_address(place) else (fs.LocalFileSystem(), str(Path(place).absolute()))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{place} is no address that pyarrow knows: {' '.join(str(error).split())}") from error


class RowRanges:
    """The rows of all files one after the other; ``parts`` says which of them are training, validation and test data."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._system, path = filesystem(source)
        by_part, self.notes = self._files(path)
        self._infos = self._system.get_file_info([file for several in by_part.values() for file in several])
        groups = {part: [self._groups(file) for file in several] for part, several in by_part.items()}
        self._chunks = [(one, number) for several in groups.values() for one in several for number in range(len(one.sizes))]
        self._sizes = [one.sizes[number] for one, number in self._chunks]
        self._ends = np.cumsum(self._sizes)
        ends = np.cumsum([0, *(sum(sum(one.sizes) for one in several) for several in groups.values())]).tolist()
        self.parts: dict[str, tuple[int, int]] = dict(zip(groups, pairwise(ends), strict=True))
        self._kept: tuple[int, Any] | None = None

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def identity(self) -> list[list[Any]]:
        """Name, size and time of each file: others where the rows may be others."""
        return [[info.base_name, info.size, info.mtime_ns] for info in self._infos]

    def read(self, first: int, end: int) -> Any:
        """The rows from ``first`` to before ``end``, a table of pyarrow's. Errors: DataError for files that are damaged or gone."""
        found, chunk = [], int(np.searchsorted(self._ends, first, side="right"))
        while first < end:
            start = int(self._ends[chunk]) - self._sizes[chunk]
            stop = min(end, int(self._ends[chunk]))
            found.append(self._chunk(chunk).slice(first - start, stop - first))
            first, chunk = stop, chunk + 1
        return self._joined(found)

    def look(self, most: int) -> Any:
        """At most so many rows from all over, all where there are no more."""
        if len(self) <= most:
            return self.read(0, len(self))
        places = spread(len(self._chunks), PLACES).tolist()
        return self._joined([self._some(self._chunk(chunk), most // len(places)) for chunk in places])

    def _some(self, table: Any, most: int) -> Any:
        """At most so many rows of a chunk, which is not held by them."""
        return self._joined([table.slice(0, 0), *(table.slice(row, 1) for row in spread(len(table), most).tolist())])

    def _joined(self, several: list[Any]) -> Any:
        """Tables one after the other, copied. Errors: DataError for columns of one name and several kinds."""
        import pyarrow

        try:
            return pyarrow.concat_tables(several, promote_options="default").combine_chunks()
        except pyarrow.ArrowException as error:
            raise DataError(f"the files of {self.source} have several kinds of columns: {' '.join(str(error).split())}") from error

    def _files(self, path: str) -> tuple[dict[str, list[str]], tuple[str, ...]]:
        from pyarrow import fs

        info = self._try(lambda: self._system.get_file_info(path))
        if info.type == fs.FileType.NotFound:
            raise DataError(f"no file or folder is called {self.source}")
        if info.is_file:
            return {"train": [path]}, ()
        if not is_address(self.source) and table_folders.is_folder(Path(path)):
            several, notes = table_folders.files(Path(path))
            return {part: [str(file) for file in files] for part, files in several.items()}, notes
        there = self._try(lambda: self._system.get_file_info(fs.FileSelector(path)))
        names = sorted(one.path for one in there if one.is_file and _is_table(one.base_name))
        if not names:
            raise DataError(f"{self.source} has no {' or '.join(SUFFIXES)} file")
        return {"train": names}, ()

    def _groups(self, file: str) -> Groups:
        return Groups(Path(file), partial(self._system.open_input_file, file) if is_address(self.source) else None)

    def _chunk(self, number: int) -> Any:
        if self._kept is None or self._kept[0] != number:
            self._kept = None  # before the next one is in memory
            one, group = self._chunks[number]
            self._kept = number, one.read(group)
        return self._kept[1]

    def _try(self, read: Any) -> Any:
        import pyarrow

        try:
            return read()
        except (pyarrow.ArrowException, OSError) as error:
            raise DataError(f"{self.source} cannot be read: {' '.join(str(error).split())}") from error


def _is_table(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(("_", "."))
