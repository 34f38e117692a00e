"""Data as everything here takes them: rows by number, with or without labels."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor


@runtime_checkable
class Rows(Protocol):
    """Data as everything here takes them: a ``Dataset``, or a float tensor ``(N, *event)``."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Tensor: ...


@runtime_checkable
class Labelled(Protocol):
    """Data that may have labels, a class number for each; a ``Dataset`` is."""

    @property
    def labels(self) -> Tensor | None:
        """``(N,)`` class numbers, or None."""


def labels_of(data: Rows, rows: Tensor) -> Int64[Tensor, " B"] | None:
    """The class numbers of some rows; None where data have none."""
    labels = data.labels if isinstance(data, Labelled) else None
    return None if labels is None else labels[rows]


def rows_at_once(data: Rows) -> int:
    """How many data to take in one go where no gradient is wanted: about 16 million values, at most 1,000 data."""
    return max(1, min(1000, 2**24 // max(1, data[[0]].numel())))


def spread(rows: int, most: int) -> Tensor:
    """At most ``most`` of ``rows`` row numbers, evenly spread: data often come sorted by class."""
    some = min(rows, most)
    return torch.arange(some) * rows // max(1, some)
