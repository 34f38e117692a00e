"""Corruptions keep their laws, act in training alone, and leave the loss to ask for the sound data."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from toys import z_score

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.errors import RecipeError
from lowerbound.nn.corruptions import Corruption, Gaussian, Masking, SaltAndPepper
from lowerbound.recipes import networks
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.vae.loss import loss

DRAWS = 20_000
GREYS = torch.linspace(0, 1, 5)
IMAGES, REALS = DataSpec((5,)), DataSpec((5,), -1.0)


def made(word: str, spec: DataSpec = IMAGES) -> Corruption:
    return networks.corruption(word, spec)


def draws(corruption: Corruption, values: torch.Tensor = GREYS) -> torch.Tensor:
    torch.manual_seed(0)
    return corruption(values.expand(DRAWS, -1)).double()


def moments(found: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor) -> None:
    """Both are those of the law, within their standard errors."""
    varied = found.var(0) > 0
    assert torch.allclose(found.mean(0)[~varied], mean.double()[~varied])
    assert z_score(found[:, varied], mean.double()[varied]) < 4
    assert z_score((found - mean).square()[:, varied], variance.double()[varied]) < 4


def test_gaussian_noise_is_normal() -> None:
    found = draws(made("gaussian:0.5", REALS), 100 * GREYS)
    moments(found, 100 * GREYS, torch.full((5,), 0.25))
    kurtosis = ((found - 100 * GREYS) / 0.5) ** 4
    assert z_score(kurtosis, 3.0) < 4
    values = found - found.mean(0)
    assert z_score(values[:, :1] * values[:, 1:], 0.0) < 4, "each value has noise of its own"


def test_gaussian_noise_keeps_images_within_their_range() -> None:
    """The law is then a rectified normal, whose mean and variance are known."""
    scale = 0.5
    found = draws(made(f"gaussian:{scale}"))
    assert found.min() == 0
    assert found.max() == 1
    normal = torch.distributions.Normal(torch.zeros(()).double(), torch.ones(()).double())
    low, high = -GREYS.double() / scale, (1 - GREYS.double()) / scale

    def phi(at: torch.Tensor) -> torch.Tensor:
        return normal.log_prob(at).exp()

    inside = normal.cdf(high) - normal.cdf(low)
    above = 1 - normal.cdf(high)
    mean = GREYS * inside + scale * (phi(low) - phi(high)) + above
    noise_square = scale**2 * (inside + low * phi(low) - high * phi(high))
    square = GREYS.double() ** 2 * inside + 2 * GREYS * scale * (phi(low) - phi(high)) + noise_square + above
    moments(found, mean, square - mean**2)
    assert float(mean[0]) == pytest.approx(scale / math.sqrt(2 * math.pi) - scale * float(phi(high[0]) - high[0] * above[0]), abs=1e-6)


def test_masking_hits_its_share() -> None:
    values = GREYS + 1
    found = draws(made("masking:0.3"), values)
    assert z_score((found == 0).double(), 0.3) < 4
    assert torch.equal(found[found != 0], values.double().expand(DRAWS, -1)[found != 0])
    moments(found, 0.7 * values, 0.7 * 0.3 * values**2)
    hit = (found == 0).double() - 0.3
    assert z_score(hit[:, :1] * hit[:, 1:], 0.0) < 4, "each value has luck of its own"


def test_salt_and_pepper_hit_half_of_their_share_each() -> None:
    values = 0.2 + 0.6 * GREYS
    found = draws(made("salt-and-pepper:0.1"), values)
    assert z_score((found == 0).double(), 0.05) < 4
    assert z_score((found == 1).double(), 0.05) < 4
    assert torch.equal(*(part[(found > 0) & (found < 1)] for part in (found, values.double().expand(DRAWS, -1))))
    moments(found, 0.9 * values + 0.05, 0.9 * values**2 + 0.05 - (0.9 * values + 0.05) ** 2)


@pytest.mark.parametrize("word", networks.CORRUPTIONS)
def test_images_stay_images_and_evaluation_sees_them_whole(word: str) -> None:
    corruption, x = made(word), torch.rand(64, 1, 8, 8)
    damaged = corruption(x)
    assert damaged.shape == x.shape
    assert not torch.equal(damaged, x)
    assert not torch.equal(damaged, corruption(x)), "afresh each time"
    assert 0 <= damaged.min() <= damaged.max() <= 1
    corruption.eval()
    assert torch.equal(corruption(x), x)
    assert not torch.equal(corruption.corrupt(x), x), "on request in any mode"
    assert not list(corruption.parameters())


WRONG = [
    ("gaussian:0", "σ of a gaussian corruption must be a positive number"),
    ("gaussian:nan", "σ of a gaussian corruption must be a positive number"),
    ("masking:1", "must be above 0 and below 1, not 1"),
    ("masking:-0.1", "must be above 0 and below 1"),
    ("salt-and-pepper:1.5", "must be above 0 and below 1"),
    ("masking:much", "is not understood; write masking:0.3"),
    ("masking:0.1:0.2", "too many numbers"),
]


@pytest.mark.parametrize(("word", "message"), WRONG)
def test_what_makes_no_sense_is_refused(word: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build(Recipe(corruption=word), (1, 4, 4))


def test_salt_and_pepper_are_for_pixels() -> None:
    with pytest.raises(RecipeError, match="choose gaussian or masking"):
        build(Recipe(corruption="salt-and-pepper", likelihood="gaussian"), DataSpec((4,), -1.0))
    with pytest.raises(RecipeError, match="did you mean 'masking'"):
        Recipe(corruption="maskin")


class Seen(nn.Module):
    """An encoder that remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.all = nn.Linear(16, 4), []

    @property
    def x(self) -> torch.Tensor:
        """The last."""
        return self.all[-1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.all.append(x)
        return self.layer(x)


@pytest.mark.parametrize("corruption", [Masking(0.5), Gaussian(0.5), SaltAndPepper(0.5)], ids=str)
def test_a_denoising_vae_is_asked_for_the_sound_data(corruption: Corruption) -> None:
    """The likelihood of a constant decoder depends on its data alone: those that were given."""
    seen, decoder = Seen(), nn.Linear(2, 16)
    nn.init.zeros_(decoder.weight)
    encoder = nn.Sequential(corruption, seen)
    vae = lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Gaussian(decoder, 1.0), lb.posteriors.DiagonalGaussian(encoder))
    x = torch.rand(32, 16)
    vae.train()
    found = loss(vae, x, lb.objectives.ELBO(), lb.estimators.Pathwise())
    assert not torch.equal(seen.x, x)
    assert torch.allclose(found.log_likelihood, torch.distributions.Normal(decoder.bias, 1.0).log_prob(x).sum(1))
    vae.encode(x)
    assert torch.equal(seen.x, x), "in evaluation the encoder sees what there is"
    assert lb.mean_bound(vae, x) == lb.mean_bound(vae, x)


def test_a_corruption_changes_the_training_and_not_the_first_weights() -> None:
    data = torch.rand(64, 16, generator=torch.Generator().manual_seed(0))
    weights = []
    for words_ in ({}, {"corruption": "masking:0.5"}):
        vae = build(Recipe(**words_, network="mlp:8"), (16,)).vae
        before = [parameter.clone() for parameter in vae.parameters()]
        list(lb.fit(vae, data, epochs=1, batch=16))
        weights.append((before, [parameter.clone() for parameter in vae.parameters()]))
    (plain_before, plain_after), (noisy_before, noisy_after) = weights
    assert all(torch.equal(*pair) for pair in zip(plain_before, noisy_before, strict=True))
    assert not all(torch.equal(*pair) for pair in zip(plain_after, noisy_after, strict=True))
