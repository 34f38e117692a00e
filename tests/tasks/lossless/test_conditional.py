"""Of a conditional VAE the labels are coded with the examples, which come back, at the length of the bound given them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import lowerbound as lb
from lowerbound.errors import DataError, RecipeError
from lowerbound.nn.conditioned import Joined, Planes
from lowerbound.tasks import lossless
from lowerbound.tasks.lossless.networks import exact
from lowerbound.vae.contexts import Label, LowResolution

pytest.importorskip("constriction", reason="pip install 'lowerbound[compression]'")

CLASSES, LATENT, EVENT = 3, 2, (1, 8, 8)


def of_networks(encoder: torch.nn.Module, decoder: torch.nn.Module) -> lb.VAE:
    posterior = lb.posteriors.DiagonalGaussian(encoder)
    return lb.VAE(lb.priors.StandardNormal(LATENT), lb.likelihoods.Bernoulli(decoder), posterior, Label(CLASSES)).eval()


def side_by_side() -> lb.VAE:
    encoder = Joined(lb.nn.mlp(math.prod(EVENT) + CLASSES, 16, 2 * LATENT))
    return of_networks(encoder, Joined(lb.nn.mlp(LATENT + CLASSES, 16, EVENT)))


def as_channels() -> lb.VAE:
    layers = torch.nn.Conv2d(1 + CLASSES, 4, 3, 2, 1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 2 * LATENT)
    return of_networks(Planes(torch.nn.Sequential(*layers)), Joined(lb.nn.mlp(LATENT + CLASSES, 16, EVENT)))


KINDS = {"side by side": side_by_side, "as channels": as_channels}


def model(kind: str) -> lb.VAE:
    """What it decodes hangs on the label: its weights are larger than those that one begins with."""
    torch.manual_seed(0)
    vae = KINDS[kind]()
    with torch.no_grad():
        for weight in vae.likelihood.parameters():
            weight.mul_(1.5)
    return vae


def data(n: int) -> tuple[Tensor, Tensor]:
    chance = np.random.default_rng(1)
    return torch.from_numpy(chance.integers(0, 2, (n, *EVENT))).float(), torch.from_numpy(chance.integers(0, CLASSES, n))


@pytest.mark.parametrize("particles", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_come_back(kind: str, particles: int) -> None:
    x, labels = data(30)
    content = lossless.compress(model(kind), lb.data.Dataset(x, labels), block=20, particles=particles)
    assert torch.equal(lossless.decompress(model(kind), content), x)
    assert torch.equal(lossless.decompress(model(kind), content, range(25, 28)), x[25:28])


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_two_inputs_are_those_of_torch(kind: str) -> None:
    x, labels = data(30)
    vae, context = model(kind), torch.nn.functional.one_hot(labels, CLASSES).float()
    found = exact(vae.posterior.network)(x.double().numpy(), context.double().numpy())
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found).float(), vae.posterior.network(x, context), atol=2e-3, rtol=0)


def test_it_is_as_long_as_the_bound_given_labels_and_those() -> None:
    vae, (_, labels) = model("side by side"), data(1000)
    torch.manual_seed(1)
    x = vae.given(torch.nn.functional.one_hot(labels, CLASSES).float()).sample(len(labels), draw=True)
    rows = lb.data.Dataset(x, labels)
    bits = np.mean([-lb.mean_bound(vae, rows, seed=seed).bound for seed in range(5)]) * len(x) / math.log(2)
    bits += len(x) * math.log2(CLASSES)
    assert 8 * len(lossless.compress(vae, rows)) == pytest.approx(bits, rel=0.02)
    swapped = 8 * len(lossless.compress(vae, lb.data.Dataset(x, (labels + 1) % CLASSES)))
    assert swapped > 1.02 * bits


def test_other_contexts_and_labels_that_are_not_there_are_refused() -> None:
    x, labels = data(4)
    with pytest.raises(DataError, match="these data have no labels"):
        lossless.compress(model("side by side"), x)
    with pytest.raises(DataError, match="label 3 is none of this model's classes"):
        lossless.compress(model("side by side"), lb.data.Dataset(x, labels * 0 + 3))
    vae = side_by_side()
    vae.context = LowResolution(2, EVENT)
    with pytest.raises(RecipeError, match="--given label"):
        lossless.compress(vae, x)
