"""The least and the greatest number of an array of examples, and how many are missing, whether it is in memory or in files."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.sparse_rows import SparseRows, stored
from lowerbound.data.streams.blocks import StreamedRows


def holes_of(array: Tensor | SparseRows | StreamedRows) -> int:
    """How many values are missing (NaN)."""
    if isinstance(array, StreamedRows):
        return array.blocks.holes
    return 0 if array.dtype == torch.uint8 else int(stored(array).isnan().count_nonzero())


def range_of(array: Tensor | SparseRows | StreamedRows) -> Float[Tensor, " 2"]:
    """The least and the greatest value, missing ones aside; zeros where there is none."""
    if isinstance(array, StreamedRows):
        return torch.tensor([array.blocks.low, array.blocks.high])
    values = stored(array)
    if not values.numel():
        return torch.zeros(2)
    found = torch.stack(torch.aminmax(values)).float()  # NaN if any value is
    if not found.isnan().any():
        return found
    there = values[~values.isnan()]
    return torch.stack(torch.aminmax(there)) if len(there) else torch.zeros(2)
