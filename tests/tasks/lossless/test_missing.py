"""Of arrays of which some values are missing, all others come back and the holes where they were, as long as bound and masks say."""

from __future__ import annotations

import io
import lzma
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from rows import long_if
from torch import Tensor

import lowerbound as lb
from lowerbound.errors import LowerboundError, RecipeError
from lowerbound.nn.conditioned import Joined, Planes
from lowerbound.nn.missing import MaskedInput
from lowerbound.tasks import lossless
from lowerbound.tasks.lossless import masks
from lowerbound.tasks.lossless.networks import exact
from lowerbound.vae.contexts import Label
from tasks.lossless.models import EVENT, LATENT, LIKELIHOODS, examples, model

pytest.importorskip("constriction", reason="pip install 'lowerbound[compression]'")


def at_random(n: int, share: float = 0.2) -> Tensor:
    """Which values are there: of the first example none, of the second all."""
    there = torch.rand(n, *EVENT, generator=torch.Generator().manual_seed(3)) >= share
    there[0], there[1] = False, True
    return there


def holed(name: str, n: int) -> Tensor:
    return examples(name, n).where(at_random(n), torch.nan)


def same(found: Tensor, expected: Tensor) -> bool:
    return np.array_equal(found.numpy(), expected.numpy(), equal_nan=True)


@pytest.mark.parametrize("particles", [1, 3])
@pytest.mark.parametrize("name", long_if(lambda name: name not in ("bernoulli", "logistic", "poisson"), LIKELIHOODS))
def test_values_and_holes_come_back(name: str, particles: int) -> None:
    x = holed(name, 20)
    content = lossless.compress(model(name, holes=True), x, block=12, particles=particles)
    assert same(lossless.decompress(model(name, holes=True), content), x)
    assert same(lossless.decompress(model(name, holes=True), content, range(14, 17)), x[14:17])
    assert lossless.Header.read(io.BytesIO(content)).missing == int(x.isnan().sum())


def test_examples_of_holes_alone_come_back() -> None:
    for name in LIKELIHOODS:
        x = torch.full((3, *EVENT), torch.nan)
        assert same(lossless.decompress(model(name, holes=True), lossless.compress(model(name, holes=True), x)), x)


def test_whole_data_have_no_masks() -> None:
    x = examples("bernoulli", 5)
    content = lossless.compress(model("bernoulli", holes=True), x)
    assert lossless.Header.read(io.BytesIO(content)).missing == 0
    assert same(lossless.decompress(model("bernoulli", holes=True), content), x)


def test_greys_between_holes_are_binarized() -> None:
    greys = torch.rand(20, *EVENT).where(at_random(20), torch.nan)
    content = lossless.compress(model("bernoulli", holes=True), greys, seed=3)
    back = lossless.decompress(model("bernoulli", holes=True), content)
    assert isinstance(back, Tensor)
    assert lossless.Header.read(io.BytesIO(content)).seed == 3
    assert torch.equal(back.isnan(), greys.isnan())
    assert set(back[~back.isnan()].tolist()) == {0.0, 1.0}


def test_a_file_is_as_long_as_the_bound_of_what_is_there_and_masks() -> None:
    vae, n = model("logistic", holes=True), 500
    torch.manual_seed(1)
    x = vae.sample(n, draw=True).where(at_random(n), torch.nan)
    bits = np.mean([-lb.mean_bound(vae, x, seed=seed).bound for seed in range(5)]) * n / math.log(2)
    of_masks = 8 * len(masks.to_bytes(torch.where(x.isnan(), -1, 0).flatten(1).numpy()))
    assert 8 * len(lossless.compress(vae, x)) == pytest.approx(bits + of_masks, rel=0.02)


# --- masks -------------------------------------------------------------------------------------------

