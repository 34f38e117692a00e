"""The step of a table in one loop gives the gradient of autograd, of all kinds of columns and batches; and the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import every_column
import pytest
import torch
from rows import long_if
from torch import Tensor

import lowerbound as lb
from lowerbound.errors import DataError
from lowerbound.system.noise import by_row
from lowerbound.training.state import State
from lowerbound.training.steps.autograd import ByAutograd
from lowerbound.training.steps.fused import ByHand
from lowerbound.training.steps.plan import Plan
from lowerbound.training.steps.tables import InOneLoop
from lowerbound.vae.loss import of_rows


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def plan(parts: Any, products: torch.dtype = torch.float32) -> Plan:
    state = State(torch.optim.Adam(parts.vae.train().parameters()))
    return Plan(parts.vae, parts.objective, parts.estimator, of_rows, state, products)


def step(kind: Any, parts: Any, data: Any, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Means and gradients."""
    with by_row(7, rows):
        means = kind(plan(parts)).gradient(data, rows, parts.objective.at(1.0))
    return means, torch.cat([weight.grad.flatten() for weight in parts.vae.parameters()]).clone()


@pytest.mark.parametrize("rows", [1, pytest.param(3, marks=pytest.mark.long), 70])
@pytest.mark.parametrize("network", ["mlp:33-20", "mlp:128-128", "linear", "mlp:7"])
@pytest.mark.parametrize(
    "objective", long_if(lambda word: word in ("beta:3", "iwae:20"), ["elbo", "beta:3", "elbo:4", "iwae:5", "iwae:20", "iwae:130"])
)
def test_the_gradient_is_that_of_autograd(objective: str, network: str, rows: int) -> None:
    parts, x = every_column.parts(objective=objective, network=network), every_column.table()
    assert InOneLoop.takes(plan(parts))
    for count in (1, 2):
        with threads(count):
            means, ours = step(InOneLoop, parts, x, torch.arange(90)[-rows:])
        expected, theirs = step(ByAutograd, parts, x, torch.arange(90)[-rows:])
        torch.testing.assert_close(means, expected, rtol=1e-5, atol=1e-4)
        assert float((ours - theirs).norm() / theirs.norm()) < 2e-5


def test_draws_that_weigh_nothing_are_no_part_of_it() -> None:
    """Where laws are narrow one draw has all the weight: the others are left out on the way back, and the gradient is the same."""
    parts, x = every_column.parts(objective="iwae:20"), every_column.table()
    with torch.no_grad():
        for weight in parts.vae.likelihood.network.parameters():
            weight.mul_(3.0)
    means, ours = step(InOneLoop, parts, x, torch.arange(90))
    expected, theirs = step(ByAutograd, parts, x, torch.arange(90))
    torch.testing.assert_close(means, expected, rtol=1e-5, atol=1e-3)
    assert float((ours - theirs).norm() / theirs.norm()) < 2e-5


def test_a_training_has_the_same_bits_twice_and_a_changed_table_is_read_again() -> None:
    x = every_column.table()
    trained = []
    for _ in range(2):
        parts = every_column.parts(seed=3)
        means = [float(record.means[0]) for record in lb.fit(parts.vae, x, epochs=4, batch=32, objective=parts.objective)]
        trained.append((means, torch.cat([weight.detach().flatten() for weight in parts.vae.parameters()])))
    assert trained[0][0] == trained[1][0]
    assert torch.equal(trained[0][1], trained[1][1])
    data, fast = lb.data.Dataset(x.clone()), InOneLoop(plan(every_column.parts()))
    rows, found = torch.arange(40), []
    for _ in range(2):
        with by_row(7, rows):
            found.append(fast.gradient(data, rows, fast.plan.objective.at(0.0)).clone())
        data.array[:, 0] += 1.0
    assert not torch.equal(*found)


def test_a_data_set_and_a_tensor_give_the_same_step() -> None:
    x, parts, rows = every_column.table(), every_column.parts(), torch.arange(5, 75)
    for kept, plain in zip(step(InOneLoop, parts, lb.data.Dataset(x), rows), step(InOneLoop, parts, x, rows), strict=True):
        assert torch.equal(kept, plain)


@pytest.mark.parametrize("words", [{"likelihood": "columns-gaussian"}, {"network": "mlp:300-300"}, {"missingness": "self"}], ids=str)
def test_what_the_loop_has_no_law_for_is_left_to_others(words: dict[str, Any]) -> None:
    assert not InOneLoop.takes(plan(every_column.parts(**words), torch.bfloat16))


def test_a_table_of_another_width_is_refused() -> None:
    made = plan(every_column.parts())
    assert ByHand.takes(made)
    with pytest.raises(DataError, match="4"):
        InOneLoop(made).gradient(every_column.table()[:, :4], torch.arange(9), made.objective.at(0.0))
