"""Hierarchies are coded level by level: all comes back, at the length of the bound, and a block begins by few bits."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest
import torch
from rows import long_if
from threadpoolctl import threadpool_limits

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.errors import RecipeError
from lowerbound.nn.networks import features, gated, mlp
from lowerbound.nn.stages import Stages
from lowerbound.recipes.build import build
from lowerbound.system import devices
from lowerbound.tasks import lossless
from lowerbound.tasks.lossless import blocks, functions, laws
from lowerbound.tasks.lossless.container import Header, read_block
from lowerbound.tasks.lossless.model import ArrayCode, ExactModel
from lowerbound.vae.contexts import Label
from tasks.lossless.models import EVENT, examples

pytest.importorskip("constriction", reason="pip install 'lowerbound[compression]'")

HIDDEN, CLASSES = 16, 3


def first_of(kind: str, size: int, posterior: lb.posteriors.Posterior) -> lb.priors.Prior:
    """p(z₁); components are apart from one another, as they are after training."""
    if kind == "normal":
        return lb.priors.StandardNormal(size)
    if kind == "mixture":
        made = lb.priors.GaussianMixture(size, 3)
        with torch.no_grad():
            made.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
        return made
    return lb.priors.VampPrior(posterior, EVENT, 5, squash=True)


def chain(sizes: Sequence[int], context: bool = False, floor: float = 0.0, first: str = "normal") -> lb.VAE:
    """Gaussians by gated networks of the levels above, and of features of the example."""
    above = [0, *accumulate(sizes)]
    seen = math.prod(EVENT) + CLASSES * context
    encoder = features(seen if context else EVENT, HIDDEN, network=gated)
    levels = _levels([HIDDEN + before for before in above[:-1]], sizes)
    posterior = lb.posteriors.Chain(_joined(encoder, context), levels, sizes, floor)
    prior = lb.priors.Chain(first_of(first, sizes[0], posterior), _levels(above[1:-1], sizes[1:]), sizes, floor)
    decoder = gated(sum(sizes) + CLASSES * context, HIDDEN, EVENT)
    return lb.VAE(prior, lb.likelihoods.Bernoulli(_joined(decoder, context)), posterior, Label(CLASSES) if context else None).eval()


def ladder(sizes: Sequence[int], floor: float = 0.0, first: str = "normal") -> lb.VAE:
    """Levels that refine the prior's, each by features of its own."""
    above, widths = [*accumulate(sizes)], [HIDDEN - level for level in range(len(sizes))]
    prior = lb.priors.Chain(first_of(first, sizes[0], None), _levels(above[:-1], sizes[1:]), sizes, floor)
    stages = [features(before, width) for before, width in zip([EVENT, *widths], widths, strict=False)]
    levels = [mlp(width, 2 * size) for width, size in zip(reversed(widths), sizes, strict=True)]
    posterior = lb.posteriors.Ladder(Stages(stages), levels, widths[::-1], prior, floor)
    return lb.VAE(prior, lb.likelihoods.Bernoulli(mlp(sum(sizes), HIDDEN, EVENT)), posterior).eval()


def flat(latent: int, prior: str = "normal") -> lb.VAE:
    posterior = lb.posteriors.DiagonalGaussian(mlp(EVENT, HIDDEN, 2 * latent))
    return lb.VAE(first_of(prior, latent, posterior), lb.likelihoods.Bernoulli(mlp(latent, HIDDEN, EVENT)), posterior).eval()


def images(floor: float | None = None) -> lb.VAE:
    """All weights away from where they begin, so that no part is the identity."""
    recipe = lb.Recipe(likelihood="bernoulli", latent=1, levels="1-1", network="conv:3-2", sigma_floor=floor)
    vae = build(recipe, EVENT).vae.eval()
    with torch.no_grad():
        for weight in vae.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
    assert isinstance(vae, lb.VAE)
    return vae


def _levels(inputs: Sequence[int], sizes: Sequence[int]) -> list[torch.nn.Module]:
    return [gated(before, HIDDEN, 2 * size) for before, size in zip(inputs, sizes, strict=True)]


