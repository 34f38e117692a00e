"""Sources that stay on disk as they are, because they were asked to or are larger than memory; the way in is ``load``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lowerbound.data import archives
from lowerbound.data.dataset import Dataset, Splits, fingerprint_of
from lowerbound.data.reading import Reading
from lowerbound.data.streams.blocks import StreamedRows
from lowerbound.data.streams.memory import memory
from lowerbound.data.streams.sources import Look, Source, Stretch, look, values
from lowerbound.errors import DataError

#: the share of the memory from which on values stay on disk
SHARE = 0.5
#: times that values take more memory than their files have bytes, at most, as categories of a Parquet file do; smaller sources are read
#: without a look at their size
PACKED = 5_000
#: how a format gives its source; None for what cannot stay on disk
Opener = Callable[[Path, Reading], Source[Any] | None]


class SourceBlocks:
    """The rows of some stretches of a source, a block each. What they mean is what was found in the look."""

    def __init__(self, source: Source[Any], stretches: Sequence[Stretch], seen: Look, fingerprint: str) -> None:
        self.source, self.stretches, self.fingerprint = source, stretches, fingerprint
        self.sizes = torch.tensor([stretch.rows for stretch in stretches])
        dataset = seen.dataset
        self.event_shape, self.dtype = dataset.event_shape, dataset.array.dtype
        scale = dataset.unit if self.dtype == torch.uint8 else 1
        self.low, self.high = (dataset.extremes * scale).tolist()
        self.holes = -(-dataset.holes * source.rows // len(dataset))
        first = dataset.array.index_select(0, torch.arange(1))  # the others need not be kept
        self.seen = replace(seen, dataset=replace(dataset, array=first, targets=None, rows=None))

    def read(self, block: int, into: Tensor) -> None:
        """The rows of a block. Errors: DataError, which names them, where they are no such values as those that were looked at."""
        stretch = self.stretches[block]
        found = values(self.source, stretch, self.seen)
        if self.dtype != torch.uint8 and self.seen.schema is None:
            self._must_be_like(stretch, found)
        into.copy_(found)

    def _must_be_like(self, stretch: Stretch, found: Tensor) -> None:
        """Raise DataError for floats of which a model could not have known: below 0, beyond 1, or missing where none was."""
        there = found[~found.isnan()]
        if len(there) < found.numel() and not self.holes:
            raise DataError(f"{stretch.name}: values are missing, and none was in the rows that were looked at; make shards of all")
        low, high = (float(end) for end in torch.aminmax(there)) if there.numel() else (self.low, self.high)
        if (self.low >= 0 > low) or (self.low >= 0 and self.high <= 1 < high):
            said = f"those that were looked at from {self.low:g} to {self.high:g}"
            raise DataError(f"{stretch.name}: values go from {low:g} to {high:g}, {said}; make shards, for which all are looked at")


def load(path: Path, how: Reading, opener: Opener | None) -> Splits | None:
    """A source that stays on disk; None for one that is to be read whole. Errors: DataError, also where it was asked to and cannot."""
    if how.stream is False or (how.stream is None and (opener is None or _bytes(path) * PACKED < SHARE * memory())):
        return None
    source = None if opener is None else opener(path, how)
    if how.stream is None and (_bytes(path) < memory() if source is None else source.bytes < SHARE * memory()):
        return None
    if source is None:
        raise DataError(f"{path} cannot stay on disk as it is; make shards of it: lowerbound shard {path} -o FOLDER")
    sizes = f"{source.bytes / 1e9:,.1f} GB, and {memory() / 1e9:,.1f} GB of memory are there"
    note = f"{path}: read whole its values would take {sizes}; they stay on disk, and are read block by block"
    return splits(source, () if how.stream else (note,))


def stays(data: Dataset) -> bool:
    """Whether data are read from files that are no shards."""
    return isinstance(data.array, StreamedRows) and isinstance(data.array.blocks, SourceBlocks)


def _bytes(path: Path) -> int:
    """What the files of a source take on disk."""
    file, _ = archives.split(path)
    return sum(one.stat().st_size for one in (file.rglob("*") if file.is_dir() else [file]) if one.is_file())


def splits(source: Source[Any], notes: tuple[str, ...] = ()) -> Splits:
    """The parts of a source, whose values are read when they are needed. Errors: DataError."""
    seen = _of_floats(source, look(source))
    labelled = source.labelled(Dataset(torch.empty(source.rows, 0)), seen.schema)
    kept = replace(seen.dataset, targets=_narrow(labelled.targets), classes=labelled.classes, rows=None)
    fingerprint = _fingerprint(source, seen, kept.targets)
    parts: dict[str, Dataset] = {}
    start = 0
    for part in dict.fromkeys(stretch.part for stretch in source.stretches):
        some = [stretch for stretch in source.stretches if stretch.part == part]
        array = StreamedRows.of(SourceBlocks(source, some, seen, fingerprint))
        targets = None if kept.targets is None else kept.targets[start : start + len(array)]
        parts[part] = replace(kept, array=array, targets=targets)
        start += len(array)
    return Splits.of_datasets(parts, (*notes, *seen.notes), seen.schema)


def _of_floats(source: Source[Any], seen: Look) -> Look:
    """Counts as floats where not all were looked at: a later one may be greater than a byte has."""
    data = seen.dataset
    if data.unit != 1 or not source.how.counts or len(data) == source.rows:
        return seen
    return replace(seen, dataset=replace(data, array=data[:], targets=None))


def _narrow(targets: Tensor | None) -> Tensor | None:
    """Class numbers in the smallest type that has them: there are as many as rows."""
    if targets is None:
        return None
    return torch.from_numpy(targets.numpy().astype(np.min_scalar_type(-1 - int(targets.max()))))


def _fingerprint(source: Source[Any], seen: Look, targets: Tensor | None) -> str:
    """Of the values that were looked at, of all labels, and of how many rows there are and how they are cut: not of all values, which would
    be to read everything, nor of times and bytes of files, which are others where the same data were copied or written anew.
    """
    digest = hashlib.sha256(fingerprint_of(seen.dataset).encode())
    digest.update(repr([(stretch.part, stretch.rows) for stretch in source.stretches]).encode())
    if targets is not None:
        digest.update(targets.numpy().data)
    return digest.hexdigest()
