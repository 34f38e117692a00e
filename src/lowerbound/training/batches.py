"""Which examples are in which batch: a function of the seed and the epoch, and of what the model needs in a batch."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lowerbound.system.seeding import permutation


def fewest(model: nn.Module) -> int:
    """How many examples a batch has at least: 2 where there is batch norm, for one alone has no variance; else 1."""
    return 2 if any(isinstance(part, _BatchNorm) for part in model.modules()) else 1


def steps_an_epoch(rows: int, batch: int, least: int = 1) -> int:
    """The number of batches that cover all examples once. The last may be smaller; where it would have fewer than ``least`` it is a part
    of the one before.
    """
    whole, left = divmod(rows, batch)
    return max(whole + (left >= least and left > 0), min(rows, 1))


def rows_of(n: int, batch: int, seed: int, step: int, least: int = 1) -> Tensor:
    """The row numbers, among n examples, of the batch that follows ``step`` steps."""
    epoch, done = divmod(step, steps_an_epoch(n, batch, least))
    return batches_of(n, batch, seed, epoch, least)[done]


def batches_of(n: int, batch: int, seed: int, epoch: int, least: int = 1) -> tuple[Tensor, ...]:
    """The batches of an epoch, in order: a permutation of n row numbers, given by seed and epoch, cut at each ``batch``-th."""
    order, steps = permutation(n, seed, "order", epoch), steps_an_epoch(n, batch, least)
    return tuple(order[step * batch : n if step == steps - 1 else (step + 1) * batch] for step in range(steps))
