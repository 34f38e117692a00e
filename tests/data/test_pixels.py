"""Bytes of rows are the numbers that torch makes of them, to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import lowerbound as lb
from lowerbound.data.pixels import gathered

EVERY = torch.arange(256, dtype=torch.uint8)


@pytest.mark.parametrize("unit", [1, 3, 255])
@pytest.mark.parametrize(
    "array",
    [
        EVERY.view(16, 1, 4, 4),
        EVERY[:, None],
        EVERY.view(16, 16).t(),
        EVERY.view(32, 8)[::2],
        EVERY[:0].view(0, 3),
        EVERY.view(256, 1)[:, :0],
    ],
    ids=["images", "one value", "transposed", "every other", "none", "empty"],
)
def test_each_byte_is_divided(array: Tensor, unit: int) -> None:
    rows = torch.arange(len(array)).flip(0).repeat(2)[: 2 * len(array) // 3]
    assert torch.equal(gathered(array, rows, unit), array[rows].div(unit))


@pytest.mark.parametrize("row", [-1, 16])
def test_a_row_that_there_is_not_is_an_error(row: int) -> None:
    with pytest.raises(IndexError):
        gathered(EVERY.view(16, 16), torch.tensor([0, row]), 255)


def test_a_view_of_a_data_set_reads_its_rows() -> None:
    data = lb.data.Dataset(EVERY.view(64, 1, 2, 2), rows=torch.tensor([5, 3]))
    assert torch.equal(data[[1, 0, 1]], EVERY.view(64, 1, 2, 2)[[3, 5, 3]] / 255)


@pytest.mark.parametrize("kind", [torch.int32, torch.int16])
def test_rows_of_other_types_are_torchs_to_take_or_refuse(kind: torch.dtype) -> None:
    """Loops read rows of 64 bits."""
    array, rows = torch.arange(60, dtype=torch.uint8).view(6, 10), torch.tensor([1, 0, 5])
    try:
        expected = array.index_select(0, rows.to(kind)).div(255)
    except RuntimeError:
        with pytest.raises(RuntimeError):
            gathered(array, rows.to(kind), 255)
    else:
        assert torch.equal(gathered(array, rows.to(kind), 255), expected)
