"""Examples in memory, or in files: kept in the type they came in, stored once, gathered by batch.

Training, validation and test data are views of one array: row numbers, not copies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from lowerbound.data.pixels import gathered
from lowerbound.data.ranges import holes_of, range_of
from lowerbound.data.rows import some_of
from lowerbound.data.schema import Schema
from lowerbound.data.sparse_rows import SparseRows
from lowerbound.data.streams.blocks import StreamedRows, streamed
from lowerbound.errors import DataError
from lowerbound.system.seeding import permutation

TEST_SHARE = 10  # without a test split of its own, one example in ten is held out, always the same ones
VALIDATION = 5_000
PICTURED = 20_000
UNKNOWN = -1  # the class number of an example whose class is not known


@dataclass(frozen=True)
class Dataset:
    """N examples, or a view of some of them.

    ``array`` is ``(N, *event)``, uint8 (read as value / ``unit``: 255 of pixels, 1 of bits and counts) or float32; images are
    ``(C, H, W)``. ``targets`` is ``(N,)``, the class number of each example (``UNKNOWN`` where it is not known), or None; ``classes`` are
    the names of the classes. ``white`` is the number that was read as 1 where the type alone does not say it, ``black`` that which was read
    as 0, ``stored`` the type of the numbers where it is not the array's. ``variables`` are the names of the values of a vector, where they
    have some.
    ``rows`` are the rows of the view, or None for all. ``first_row`` is the number of the first of them where they are a piece of more
    examples: noise that belongs to rows follows from their numbers in the whole (``rows.numbers_of``).

    >>> import torch
    >>> import lowerbound as lb
    >>> pixels = torch.tensor([[0, 255], [51, 102]], dtype=torch.uint8)
    >>> data = lb.data.Dataset(pixels, targets=torch.tensor([1, 0]), classes=("cat", "dog"))
    >>> [round(value, 2) for value in data[1].tolist()], len(data), data.event_shape, data.names
    ([0.2, 0.4], 2, (2,), ['dog', 'cat'])
    """

    array: Tensor | SparseRows | StreamedRows
    targets: Int[Tensor, " N"] | None = None
    classes: tuple[str, ...] = ()
    rows: Int64[Tensor, " n"] | None = None
    unit: int = 255
    white: float | None = None
    black: float = 0.0
    stored: str = ""
    variables: tuple[str, ...] = ()
    first_row: int = 0

    def __len__(self) -> int:
        return len(self.array if self.rows is None else self.rows)

    def __getitem__(self, index: Any) -> Float[Tensor, "*some"]:
        """The values of some examples as float32, pixels in [0, 1]: by rows, a slice or a mask ``(B, *event)``; by one row ``(*event)``.

        Errors: IndexError for a row that there is not, or a mask of another length.
        """
        if isinstance(index, slice):
            index = torch.arange(len(self))[index]
        picked = torch.as_tensor(index)
        if picked.dtype == torch.bool:
            if picked.shape != (len(self),):
                raise IndexError(f"a mask of the shape {tuple(picked.shape)} for {len(self):,} examples; give one truth for each")
            picked = picked.nonzero()[:, 0]
        if picked.dim() == 0:
            row = int(picked) + (len(self) if picked < 0 else 0)
            if not 0 <= row < len(self):
                raise IndexError(f"row {int(picked)} of {len(self):,} examples")
            return self[[row]][0]
        picked = picked.long()
        if self.rows is not None:
            picked = self.rows[picked]
        if isinstance(self.array, Tensor) and self.array.dtype == torch.uint8:
            return gathered(self.array, picked, self.unit)
        values = self.array.index_select(0, picked)
        return values.div(self.unit) if self.array.dtype == torch.uint8 else values

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one example; ``(C, H, W)`` for images."""
        return tuple(self.array.shape[1:])

    @cached_property
    def labels(self) -> Int[Tensor, " n"] | None:
        """The class number of each example of this view, in the type that they are stored in, or None."""
        return self.targets if self.targets is None or self.rows is None else self.targets[self.rows]

    @property
    def names(self) -> list[str | None] | None:
        """The class name of each example, None where it is not known; or None for data without labels."""
        labels = self.labels
        return None if labels is None else [None if label == UNKNOWN else self.classes[label] for label in labels.tolist()]

    @cached_property
    def known(self) -> Int64[Tensor, " m"]:
        """The rows of this view whose class is known."""
        labels = self.labels
        return torch.empty(0, dtype=torch.long) if labels is None else (labels != UNKNOWN).nonzero()[:, 0]

    @property
    def holes(self) -> int:
        """How many values of the whole array are missing (NaN)."""
        return holes_of(self.array)

    @property
    def extremes(self) -> Float[Tensor, " 2"]:
        """The least and the greatest possible value: 0 and 1 for pixels and bits; else those of the array, missing values aside."""
        if self.array.dtype != torch.uint8:
            return range_of(self.array)
        return torch.tensor([0.0, 1.0 if self.unit != 1 else max(1.0, float(range_of(self.array)[1]))])

    def inverted(self) -> Dataset:
        """The data with black and white exchanged, x → 1 − x. Errors: DataError for values that are not in [0, 1], or sparse."""
        low, high = self.extremes.tolist()
        if isinstance(self.array, StreamedRows):
            raise DataError("shards are not inverted when they are read; invert the data when shards are made of them")
        if isinstance(self.array, SparseRows) or low < 0 or high > 1:
            raise DataError("only values from black to white, in [0, 1], can be inverted; say with a range which numbers those are")
        return replace(self, array=(self.unit if self.array.dtype == torch.uint8 else 1) - self.array)

    def view(self, rows: Tensor) -> Dataset:
        """A view of some rows of this view, without copying."""
        return replace(self, rows=rows if self.rows is None else self.rows[rows])

    def piece(self, first: int, end: int) -> Dataset:
        """A view of the rows from ``first`` to before ``end``, which know their numbers: what is drawn for them is as in the whole."""
        return replace(self.view(torch.arange(first, end)), first_row=self.first_row + first)

    @property
    def pictured(self) -> Dataset:
        """What figures show: all; of data in files a view of ``PICTURED`` examples, from all over them."""
        return self if streamed(self) is None else self.view(some_of(self, PICTURED))

    def relabelled(self, classes: Sequence[str]) -> Dataset:
        """The data with classes numbered by name as in ``classes``. Errors: DataError for a class that is not among them."""
        if self.targets is None or self.classes == tuple(classes):
            return self
        strange = next((name for name in self.classes if name not in classes), None)
        if strange is not None:
            raise DataError(
                f"class '{strange}' of these data is not one of the model's: {', '.join(classes)}; use data with those, or without labels"
            )
        numbers = torch.tensor([list(classes).index(name) for name in self.classes])
        known = self.targets != UNKNOWN
        return replace(self, targets=torch.where(known, numbers[self.targets], UNKNOWN), classes=tuple(classes))

    def hold_out(self, n: int, purpose: str) -> tuple[Dataset, Dataset]:
        """All but n examples, and those n; ``purpose`` decides which, the same ones at each call. In files n is raised to whole blocks.

        Errors: DataError where nothing would be left.
        """
        if not 0 <= n < len(self):
            raise DataError(f"cannot hold out {n:,} of {len(self):,} examples for {purpose}; ask for fewer")
        if isinstance(self.array, StreamedRows) and self.rows is None:
            order = permutation(len(self.array.sizes), purpose)
            held = int(torch.searchsorted(self.array.sizes[order].cumsum(0), n)) + 1 if n else 0
            held = min(held, len(order) - 1)
            return self._of_blocks(self.array, order[held:].sort().values), self._of_blocks(self.array, order[:held].sort().values)
        order = permutation(len(self), purpose)
        return self.view(order[n:].sort().values), self.view(order[:n].sort().values)

    def _of_blocks(self, array: StreamedRows, blocks: Tensor) -> Dataset:
        """The examples of some blocks of an array in files."""
        if self.targets is None:
            return replace(self, array=array.part(blocks))
        rows = [torch.arange(int(array.starts[block]), int(array.ends[block])) for block in blocks.tolist()]
        return replace(self, array=array.part(blocks), targets=self.targets[torch.cat(rows)] if rows else self.targets[:0])


