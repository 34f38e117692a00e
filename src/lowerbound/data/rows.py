"""The interface of data to everything else: examples by row number, with or without labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor

from lowerbound.data.streams.blocks import streamed

#: examples in files that are looked at for what all are, and of how many blocks
LOOKED_AT, BLOCKS = 100_000, 64


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


@runtime_checkable
class Piece(Protocol):
    """Data that may be a piece of more, as a ``Dataset`` may."""

    @property
    def first_row(self) -> int:
        """The number of its first row in the whole."""


def numbers_of(data: Rows, rows: Int64[Tensor, " B"]) -> Int64[Tensor, " B"]:
    """The numbers of some rows in the whole that ``data`` are, or are a piece of: what is drawn for a row follows from its number."""
    return rows + data.first_row if isinstance(data, Piece) and data.first_row else rows


def labels_of(data: Rows, rows: Tensor) -> Int64[Tensor, " B"] | None:
    """The class numbers of some rows; None for data without labels."""
    labels = data.labels if isinstance(data, Labelled) else None
    return None if labels is None else labels[rows].long()


def all_of(data: Rows) -> Tensor:
    """The values of all examples; a tensor itself."""
    return data if isinstance(data, Tensor) else data[torch.arange(len(data))]


def rows_at_once(data: Rows) -> int:
    """How many examples to process at once where no gradient is needed: about 16 million values, at most 1,000 examples."""
    return max(1, min(1000, 2**24 // max(1, data[[0]].numel()))) if len(data) else 1


def in_turn(data: Rows, at_once: int | None = None) -> Iterator[Int64[Tensor, " B"]]:
    """The row numbers of all examples, some at once, by default as many as ``rows_at_once`` has it; of none one empty piece."""
    some = at_once or rows_at_once(data)
    return (torch.arange(start, min(start + some, len(data))) for start in range(0, max(1, len(data)), some))


def some_of(data: Rows, most: int) -> Int64[Tensor, " n"]:
    """At most ``most`` of the row numbers, evenly spaced: data are often sorted by class. In files they are those of a few blocks."""
    if (array := streamed(data)) is None:
        return spread(len(data), most)
    blocks = spread(len(array.sizes), min(most, BLOCKS))
    each = most // max(1, len(blocks))
    return torch.cat([array.starts[block] + spread(int(array.sizes[block]), each) for block in blocks])


def first_look(data: Rows) -> Iterator[Int64[Tensor, " B"]]:
    """The row numbers of what is looked at before data are used, some at once: of all; in files of ``LOOKED_AT``."""
    return in_turn(data) if streamed(data) is None else iter(some_of(data, LOOKED_AT).split(rows_at_once(data)))


def spread(rows: int, most: int) -> Tensor:
    """At most ``most`` of ``rows`` row numbers, evenly spaced: data are often sorted by class."""
    some = min(rows, most)
    return torch.arange(some) * rows // max(1, some)