def _joined(network: torch.nn.Module, context: bool) -> torch.nn.Module:
    return lb.nn.conditioned.Joined(network) if context else network


#: by name
MODELS: dict[str, Callable[[], lb.VAE]] = {
    "two levels": lambda: chain((3, 4)),
    "three levels": lambda: chain((2, 3, 4)),
    "given labels": lambda: chain((3, 4), context=True),
    "a ladder of two": lambda: ladder((3, 4)),
    "a ladder of three": lambda: ladder((2, 3, 4)),
    "two levels with a floor of σ": lambda: chain((3, 4), floor=0.4),
    "a ladder with a floor of σ": lambda: ladder((3, 4), floor=0.4),
    "pseudo-inputs": lambda: flat(3, "vamp"),
    "a mixture": lambda: flat(3, "mixture"),
    "two levels of pseudo-inputs": lambda: chain((3, 4), first="vamp"),
    "two levels of pseudo-inputs with a floor of σ": lambda: chain((3, 4), floor=0.4, first="vamp"),
    "a ladder of a mixture": lambda: ladder((3, 4), first="mixture"),
    "images": images,
}
#: those that are tried each time
QUICK = ("three levels", "a ladder of three", "two levels of pseudo-inputs", "images")
#: of which a test looks at the laws alone
FLOORED: dict[str, Callable[[], lb.VAE]] = {"images with a floor of σ": lambda: images(0.4)}


def model(name: str) -> lb.VAE:
    torch.manual_seed(3)
    return (MODELS | FLOORED)[name]()


def data(vae: lb.VAE, n: int) -> Dataset:
    """Draws of the model, and where it is given labels, those."""
    torch.manual_seed(1)
    labels = torch.arange(n) % CLASSES
    if vae.context is None:
        return Dataset(vae.sample(n, draw=True))
    return Dataset(vae.given(torch.nn.functional.one_hot(labels, CLASSES).float()).sample(1, draw=True).reshape(n, *EVENT), labels)


