"""Two models trained or scored in two threads give what each gives alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import lowerbound as lb
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe

RECIPES = [
    {"network": "mlp:16"},
    {"network": "conv:4", "likelihood": "gaussian", "corruption": "masking:0.3"},
    {"posterior": "gamma", "prior": "gamma:1:1", "network": "mlp:16", "estimator": "g-rep"},
    {"posterior": "von-mises-fisher", "prior": "sphere", "latent": 3, "network": "mlp:16"},
]


def in_threads(tasks: list[Callable[[], Tensor]]) -> list[Tensor]:
    """What each gives, all of them at once, each beginning when all are there."""
    found: dict[int, Tensor] = {}
    together = threading.Barrier(len(tasks))

    def work(number: int) -> None:
        together.wait()
        found[number] = tasks[number]()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(tasks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in range(len(tasks))]


def trained(words: dict[str, Any]) -> Callable[[], Tensor]:
    """The weights after some steps, of a model that is made beforehand."""
    parts, data = build(Recipe(**{"latent": 2, **words}), (1, 8, 8)), lb.data.load("digits").train

    def weights() -> Tensor:
        for _ in lb.fit(parts.vae, data, epochs=2, objective=parts.objective, estimator=parts.estimator, seed=3):
            pass
        return torch.cat([one.detach().flatten() for one in parts.vae.parameters()])

    return weights


def scored(words: dict[str, Any]) -> Callable[[], Tensor]:
    vae, data = build(Recipe(**{"latent": 2, **words}), (1, 8, 8)).vae, lb.data.load("digits").test.view(torch.arange(60))

    def figures() -> Tensor:
        density = lb.log_likelihood(vae, data, 200, seed=1)
        return torch.cat([density.log_p, density.elbo, torch.tensor([lb.mean_bound(vae, data, seed=2).bound])])

    return figures


@pytest.mark.parametrize("task", [trained, scored])
def test_threads_give_what_each_gives_alone(task: Callable[[dict[str, Any]], Callable[[], Tensor]]) -> None:
    alone = [task(words)() for words in RECIPES]
    together = in_threads([task(words) for words in RECIPES])
    for one, other, words in zip(alone, together, RECIPES, strict=True):
        assert torch.equal(one, other), words
