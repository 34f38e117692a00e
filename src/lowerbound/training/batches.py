"""Which examples are in which batch: a function of the seed and the epoch, and of what the model needs in a batch.

How many processes share a batch is of no influence.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lowerbound.data.rows import Rows
from lowerbound.data.streams.blocks import streamed
from lowerbound.data.streams.windows import Windows
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


def rows_of(data: Rows, batch: int, seed: int, step: int, least: int = 1) -> Tensor:
    """The row numbers of the batch of ``data`` that follows ``step`` steps."""
    epoch, done = divmod(step, steps_an_epoch(len(data), batch, least))
    return batches_of(data, batch, seed, epoch, least)[done]


def batches_of(data: Rows, batch: int, seed: int, epoch: int, least: int = 1) -> Batches:
    """The batches of an epoch, in order: all rows in an order given by seed and epoch, cut at each ``batch``-th."""
    words = seed, "order", epoch
    array = streamed(data)
    return Batches(permutation(len(data), *words) if array is None else Windows(array, *words), len(data), batch, least)


@dataclass(frozen=True)
class Batches:
    """An order of ``n`` rows, cut; the last batch has what is left."""

    order: Int64[Tensor, " n"] | Windows
    n: int
    batch: int
    least: int

    def __len__(self) -> int:
        return steps_an_epoch(self.n, self.batch, self.least)

    def __getitem__(self, step: int) -> Int64[Tensor, " B"]:
        if not 0 <= step < len(self):
            raise IndexError(f"batch {step} of {len(self):,}")
        return self.order[step * self.batch : self.n if step == len(self) - 1 else (step + 1) * self.batch]
