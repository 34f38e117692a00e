"""Which examples are in which batch: a function of the seed and the epoch alone."""

from __future__ import annotations

import math

from torch import Tensor

from lowerbound.system.seeding import permutation


def steps_an_epoch(rows: int, batch: int) -> int:
    """The number of batches that cover all examples once; the last may be smaller."""
    return math.ceil(rows / batch)


def rows_of(n: int, batch: int, seed: int, step: int) -> Tensor:
    """The row numbers, among n examples, of the batch that follows ``step`` steps."""
    epoch, done = divmod(step, steps_an_epoch(n, batch))
    return batches_of(n, batch, seed, epoch)[done]


def batches_of(n: int, batch: int, seed: int, epoch: int) -> tuple[Tensor, ...]:
    """The batches of an epoch, in order: a permutation of n row numbers, given by seed and epoch."""
    return permutation(n, seed, "order", epoch).split(batch)
