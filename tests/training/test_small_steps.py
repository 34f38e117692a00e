"""Steps of small networks are one thread's, and others have theirs back, however the training ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

import lowerbound as lb
from lowerbound.system.machine import Choice
from lowerbound.training.steps import small
from lowerbound.training.steps.autograd import ByAutograd
from lowerbound.training.steps.choose import KINDS
from lowerbound.training.steps.plan import Plan, Step
from lowerbound.vae.loss import of_rows


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was measured on this machine."""
    monkeypatch.setattr(small, "known", lambda question: Choice(question.usual()))


@pytest.fixture(autouse=True)
def two() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    for kind in KINDS:
        gradient = kind.gradient

        def noted(self: Step, *given: object, gradient=gradient) -> torch.Tensor:  # type: ignore[no-untyped-def]
            found.append(torch.get_num_threads())
            return gradient(self, *given)

        monkeypatch.setattr(kind, "gradient", noted)
    return found


def trained(network: str, event: tuple[int, ...] = (1, 8, 8), batch: int = 4, **words: object) -> None:
    parts = lb.build(lb.Recipe(data="digits", latent="2", network=network, **words), event)
    for record in lb.fit(
        parts.vae, torch.rand(2 * batch, *event), epochs=1, batch=batch, objective=parts.objective, estimator=parts.estimator
    ):
        assert torch.get_num_threads() == 2, record


@pytest.mark.parametrize(
    ("network", "words", "threads"),
    [
        ("mlp:16", {}, 1),
        ("mlp:16", {"likelihood": "gaussian", "scale": "learned"}, 1),
        ("gated:16", {}, 1),
        ("conv:4-6", {}, 2),
        ("mlp:16", {"prior": "vamp:8"}, 2),
    ],
)
def test_the_kind_of_network_says_by_how_many_threads(seen: list[int], network: str, words: dict[str, str], threads: int) -> None:
    trained(network, **words)
    assert set(seen) == {threads}


def test_the_size_of_a_step_counts_examples_draws_and_weights() -> None:
    parts = lb.build(lb.Recipe(data="digits", latent="2", network="mlp:16", objective="iwae:50"), (1, 8, 8))
    plan = Plan(parts.vae, parts.objective, parts.estimator, of_rows, lb.State.new(parts.vae, 0), torch.float32)
    weights = 64 * 16 + 16 * 4 + 2 * 16 + 16 * 64
    few = int(small.THREADS.usual()) // (50 * weights)
    step = ByAutograd(plan)
    assert small.is_small(step, small.multiplied(step.plan.vae), few)
    assert not small.is_small(step, small.multiplied(step.plan.vae), few + 1)


def test_an_error_and_a_break_leave_the_threads_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = lb.build(lb.Recipe(data="digits", latent="2", network="mlp:16"), (1, 8, 8)).vae
    for _ in lb.fit(vae, torch.rand(8, 1, 8, 8), epochs=2, batch=4):
        break
    assert torch.get_num_threads() == 2
    monkeypatch.setattr(nn.Linear, "forward", lambda *_: 1 / 0)
    for kind in KINDS[:-1]:
        monkeypatch.setattr(kind, "takes", lambda _: False)
    with pytest.raises(ZeroDivisionError):
        next(iter(lb.fit(vae, torch.rand(8, 1, 8, 8), epochs=2, batch=4)))
    assert torch.get_num_threads() == 2