N, VALUES = 400, 300
CHANCE = np.random.default_rng(0)
HALVES = np.arange(VALUES) < VALUES // 2
#: which values are there, and how many bits a value a mask may take
MASKS: dict[str, tuple[Callable[[], np.ndarray], float]] = {
    "at random": (lambda: CHANCE.random((N, VALUES)) > 0.1, 1.15 * 0.469),
    "half of each": (lambda: np.tile(HALVES, (N, 1)), 0.01),
    "one half or the other": (lambda: np.where(CHANCE.random((N, 1)) > 0.5, HALVES, ~HALVES), 0.02),
    "whole pixels": (lambda: np.tile(CHANCE.random((N, VALUES // 3)) > 0.5, (1, 3)), 0.37),
    "a few": (lambda: CHANCE.random((N, VALUES)) > 1e-3, 0.05),
    "none": (lambda: np.zeros((N, VALUES), bool), 0.01),
}


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_comes_back_and_is_short(kind: str) -> None:
    make, bits = MASKS[kind]
    there = make()
    content = masks.to_bytes(np.where(there, 7, masks.MISSING))
    assert (masks.read(content, N, VALUES) == there).all()
    assert 8 * len(content) < bits * there.size


# --- files that are not what they were, and what no code is made of ----------------------------------


def test_a_file_in_which_a_bit_changed_or_that_was_cut_is_refused() -> None:
    vae, random = model("bernoulli", holes=True), np.random.default_rng(0)
    content = lossless.compress(vae, holed("bernoulli", 6), block=3)
    damaged = [content[:length] for length in range(0, len(content), 11)]
    for place in random.integers(0, 8 * len(content), 60):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        damaged.append(bytes(changed))
    for each in damaged:
        with pytest.raises(LowerboundError) as raised:
            lossless.decompress(vae, each)
        assert "\n" not in str(raised.value)


def test_a_damaged_mask_costs_only_its_block() -> None:
    vae, x = model("bernoulli", holes=True), holed("bernoulli", 6)
    header, first, second = (part.content for part in lossless.compressed(vae, x, block=3))
    changed = bytearray(second)
    changed[12] ^= 1
    with pytest.raises(LowerboundError, match="damaged in block 1: examples 3 to 5 are lost"):
        lossless.decompress(vae, header + first + bytes(changed))
    assert same(lossless.decompress(vae, header + first + bytes(changed), range(3)), x[:3])
    with pytest.raises(LowerboundError, match="damaged in block 0"):
        lossless.decompress(vae, header + second + first)


def test_an_encoder_that_is_shown_no_mask_is_refused() -> None:
    vae = model("bernoulli")
    vae.likelihood.holes = True
    with pytest.raises(RecipeError, match="MaskedInput"):
        lossless.compress(vae, holed("bernoulli", 2))


# --- beside labels, and other compressors ------------------------------------------------------------


def given_labels(planes: bool) -> lb.VAE:
    torch.manual_seed(0)
    channels, size, width = MaskedInput.shape(EVENT)[0], math.prod(EVENT), 2 * LATENT
    layers = torch.nn.Conv2d(channels + 2, 4, 3, 2, 1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(100, width)
    inside = Planes(torch.nn.Sequential(*layers)) if planes else Joined(lb.nn.mlp(2 * size + 2, 16, width))
    likelihood = lb.likelihoods.Bernoulli(Joined(lb.nn.mlp(LATENT + 2, 16, EVENT)), holes=True)
    posterior = lb.posteriors.DiagonalGaussian(MaskedInput(inside))
    return lb.VAE(lb.priors.StandardNormal(LATENT), likelihood, posterior, Label(2)).eval()


@pytest.mark.parametrize("planes", [False, True])
def test_a_conditional_model_of_holes_codes_both(planes: bool) -> None:
    vae, x, labels = given_labels(planes), holed("bernoulli", 12), torch.arange(12) % 2
    content = lossless.compress(vae, lb.data.Dataset(x, labels), block=8)
    assert same(lossless.decompress(given_labels(planes), content), x)
    context = torch.nn.functional.one_hot(labels, 2).float()
    found = exact(vae.posterior.network)(x.double().numpy(), context.double().numpy())
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found).float(), vae.posterior.network(x, context), atol=2e-3, rtol=0)


def test_holes_are_a_level_more_to_other_compressors() -> None:
    numbers = np.array([[0, 1, -1, 1]] * 9)
    others = lossless.General(2)
    others.add(numbers)
    assert others.end()["lzma"] == len(lzma.compress(np.where(numbers < 0, 2, numbers).astype(np.uint8).tobytes(), preset=9))
