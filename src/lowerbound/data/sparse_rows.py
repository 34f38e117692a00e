"""An array ``(N, D)`` of which most values are 0, as a data set has it: SciPy's compressed rows, made dense by row numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int64, Shaped
from torch import Size, Tensor


@dataclass(frozen=True)
class SparseRows:
    """Rows of a ``scipy.sparse.csr_matrix`` of bytes or of floats in single precision."""

    matrix: Any

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def shape(self) -> Size:
        """``(N, D)``."""
        return Size(self.matrix.shape)

    @property
    def values(self) -> Shaped[Tensor, " stored"]:
        """Those that are kept."""
        return torch.from_numpy(self.matrix.data)

    @property
    def dtype(self) -> torch.dtype:
        """The type of the values."""
        return self.values.dtype

    def numel(self) -> int:
        """How many values there are, zeros too."""
        return self.shape.numel()

    def index_select(self, axis: int, rows: Int64[Tensor, " B"]) -> Shaped[Tensor, "B D"]:
        """These rows, dense; ``axis`` is 0."""
        assert axis == 0
        return torch.from_numpy(self.matrix[rows.numpy()].toarray())


def stored(array: Tensor | SparseRows) -> Tensor:
    """The values that an array may have: all of them, or of a sparse one those that are kept, and 0 once."""
    return torch.cat([array.values, array.values.new_zeros(1)]) if isinstance(array, SparseRows) else array
