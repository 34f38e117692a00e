"""The interface of data to everything else: examples by row number, with or without labels."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor


@runtime_checkable
class Rows(Protocol):
    """Examples by row number: a ``Dataset``, or a float tensor ``(N, *event)``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Tensor: ...


@runtime_checkable
class Labelled(Protocol):
    """Data that may have labels, a class number for each example, as a ``Dataset`` may."""

    @property
    def labels(self) -> Tensor | None:
        """``(N,)`` class numbers, or None."""


def labels_of(data: Rows, rows: Tensor) -> Int64[Tensor, " B"] | None:
    """The class numbers of some rows; None for data without labels."""
    labels = data.labels if isinstance(data, Labelled) else None
    return None if labels is None else labels[rows]


def all_of(data: Rows) -> Tensor:
    """The values of all examples; a tensor itself."""
    return data if isinstance(data, Tensor) else data[torch.arange(len(data))]


def rows_at_once(data: Rows) -> int:
    """How many examples to process at once where no gradient is needed: about 16 million values, at most 1,000 examples."""
    return max(1, min(1000, 2**24 // max(1, data[[0]].numel()))) if len(data) else 1


def spread(rows: int, most: int) -> Tensor:
    """At most ``most`` of ``rows`` row numbers, evenly spaced: data are often sorted by class."""
    some = min(rows, most)
    return torch.arange(some) * rows // max(1, some)
