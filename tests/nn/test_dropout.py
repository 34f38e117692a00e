"""Dropout: the share that goes, what stays of the sum, and whose masks they are."""

from __future__ import annotations

import pytest
import torch

from lowerbound.errors import RecipeError
from lowerbound.nn.dropout import Dropout
from lowerbound.system.noise import by_row
from lowerbound.system.seeding import seeded


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_share_goes_and_the_mean_stays(share: float) -> None:
    x, n = torch.full((500, 400), 2.0), 200_000
    with seeded(0, "dropout"):
        y = Dropout(share)(x)
    assert set(y.unique().tolist()) == {0.0, float(x[0, 0] / (1 - share))}
    assert abs(float((y == 0).float().mean()) - share) < 4 * (share * (1 - share) / n) ** 0.5


def test_outside_training_and_with_no_share_values_pass() -> None:
    x = torch.randn(3, 4)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_masks_belong_to_examples_also_where_these_come_several_times() -> None:
    """As in a decoder, whose rows are K draws for each of B examples."""
    rows, dropout = torch.arange(6), Dropout(0.5)
    with by_row(1, rows):
        whole = dropout(torch.ones(12, 20)).unflatten(0, (2, 6))
    with by_row(1, rows[2:5]):
        share = dropout(torch.ones(6, 20)).unflatten(0, (2, 3))
    assert torch.equal(share, whole[:, 2:5])
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(RecipeError, match="at least 0 and below 1"):
        Dropout(share)
