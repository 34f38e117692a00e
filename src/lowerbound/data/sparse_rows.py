"""An array ``(N, D)`` of which most values are 0, as a data set has it: gathered by row numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int64, Integer, Shaped
from torch import Size, Tensor


@dataclass(frozen=True)
class SparseRows:
    """Compressed rows: row n has ``values[starts[n]:starts[n + 1]]`` in the ``columns`` of the same places, and 0 elsewhere."""

    starts: Int64[Tensor, " starts"]
    columns: Integer[Tensor, " stored"]
    values: Shaped[Tensor, " stored"]
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def shape(self) -> Size:
        """``(N, D)``."""
        return Size([len(self), self.width])

    @property
    def dtype(self) -> torch.dtype:
        """The type of the values."""
        return self.values.dtype

    def numel(self) -> int:
        """How many values there are, zeros too."""
        return len(self) * self.width

    def index_select(self, axis: int, rows: Int64[Tensor, " B"]) -> Shaped[Tensor, "B D"]:
        """These rows, dense; ``axis`` is 0."""
        assert axis == 0
        first, lengths = self.starts[rows], self.starts[rows + 1] - self.starts[rows]
        ends = lengths.cumsum(0)
        places = torch.arange(int(ends[-1]) if len(ends) else 0) + (first - (ends - lengths)).repeat_interleave(lengths)
        dense = torch.zeros(len(rows), self.width, dtype=self.dtype)
        dense.view(-1)[torch.arange(len(rows)).repeat_interleave(lengths) * self.width + self.columns[places].long()] = self.values[places]
        return dense


def stored(array: Tensor | SparseRows) -> Tensor:
    """The values that an array may have: all of them, or of a sparse one those that are kept, and 0 once."""
    return torch.cat([array.values, array.values.new_zeros(1)]) if isinstance(array, SparseRows) else array