def fingerprint_of(*parts: Dataset, labels: bool = False) -> str:
    """The SHA-256 of the values and shapes of data, and with ``labels`` of those too: runs with the same one used the same data.

    >>> import torch
    >>> import lowerbound as lb
    >>> a, b = lb.data.Dataset(torch.zeros(10, 3)), lb.data.Dataset(torch.ones(10, 3))
    >>> lb.data.fingerprint_of(a)[:8], lb.data.fingerprint_of(a) == lb.data.fingerprint_of(b)
    ('b6bdb8a0', False)
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr((part.event_shape, str(part.array.dtype), len(part), *((part.unit,) if part.unit != 255 else ()))).encode())
        if isinstance(part.array, StreamedRows):
            digest.update(part.array.fingerprint.encode())
            digest.update((part.array.chosen if part.rows is None else part.rows).numpy().data)
            continue
        everything = torch.arange(len(part)) if part.rows is None else part.rows
        for rows in everything.split(10_000):
            digest.update(part.array.index_select(0, rows).numpy().data)
        if labels and part.labels is not None:
            digest.update(part.labels.numpy().data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Splits:
    """A source of data: examples to learn from, and examples to score once at the end.

    ``whole`` is all the data in order where the source has no test data of its own (one in ten was
    then held out), None where it has. ``own_validation`` are its validation data, if it has some. ``notes`` say what a user should know
    about how it was read; ``schema`` describes a table's values.

    >>> import torch
    >>> import lowerbound as lb
    >>> splits = lb.data.Splits.of(lb.data.Dataset(torch.rand(1000, 3)))
    >>> train, validation = splits.validation()
    >>> len(splits.train), len(splits.test), len(train), len(validation)
    (900, 100, 810, 90)
    """

    train: Dataset
    test: Dataset
    whole: Dataset | None = None
    notes: tuple[str, ...] = ()
    schema: Schema | None = None
    own_validation: Dataset | None = None

    @classmethod
    def of(cls, whole: Dataset, notes: tuple[str, ...] = ()) -> Splits:
        """A source with no test data of its own: one example in ten is held out, at least one if there are two."""
        share = max(1, len(whole) // TEST_SHARE)
        train, test = whole.hold_out(min(share, len(whole) - 1), "test")
        return cls(train, test, whole, notes)

    @classmethod
    def of_parts(cls, whole: Dataset, rows: Mapping[str, Tensor], notes: tuple[str, ...] = ()) -> Splits:
        """A source whose ``rows`` of ``train``, ``validation`` and ``test`` are known; without test data some of ``train`` are held out.

        Errors: DataError where there is nothing to train on.
        """
        parts = {name: whole.view(rows[name]) if name in rows and len(rows[name]) else None for name in ("train", "validation", "test")}
        train, test = parts["train"], parts["test"]
        if train is None:
            raise DataError("there are no training data; name that part train")
        if test is None:
            train, test = train.hold_out(max(1, len(train) // TEST_SHARE), "test")
        return cls(train, test, notes=notes, own_validation=parts["validation"])

    @classmethod
    def of_datasets(cls, parts: Mapping[str, Dataset], notes: tuple[str, ...] = (), schema: Schema | None = None) -> Splits:
        """A source whose parts, named as for ``of_parts``, are data sets of their own; without test data some of ``train`` are held out."""
        own = parts.get("validation")
        if "test" in parts:
            return cls(parts["train"], parts["test"], None, notes, schema, own)
        return replace(cls.of(parts["train"], notes), schema=schema, own_validation=own)

    @property
    def usual(self) -> Dataset:
        """The part used by default: the test data, or all data where the source has no test data of its own."""
        return self.test if self.whole is None else self.whole

    def relabelled(self, classes: Sequence[str]) -> Splits:
        """All parts with classes numbered by name as in ``classes``. Errors: DataError for a class that is not among them."""
        return self._each(lambda part: part.relabelled(classes))

    def inverted(self) -> Splits:
        """All parts with black and white exchanged, their array once. Errors: DataError."""
        turned: dict[int, Tensor | SparseRows | StreamedRows] = {}

        def invert(part: Dataset) -> Dataset:
            if id(part.array) not in turned:
                turned[id(part.array)] = part.inverted().array
            return replace(part, array=turned[id(part.array)])

        return self._each(invert)

    def _each(self, change: Callable[[Dataset], Dataset]) -> Splits:
        whole, own = (None if part is None else change(part) for part in (self.whole, self.own_validation))
        return replace(self, train=change(self.train), test=change(self.test), whole=whole, own_validation=own)

    def validation(self, n: int | None = None) -> tuple[Dataset, Dataset]:
        """The training data without n validation examples, and those examples.

        By default they are the source's own, or n is 5,000, or a tenth of the training data where that is less.
        Errors: DataError where nothing would be left to train on.
        """
        if n is None and self.own_validation is not None:
            return self.train, self.own_validation
        if n is None:
            n = min(VALIDATION, len(self.train) // 10)
        return self.train.hold_out(n, "validation")
