"""NumPy's files as they are: a ``.npy``, or a folder of some whose names say which are values and which are labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from lowerbound.data import archives, array_folders, arrays, named_arrays, numpy_files
from lowerbound.data.archives import Archive
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.named_arrays import Arranged
from lowerbound.data.reading import Reading
from lowerbound.data.schema import Schema
from lowerbound.data.streams.byte_ranges import fill
from lowerbound.data.streams.sources import Source, Stretch, lengths
from lowerbound.errors import DataError, reason

SUFFIX = ".npy"
#: bytes of a stretch, at most
BLOCK = 2**19


@dataclass(frozen=True)
class Mapped:
    """The array of a part, mapped and not read, and where its rows begin in the file; None where they are not one after the other."""

    file: Path
    array: np.ndarray
    at: int | None

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Some of them, in memory. Errors: DataError."""
        if self.at is None:
            return np.array(self.array[start:stop])
        found = np.empty((stop - start, *self.array.shape[1:]), self.array.dtype)
        fill(self.file, found.reshape(-1).view(np.uint8).data, self.at + start * prod(found.shape[1:]) * found.itemsize)
        return found


class Arrays(Source[np.ndarray]):
    """The rows of arrays in files."""

    def __init__(self, path: Path, how: Reading, found: Arranged) -> None:
        self.found, self.mapped = found, {part: _placed(array) for part, array in found.parts.items()}
        each, every = next(iter(found.parts.values())), sum(map(len, found.parts.values()))
        numbers = max(1, prod(each.shape[1:]))
        stretches = [
            Stretch(part, one.file, start, rows)
            for part, one in self.mapped.items()
            for start, rows in lengths(len(one.array), BLOCK // (numbers * each.itemsize), every)
        ]
        kept = 1 if each.dtype.kind == "b" or each.dtype == np.uint8 else 4
        super().__init__(path, how, stretches, numbers * kept, (*found.notes, *found.more))

    def raw(self, stretch: Stretch) -> np.ndarray:
        """The rows of a stretch. Errors: DataError."""
        return self.mapped[stretch.part].rows(stretch.start, stretch.start + stretch.rows)

    def some(self, raw: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Some rows of these."""
        return raw[rows]

    def joined(self, several: Sequence[np.ndarray]) -> np.ndarray:
        """One array."""
        return np.concatenate(several)

    def meant(self, name: Path, raw: np.ndarray, how: Reading) -> Splits:
        """Rows as data. Errors: DataError."""
        return arrays.splits_of(name, raw, how)

    def labelled(self, rows: Dataset, schema: Schema | None) -> Dataset:
        """All rows, with the labels beside them."""
        return rows if self.found.labels is None else arrays.labelled_as(self.path, rows, self.found.labels)


def of_file(path: Path, how: Reading) -> Arrays | None:
    """A ``.npy`` file; None for other files of arrays, which are read whole. Errors: DataError."""
    file, inside = archives.split(path)
    if inside is not None or file.suffix.lower() != SUFFIX:
        return None
    return _of(path, {numpy_files.ALONE: mapped(file)}, how)


def of_folder(path: Path, how: Reading) -> Arrays | None:
    """A folder of such files by their names; None where one is another, or an example. Errors: DataError."""
    files = array_folders.roles(path)
    if files is None or any(file.suffix.lower() != SUFFIX for file in files.values()):
        return None
    return _of(path, {role: mapped(file) for role, file in files.items()}, how)


def _of(path: Path, held: dict[str, np.ndarray], how: Reading) -> Arrays | None:
    if any(array.ndim == 0 or not array.size for array in held.values()):
        return None  # reading them whole says what is wrong
    return Arrays(path, how, named_arrays.arranged(path, Archive(held), how))


def mapped(path: Path) -> np.memmap:
    """The array of a file, of which nothing but its type and shape is read. Errors: DataError."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
    except numpy_files.DAMAGE as error:
        raise DataError(f"{path} is not a NumPy file of plain numbers or is damaged: {error}") from error


def _placed(array: np.ndarray) -> Mapped:
    assert isinstance(array, np.memmap)
    return Mapped(Path(str(array.filename)), array, int(array.offset) if array.flags.c_contiguous else None)
