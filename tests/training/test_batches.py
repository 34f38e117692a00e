"""Batches: which examples are in which, and a last batch of one where there is batch norm."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from mistakes import D, model, weights, with_norm

import lowerbound as lb
from lowerbound.training.batches import batches_of, fewest, rows_of, steps_an_epoch

N, BATCH = 33, 16
DATA = torch.rand(N, D, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("rows", "batch", "least", "sizes"),
    [
        (33, 16, 1, [16, 16, 1]),
        (33, 16, 2, [16, 17]),
        (34, 16, 2, [16, 16, 2]),
        (32, 16, 2, [16, 16]),
        (3, 2, 2, [3]),
        (3, 16, 2, [3]),
        (1, 16, 2, [1]),
        (3, 1, 2, [1, 1, 1]),
        (0, 16, 2, []),
    ],
)
def test_sizes(rows: int, batch: int, least: int, sizes: list[int]) -> None:
    batches = [*batches_of(torch.zeros(rows, 1), batch, 0, 5, least)]
    assert [len(each) for each in batches] == sizes
    assert steps_an_epoch(rows, batch, least) == len(sizes)
    assert sorted(row for each in batches for row in each.tolist()) == list(range(rows))
    for done, each in enumerate(batches):
        assert torch.equal(rows_of(torch.zeros(rows, 1), batch, 0, 5 * len(sizes) + done, least), each)


def test_the_order_is_the_same_whether_or_not_the_last_is_joined() -> None:
    assert torch.equal(torch.cat([*batches_of(DATA, BATCH, 3, 0, 2)]), torch.cat([*batches_of(DATA, BATCH, 3, 0)]))


def test_a_model_with_batch_norm_sees_every_example_and_never_one_alone() -> None:
    assert (fewest(with_norm()), fewest(model())) == (2, 1)
    assert [record.rows for record in lb.fit(with_norm(), DATA, epochs=2, batch=BATCH)] == [16, 17, 16, 17]
    assert [record.rows for record in lb.fit(model(), DATA, epochs=1, batch=BATCH)] == [16, 16, 1]


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_left_at_any_step_it_goes_on_to_the_same_bits(stop: int) -> None:
    whole, left = with_norm(), with_norm()
    list(lb.fit(whole, DATA, epochs=2, batch=BATCH))
    state = lb.State.new(left, 0)
    list(islice(lb.fit(left, DATA, epochs=2, batch=BATCH, state=state), stop))
    list(lb.fit(left, DATA, epochs=2, batch=BATCH, state=state))
    assert all(torch.equal(one, other) for one, other in zip(whole.state_dict().values(), left.state_dict().values(), strict=True))
    assert torch.equal(weights(whole), weights(left))
