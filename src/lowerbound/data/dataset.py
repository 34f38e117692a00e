"""Rows in memory: kept in the type they came in, held once, gathered by the batch.

Training, validation and test data are views of one array: which rows, not copies of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.data.schema import Schema
from lowerbound.errors import DataError
from lowerbound.system.seeding import permutation

TEST_SHARE = 10  # without a test split of its own, every tenth datum is held out, always the same ones
VALIDATION = 5_000
UNKNOWN = -1  # the number of a datum's class where it is not known


@dataclass(frozen=True)
class Dataset:
    """N data, or a view of some rows of them.

    ``array`` is ``(N, *event)``, uint8 (pixels, read as value/255) or float32; images are
    ``(C, H, W)``. ``targets`` is ``(N,)``, a class number for each (``UNKNOWN`` where it is not known), or None; ``classes`` names them.
    ``rows`` are the rows of the view, or None for all.
    """

    array: Tensor
    targets: Int64[Tensor, " N"] | None = None
    classes: tuple[str, ...] = ()
    rows: Int64[Tensor, " n"] | None = None

    def __len__(self) -> int:
        return len(self.array if self.rows is None else self.rows)

    def __getitem__(self, index: slice | Sequence[int] | Tensor) -> Float[Tensor, "B *event"]:
        """The values of several data as float32, pixels as value/255 in [0, 1]."""
        if isinstance(index, slice):
            index = torch.arange(len(self))[index]
        picked = torch.as_tensor(index)
        if self.rows is not None:
            picked = self.rows[picked]
        values = self.array.index_select(0, picked)
        return values.div(255) if self.array.dtype == torch.uint8 else values

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one datum; ``(C, H, W)`` for images."""
        return tuple(self.array.shape[1:])

    @cached_property
    def labels(self) -> Int64[Tensor, " n"] | None:
        """The class number of each datum of this view, or None."""
        return self.targets if self.targets is None or self.rows is None else self.targets[self.rows]

    @property
    def names(self) -> list[str | None] | None:
        """The name of each datum's class, None where it is not known; or None for data without labels."""
        labels = self.labels
        return None if labels is None else [None if label == UNKNOWN else self.classes[label] for label in labels.tolist()]

    @cached_property
    def known(self) -> Int64[Tensor, " m"]:
        """The rows of this view whose class is known."""
        labels = self.labels
        return torch.empty(0, dtype=torch.long) if labels is None else (labels != UNKNOWN).nonzero()[:, 0]

    @property
    def holes(self) -> int:
        """How many values of the whole array are not there (NaN)."""
        return 0 if self.array.dtype == torch.uint8 else int(self.array.isnan().sum())

    @property
    def extremes(self) -> Float[Tensor, " 2"]:
        """The least and the greatest value there can be: 0 and 1 for pixels, looked up for floats, holes left out."""
        if self.array.dtype == torch.uint8:
            return torch.tensor([0.0, 1.0])
        found = torch.stack(torch.aminmax(self.array))  # NaN where there is one
        there = self.array[~self.array.isnan()] if found.isnan().any() else None
        if there is None:
            return found
        return torch.stack(torch.aminmax(there)) if len(there) else torch.zeros(2)

    def view(self, rows: Tensor) -> Dataset:
        """Some rows of this view, nothing copied."""
        return replace(self, rows=rows if self.rows is None else self.rows[rows])

    def relabelled(self, classes: Sequence[str]) -> Dataset:
        """The same data, their classes numbered as ``classes`` are, by name. Errors: DataError for a class that is none of them."""
        if self.targets is None or self.classes == tuple(classes):
            return self
        strange = next((name for name in self.classes if name not in classes), None)
        if strange is not None:
            raise DataError(
                f"class '{strange}' of these data is none of the model's: {', '.join(classes)}; bring data of those, or without labels"
            )
        numbers = torch.tensor([list(classes).index(name) for name in self.classes])
        known = self.targets != UNKNOWN
        return replace(self, targets=torch.where(known, numbers[self.targets], UNKNOWN), classes=tuple(classes))

    def hold_out(self, n: int, purpose: str) -> tuple[Dataset, Dataset]:
        """Everything but n data, and those n; ``purpose`` decides which, the same ones at each call.

        Errors: DataError where nothing would be left.
        """
        if not 0 <= n < len(self):
            raise DataError(f"cannot hold out {n:,} of {len(self):,} data for {purpose}; ask for fewer")
        order = permutation(len(self), purpose)
        return self.view(order[n:].sort().values), self.view(order[:n].sort().values)


def fingerprint_of(*parts: Dataset, labels: bool = False) -> str:
    """SHA-256 of the values and shapes of data, and with ``labels`` of those too: two runs with the same one saw the same."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr((part.event_shape, str(part.array.dtype), len(part))).encode())
        everything = torch.arange(len(part)) if part.rows is None else part.rows
        for rows in everything.split(10_000):
            digest.update(part.array.index_select(0, rows).numpy().data)
        if labels and part.labels is not None:
            digest.update(part.labels.numpy().data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Splits:
    """A source of data: what to learn from, and what to score once at the end.

    ``whole`` is everything in its order where the source has no test data of its own (one in ten was
    then held out), None where it has. ``notes`` say what a user should know of the reading; ``schema`` what the values are, of a table.
    """

    train: Dataset
    test: Dataset
    whole: Dataset | None = None
    notes: tuple[str, ...] = ()
    schema: Schema | None = None

    @classmethod
    def of(cls, whole: Dataset, notes: tuple[str, ...] = ()) -> Splits:
        """A source with no test data of its own: one in ten is held out, at least one where there are two."""
        share = max(1, len(whole) // TEST_SHARE)
        train, test = whole.hold_out(min(share, len(whole) - 1), "test")
        return cls(train, test, whole, notes)

    @property
    def usual(self) -> Dataset:
        """What is looked at when nobody says which part: the test data, or all where none came apart."""
        return self.test if self.whole is None else self.whole

    def relabelled(self, classes: Sequence[str]) -> Splits:
        """All parts, their classes numbered as ``classes`` are."""
        whole = None if self.whole is None else self.whole.relabelled(classes)
        return replace(self, train=self.train.relabelled(classes), test=self.test.relabelled(classes), whole=whole)

    def validation(self, n: int | None = None) -> tuple[Dataset, Dataset]:
        """The training data without a validation slice of n, and that slice.

        None is 5,000, or a tenth of the training data where that is less.
        Errors: DataError where nothing would be left to train on.
        """
        if n is None:
            n = min(VALIDATION, len(self.train) // 10)
        return self.train.hold_out(n, "validation")