@pytest.mark.parametrize("particles", [1, pytest.param(3, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", long_if(lambda name: name not in QUICK, MODELS))
def test_all_comes_back(name: str, particles: int) -> None:
    vae = model(name)
    for n in (1, 15):
        x = Dataset(examples("bernoulli", n), torch.arange(n) % CLASSES, unit=1)
        content = lossless.compress(vae, x, block=10, particles=particles)
        assert torch.equal(lossless.decompress(vae, content), x[:])


@pytest.mark.parametrize("name", long_if(lambda name: name not in QUICK[2:], MODELS))
def test_a_file_is_as_long_as_the_bound_says(name: str) -> None:
    vae = model(name)
    x = data(vae, 1000)
    elbo = lb.objectives.ELBO(lb.objectives.SampledKL(), 1)
    bits = np.mean([-lb.mean_bound(vae, x, objective=elbo, seed=seed).bound for seed in range(20)]) * len(x) / math.log(2)
    bits += len(x) * math.log2(CLASSES) * (vae.context is not None)
    assert 8 * len(lossless.compress(vae, x)) == pytest.approx(bits, rel=0.02)


@pytest.mark.parametrize("name", [name for name in MODELS | FLOORED if name != "given labels"])
def test_bins_have_the_odds_of_q_against_p(name: str) -> None:
    """Bins are alike to p but for a mixture's, so that log q of one, and as much as one of p costs, is log q(z|x)/p(z)."""
    vae, x = model(name), examples("bernoulli", 200)
    code = ArrayCode(ExactModel.of(vae), 1, holes=False)
    seen = code.posterior(x.long().flatten(1).numpy(), laws.LATENT_BITS)
    bins, z = seen.drawn(blocks.loops.stack(np.random.default_rng(0).integers(1, 2**32, 20_000, np.uint32)).pop)
    np.testing.assert_array_equal(code.latents.values(bins, laws.LATENT_BITS), z)
    alike = code.latents.size - (0 if code.latents.components is None else code.latents.sizes[0])
    found = alike * laws.LATENT_BITS * math.log(2) - seen.costs(bins) / laws.COST
    with torch.no_grad():
        levels = torch.from_numpy(z).float()
        expected = vae.posterior(x).log_prob(levels) - vae.prior().log_prob(levels)
    inside = (np.abs(bins[:, : code.latents.size] - 2047.5) < 2000).all(1)  # the outermost bins are wide
    assert inside.sum() > 20
    assert expected.std() > 0.05
    of_tables = code.latents.size / functions.PER_UNIT  # Φ is straight between entries: each of two densities is off by |z|/256
    np.testing.assert_allclose(found[inside], expected.numpy()[inside], atol=of_tables)


@pytest.mark.parametrize("make", [lambda: flat(30), lambda: chain((10, 20)), lambda: ladder((10, 20))])
def test_a_block_begins_by_few_bits_and_is_shorter_for_it(make: Callable[[], lb.VAE], monkeypatch: pytest.MonkeyPatch) -> None:
    """Against what bits back begins by that draws every example from bins as fine."""
    torch.manual_seed(3)
    vae, x = make(), examples("bernoulli", 100)
    coarse = lossless.compress(vae, x)
    monkeypatch.setattr(blocks, "FIRST_BITS", (laws.LATENT_BITS,))
    plain = lossless.compress(vae, x)
    assert beginning(coarse) <= 0.45 * beginning(plain)
    assert 8 * (len(plain) - len(coarse)) > 0.3 * beginning(plain)


def beginning(content: bytes) -> int:
    """The bits that a file's first block begins by, but those of the state of an empty stack."""
    file = io.BytesIO(content)
    header = Header.read(file)
    return 32 * (read_block(header, 0, file).initial - blocks.loops.STATE)


@pytest.mark.parametrize("name", long_if(lambda name: name != "three levels", QUICK))
def test_a_file_is_the_same_without_loops_and_with_other_threads(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    vae, x = model(name), examples("bernoulli", 30)
    with threadpool_limits(2):
        content = lossless.compress(vae, x)
    monkeypatch.setattr(devices, "exact_loops", lambda: None)
    with threadpool_limits(1):
        assert lossless.compress(vae, x) == content
        assert torch.equal(lossless.decompress(vae, content), x)


def test_weights_of_every_level_are_in_the_hash() -> None:
    vae = model("two levels")
    before = ExactModel.of(vae).digest
    for side in (vae.prior, vae.posterior):
        with torch.no_grad():
            bias = next(side.levels.parameters())  # type: ignore[union-attr]
            bias.add_(1)
            assert ExactModel.of(vae).digest != before
            bias.sub_(1)
    found = ExactModel.of(vae)
    assert replace(found, latents=replace(found.latents, sizes=(4, 3))).digest != before


@pytest.mark.parametrize("name", ["two levels of pseudo-inputs", "a mixture", "images"])
def test_what_a_prior_begins_with_is_in_the_hash(name: str) -> None:
    """Pseudo-inputs, means, the features at the top."""
    vae = model(name)
    before, first = ExactModel.of(vae).digest, vae.prior.first if isinstance(vae.prior, lb.priors.Chain) else vae.prior
    for weight in first.parameters():
        with torch.no_grad():
            weight.add_(1)
            assert ExactModel.of(vae).digest != before
            weight.sub_(1)


def test_hierarchies_of_other_parts_are_refused() -> None:
    two = model("two levels")
    flat = lb.VAE(lb.priors.StandardNormal(7), two.likelihood, two.posterior)
    gamma = lb.VAE(lb.priors.Chain(lb.priors.Gamma(3), [gated(3, 8)], (3, 4)), two.likelihood, two.posterior)
    for vae in (flat, gamma):
        with pytest.raises(RecipeError, match="needs a prior that is normal, mixture or vamp and a diagonal Gaussian posterior"):
            lossless.compress(vae, examples("bernoulli", 2))
