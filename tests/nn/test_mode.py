"""A model in evaluation mode beside itself: the same weights, and the model in training goes on in training."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

import lowerbound as lb
from lowerbound.nn.mode import in_evaluation
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3))


def test_a_twin_is_in_evaluation_mode_and_the_module_in_training() -> None:
    module, x = network(), torch.randn(5, 4)
    module(x)
    twin = in_evaluation(module)
    assert twin is not module
    assert all(part.training for part in module.modules())
    assert not any(part.training for part in twin.modules())
    found = twin(x)
    assert torch.equal(found, module.eval()(x))
    assert in_evaluation(module) is module


def test_weights_buffers_and_hooks_are_the_same() -> None:
    module = network()
    twin = in_evaluation(module)
    assert all(a is b for a, b in zip(module.parameters(), twin.parameters(), strict=True))
    assert all(a is b for a, b in zip(module.buffers(), twin.buffers(), strict=True))
    module[0].weight = nn.Parameter(torch.zeros(6, 4))
    assert twin[0].weight is module[0].weight, "a weight that is replaced is so in both"
    module[0].register_forward_hook(lambda layer, given, found: found + 1)
    assert twin[0]._forward_hooks


def test_what_is_shared_stays_shared() -> None:
    vae = build(Recipe(prior="vamp:3", network="mlp:8"), (1, 4, 4)).vae
    twin = in_evaluation(vae)
    assert twin.prior._posterior[0] is twin.posterior
    shared = nn.Linear(2, 2)
    both = in_evaluation(nn.ModuleList([shared, shared]))
    assert both[0] is both[1]


@pytest.mark.parametrize("look", ["encode", "mean_bound", "evaluate", "log_likelihood", "reconstruct", "sample"])
def test_a_look_at_a_model_in_training_never_switches_it(look: str) -> None:
    data = lb.data.load("digits").test.view(torch.arange(30))
    vae = build(Recipe(network="mlp:16"), (1, 8, 8)).vae.train()
    seen: list[bool] = []
    vae.posterior.network.register_forward_pre_hook(lambda *_: seen.append(vae.posterior.network.training))
    vae.likelihood.network.register_forward_pre_hook(lambda *_: seen.append(vae.likelihood.network.training))
    {
        "encode": lambda: vae.encode(data[:]),
        "reconstruct": lambda: vae.reconstruct(data[:]),
        "sample": lambda: vae.sample(3),
        "mean_bound": lambda: lb.mean_bound(vae, data),
        "evaluate": lambda: lb.evaluate(vae, data, samples=30),
        "log_likelihood": lambda: lb.log_likelihood(vae, data, 30),
    }[look]()
    assert seen
    assert all(seen)


def test_a_thread_that_encodes_leaves_one_that_trains_in_training_mode() -> None:
    encoder = nn.Sequential(network(), nn.Linear(3, 6))
    vae = lb.VAE(lb.priors.StandardNormal(3), lb.likelihoods.Gaussian(nn.Linear(3, 4)), lb.posteriors.DiagonalGaussian(encoder))
    batch_norm, done = vae.posterior.network[0][1], threading.Event()

    def look() -> None:
        while not done.is_set():
            vae.encode(torch.randn(50, 4))

    other = threading.Thread(target=look)
    other.start()
    steps = sum(1 for _ in lb.fit(vae, torch.randn(640, 4), epochs=4, batch=32))
    done.set()
    other.join()
    assert int(batch_norm.num_batches_tracked) == steps
