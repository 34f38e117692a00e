"""A folder of shards: ``.npy`` files of some rows each, and ``shards.json``, which says what is in them. The way in is ``load``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lowerbound.data import numpy_files
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.folders import PARTS
from lowerbound.data.reading import Reading
from lowerbound.data.schema import Schema
from lowerbound.data.streams.blocks import StreamedRows
from lowerbound.data.streams.byte_ranges import fill
from lowerbound.errors import DataError, reason

MANIFEST = "shards.json"
LABELS = ".labels.npy"  # beside a shard, in place of .npy
FORMAT = 1
TYPES = {"uint8": torch.uint8, "float32": torch.float32}
HEADER = 128  # bytes before the values of a shard
#: of what types the fields of the file are
NUMBER, LIST = (int, float), (list,)
FIELDS: dict[str, tuple[type, ...]] = {
    "event_shape": LIST,
    "dtype": (str,),
    "low": NUMBER,
    "high": NUMBER,
    "holes": (int,),
    "unit": (int,),
    "white": (*NUMBER, type(None)),
    "black": NUMBER,
    "stored": (str,),
    "classes": (list, type(None)),
    "variables": LIST,
    "columns": (dict, type(None)),
    "notes": LIST,
    "parts": (dict,),
    "format": (int,),
}
LARGEST = 2**40
#: bytes of a block, at most, and blocks of a part, at least, where it has as many rows: few blocks could not be shuffled, nor held out
BLOCK, BLOCKS = 2**19, 256


@dataclass(frozen=True)
class Shard:
    """A file of the folder: its rows, and SHA-256 of its values and labels."""

    file: str
    rows: int
    sha256: str

    @classmethod
    def read(cls, words: dict[str, Any]) -> Shard:
        """Errors: TypeError, KeyError, ValueError for what it cannot be."""
        found = cls(**words)
        if [type(value) for value in (found.file, found.rows, found.sha256)] != [str, int, str] or not 0 < found.rows < LARGEST:
            raise ValueError("shard")
        return found


@dataclass(frozen=True)
class Manifest:
    """What is said once of all shards: the fields of a ``Dataset``, the range of its values as they are stored, its shards by part."""

    event_shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    holes: int
    unit: int
    white: float | None
    black: float
    stored: str
    classes: tuple[str, ...] | None  # None without labels
    variables: tuple[str, ...]
    columns: dict[str, Any] | None
    notes: tuple[str, ...]
    parts: dict[str, tuple[Shard, ...]]
    format: int = FORMAT

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each part has."""
        return {part: sum(shard.rows for shard in shards) for part, shards in self.parts.items()}

    @property
    def bytes(self) -> int:
        """The size of all values."""
        each = prod(self.event_shape) * TYPES[self.dtype].itemsize
        return each * sum(self.rows.values())

    def words(self) -> dict[str, Any]:
        """What the file holds."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Errors: DataError for a file that is damaged, or of a newer version."""
        try:
            words = json.loads(path.read_text(encoding="utf-8"))
            if words["format"] > FORMAT:
                raise DataError(f"{path} was written by a newer lowerbound; update this one")
            return cls._of(words)
        except OSError as error:
            raise DataError(f"cannot read {path}: {reason(error)}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DataError(f"{path} is damaged; make the shards again with lowerbound shard") from error

    @classmethod
    def _of(cls, words: dict[str, Any]) -> Manifest:
        """Errors: TypeError, KeyError, ValueError for what it cannot be."""
        for name, kinds in FIELDS.items():
            value = words[name]
            if type(value) not in kinds or (type(value) is float and not isfinite(value)):
                raise TypeError(name)
        lists = {name: tuple(words[name]) for name in ("event_shape", "variables", "notes", "classes") if words[name] is not None}
        of_numbers, of_texts = lists.pop("event_shape"), [one for some in lists.values() for one in some]
        parts = {PARTS[part]: tuple(Shard.read(one) for one in shards) for part, shards in words["parts"].items()}
        right = all(type(side) is int and 0 < side < LARGEST for side in of_numbers) and all(type(one) is str for one in of_texts)
        if not (right and of_numbers and parts.get("train") and words["dtype"] in TYPES and words["unit"] > 0 <= words["holes"]):
            raise ValueError("parts")
        return cls(**{**words, **lists, "event_shape": of_numbers, "parts": parts})


class ShardBlocks:
    """The rows of some shards of a folder, in pieces of at most ``BLOCK`` bytes."""

    def __init__(self, folder: Path, shards: Sequence[Shard], manifest: Manifest) -> None:
        self.folder, self.dtype, self.event_shape = folder, TYPES[manifest.dtype], manifest.event_shape
        self.low, self.high, self.holes = manifest.low, manifest.high, manifest.holes
        self.fingerprint = hashlib.sha256("".join(shard.sha256 for shard in shards).encode()).hexdigest()
        self.bytes_a_row = prod(self.event_shape) * self.dtype.itemsize
        for shard in shards:
            path, wanted = folder / shard.file, HEADER + shard.rows * self.bytes_a_row
            if Path(shard.file).name != shard.file or not path.is_file() or path.stat().st_size != wanted:
                raise DataError(f"{path} has not the {wanted:,} bytes that {MANIFEST} says; make the shards again with lowerbound shard")
        most = max(1, min(BLOCK // self.bytes_a_row, sum(shard.rows for shard in shards) // BLOCKS))
        #: the shard, first row and number of rows of each block
        self.places = [(shard, at, min(most, shard.rows - at)) for shard in shards for at in range(0, shard.rows, most)]
        self.sizes = torch.tensor([rows for _, _, rows in self.places])

    def read(self, block: int, into: Tensor) -> None:
        """The rows of a block. Errors: DataError for a file that is gone or shorter than it was."""
        shard, start, _ = self.places[block]
        fill(self.folder / shard.file, into.numpy().reshape(-1).view(np.uint8).data, HEADER + start * self.bytes_a_row)


def takes(path: Path) -> bool:
    """Whether a folder is one of shards."""
    return (path / MANIFEST).is_file()


def load(path: Path, how: Reading) -> Splits:
    """The parts of a folder of shards, which stay on disk. Errors: DataError."""
    manifest = Manifest.read(path / MANIFEST)
    if how.counts and manifest.unit != 1:
        raise DataError(f"{path} has greys or reals, and this likelihood wants counts; make the shards with --counts")
    parts = {part: _dataset(path, shards, manifest) for part, shards in manifest.parts.items()}
    schema = None if manifest.columns is None else _schema(path, manifest.columns)
    return Splits.of_datasets(parts, manifest.notes, schema)


def _schema(path: Path, columns: dict[str, Any]) -> Schema:
    try:
        return Schema.read(columns)
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise DataError(f"{path / MANIFEST} is damaged; make the shards again with lowerbound shard") from error


def _dataset(folder: Path, shards: tuple[Shard, ...], manifest: Manifest) -> Dataset:
    array = StreamedRows.of(ShardBlocks(folder, shards, manifest))
    targets = None if manifest.classes is None else _labels(folder, shards, len(manifest.classes))
    return Dataset(
        array,
        targets,
        manifest.classes or (),
        unit=manifest.unit,
        white=manifest.white,
        black=manifest.black,
        stored=manifest.stored,
        variables=manifest.variables,
    )


def _labels(folder: Path, shards: Sequence[Shard], classes: int) -> Tensor:
    """The class numbers of all rows, in the type that they are stored in. Errors: DataError."""
    found = []
    for shard in shards:
        path = folder / shard.file.replace(".npy", LABELS)
        numbers = numpy_files.read(path)[numpy_files.ALONE]
        if numbers.shape != (shard.rows,) or numbers.dtype.kind != "i" or not (numbers.min() >= -1 and numbers.max() < classes):
            raise DataError(f"{path} has not a class of {classes} for each of {shard.rows:,} rows; make the shards again")
        found.append(torch.from_numpy(numbers))
    return torch.cat(found)
