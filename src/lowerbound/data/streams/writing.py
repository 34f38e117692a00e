"""A folder of shards, written from data that come in pieces; ``shards.py`` reads it."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from lowerbound.data.dataset import UNKNOWN, Dataset
from lowerbound.data.loading import reading_of
from lowerbound.data.rows import in_turn
from lowerbound.data.schema import Schema
from lowerbound.data.streams.pieces import pieces
from lowerbound.data.streams.shards import HEADER, LABELS, MANIFEST, Manifest, Shard
from lowerbound.errors import DataError, OutputError
from lowerbound.system.files import make_folder, save_array, write_json, written

#: bytes of a shard, about, and of what is in memory while it is written
SHARD, PIECE = 2**28, 2**24


@dataclass
class ShardWriter:
    """Writes data that come in pieces, each a ``Dataset``; ``notes`` and a table's ``schema`` are kept with them.
    ``classes`` are those that are known before.

    All pieces have the shape, type and meaning of the first. A file gets its name when it is complete, ``shards.json`` last of all.
    """

    folder: Path
    schema: Schema | None = None
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    rows: int = 0
    _first: Dataset | None = None
    _low: float = np.inf
    _high: float = -np.inf
    _holes: int = 0
    _parts: dict[str, list[Shard]] = field(default_factory=dict)
    _open: dict[str, OpenShard] = field(default_factory=dict)
    _files: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> ShardWriter:
        make_folder(self.folder)
        if any(self.folder.iterdir()):
            raise OutputError(f"{self.folder} is not empty; give a new folder")
        self._files.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                self._finish()
        finally:
            self._files.__exit__(*error)  # type: ignore[arg-type]

    def add(self, part: str, data: Dataset) -> None:
        """Append rows to a part. Errors: DataError for rows of another kind than the first; OutputError."""
        first = self._first = self._first or data
        for name in ("event_shape", "unit", "white", "black", "variables"):
            before, now = getattr(first, name), getattr(data, name)
            if now != before:
                raise DataError(
                    f"row {self.rows:,} and those after have the {name} {now}, the first {before}; shards have rows of one kind"
                )
        if data.array.dtype != first.array.dtype or (data.targets is None) != (first.targets is None):
            raise DataError(f"row {self.rows:,} and those after have another type, or labels where the first have none; read all alike")
        self.classes += tuple(name for name in data.classes if name not in self.classes)
        numbers = torch.tensor([*map(self.classes.index, data.classes), UNKNOWN])
        bytes_a_row = max(1, data.array.shape[1:].numel() * data.array.dtype.itemsize)
        for rows in in_turn(data, max(1, PIECE // bytes_a_row)):
            values = data.array.index_select(0, rows if data.rows is None else data.rows[rows])
            self._append(part, values, None if data.labels is None else numbers[data.labels[rows].long()])
        self.rows += len(data)

    def _append(self, part: str, values: Tensor, labels: Tensor | None) -> None:
        missing = int(values.isnan().count_nonzero()) if values.is_floating_point() else 0
        self._holes += missing
        if missing < values.numel():
            low, high = torch.aminmax(values[~values.isnan()] if missing else values)
            self._low, self._high = min(self._low, float(low)), max(self._high, float(high))
        open_one = self._open.get(part) or self._begin(part)
        open_one.write(values, labels)
        if open_one.bytes >= SHARD:
            self._end(part)

    def _begin(self, part: str) -> OpenShard:
        name = f"{part}-{len(self._parts.setdefault(part, [])):05}.npy"
        self._open[part] = OpenShard(self.folder / name)
        return self._files.enter_context(self._open[part])

    def _end(self, part: str) -> None:
        self._parts[part].append(self._open.pop(part).close())

    def _finish(self) -> None:
        """End all files, and say what is in them. Errors: DataError where there is nothing to train on."""
        for part in [*self._open]:
            self._end(part)
        first = self._first
        if first is None or "train" not in self._parts:
            raise DataError("there are no examples to make shards of")
        low, high = (self._low, self._high) if self._low <= self._high else (0.0, 0.0)
        manifest = Manifest(
            event_shape=first.event_shape,
            dtype=str(first.array.dtype).removeprefix("torch."),
            low=low,
            high=high,
            holes=self._holes,
            unit=first.unit,
            white=first.white,
            black=first.black,
            stored=first.stored,
            classes=None if first.targets is None else self.classes,
            variables=first.variables,
            columns=None if self.schema is None else self.schema.words(),
            notes=self.notes,
            parts={part: tuple(shards) for part, shards in self._parts.items()},
        )
        write_json(self.folder / MANIFEST, manifest.words())


class OpenShard:
    """A shard that is being written: ``.npy`` with a header of a fixed length, which is written when the number of rows is known."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows, self.bytes, self.sum = path, 0, 0, hashlib.sha256()
        self._labels: list[Tensor] = []
        self._kind, self._event, self._files = "", (0,), ExitStack()
        self._file: BinaryIO | None = None

    def __enter__(self) -> OpenShard:
        self._file = self._files.enter_context(written(self.path))
        self._file.write(bytes(HEADER))
        return self

    def __exit__(self, *error: object) -> None:
        self._files.__exit__(*error)  # type: ignore[arg-type]

    def write(self, values: Tensor, labels: Tensor | None) -> None:
        """Append rows."""
        assert self._file is not None
        numbers = np.ascontiguousarray(values.numpy())
        self._kind, self._event = numbers.dtype.str, numbers.shape[1:]
        self._file.write(numbers.data)
        self.sum.update(numbers.data)
        self.rows, self.bytes = self.rows + len(numbers), self.bytes + numbers.nbytes
        if labels is not None:
            self._labels.append(labels)

    def close(self) -> Shard:
        """Write the header, the labels beside it, and give the file its name."""
        assert self._file is not None
        self._file.seek(0)
        self._file.write(header(self._kind, (self.rows, *self._event)))
        self._files.close()
        if self._labels:
            labels = torch.cat(self._labels).numpy()
            labels = labels.astype(np.min_scalar_type(-1 - int(labels.max())))
            self.sum.update(labels.data)
            save_array(self.path.with_name(self.path.name.replace(".npy", LABELS)), labels)
        return Shard(self.path.name, self.rows, self.sum.hexdigest())


