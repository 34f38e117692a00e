"""Bytes of some rows as numbers, as a batch is read: in one pass where torch gathers, widens and divides."""

from __future__ import annotations

from jaxtyping import Float, Int, UInt8
from torch import Tensor

from lowerbound.system.operations import operation


@operation("gathered(Tensor array, Tensor rows, int unit) -> Tensor")
def gathered(array: UInt8[Tensor, "N *event"], rows: Int[Tensor, " B"], unit: int) -> Float[Tensor, "B *event"]:
    """Each byte of these rows divided by ``unit``. Errors: IndexError for a row that there is not."""
    return array.index_select(0, rows).div(unit)