def header(kind: str, shape: tuple[int, ...]) -> bytes:
    """The ``HEADER`` bytes before the values of a ``.npy`` file.

    Source: NumPy Enhancement Proposal 1, "A Simple File Format for NumPy Arrays", 2007, https://numpy.org/neps/nep-0001-npy-format.html.
    """
    said = repr({"descr": kind, "fortran_order": False, "shape": shape})
    return b"\x93NUMPY\x01\x00" + (HEADER - 10).to_bytes(2, "little") + said.ljust(HEADER - 11).encode("ascii") + b"\n"


def shard(source: Any, folder: str | Path, *, data_dir: str | Path | None = None, **reading: Any) -> Manifest:
    """Shards of a source in a new folder, which ``load`` reads block by block; what was said of them.

    ``source`` is what ``load`` takes, what ``dataset_of`` takes, or anything that gives examples, or pairs of one and its label, one after
    the other, such as a torch ``IterableDataset``; ``.npy`` files, Parquet and Arrow files and tars are read in pieces. ``reading`` are
    options of ``load``. Where the source has no test data, one block in ten is held out when the shards are read.
    Errors: DataError for a source that cannot be read; OutputError for a folder that is not new.

    >>> import tempfile
    >>> import torch
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     lb.data.shard((torch.rand(3) for _ in range(1000)), f"{folder}/shards").rows
    {'train': 1000}
    """
    how = reading_of(holes=True, **reading)
    found = pieces(source, how, data_dir)
    with ShardWriter(Path(folder), found.schema, found.notes, found.classes) as writer:
        for part, data in found.rows:
            writer.add(part, data)
    return Manifest.read(Path(folder) / MANIFEST)
