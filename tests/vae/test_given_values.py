"""Models given a part of the values, or the image made small: exact where the conditional law is known, and drawn masks that repeat."""

from __future__ import annotations

import math

import pytest
import torch
from tasks.test_complete import conditional
from torch import nn
from torch.nn import functional as F
from toys import LinearGaussian

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.evaluation.one_draw import one_draw
from lowerbound.evaluation.width import best_factor, width
from lowerbound.recipes import missing
from lowerbound.recipes.build import build
from lowerbound.recipes.contexts import context
from lowerbound.recipes.recipe import Recipe
from lowerbound.tasks import encode
from lowerbound.vae.contexts import LowResolution, Observed
from lowerbound.vae.density import log_density
from lowerbound.vae.likelihoods import Calibrated
from lowerbound.vae.likelihoods.scales import Optimal
from lowerbound.vae.loss import loss
from lowerbound.vae.observation import observe
from lowerbound.vae.priors import GivenContext

TOY = LinearGaussian(1, 5, 0.7)


def word(given: str, event: tuple[int, ...]) -> lb.contexts.Context:
    return context(given, DataSpec(event))


class OfLatent(nn.Module):
    """Mean and log-variance of p(z | x_observed) of ``TOY``, of x and mask together; the mask may say that all is observed."""

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        values, observed = given.chunk(2, 1)
        weight = TOY.weight[:, 0] / TOY.scale**2
        precision = 1 + (observed * TOY.weight[:, 0] * weight).sum(1)
        return torch.stack([(observed * weight * (values - TOY.bias)).sum(1) / precision, -precision.log()], 1)


class OfAll(nn.Module):
    """The same of x alone, and no look at the context."""

    def forward(self, x: torch.Tensor, _: torch.Tensor | None = None) -> torch.Tensor:
        return OfLatent()(torch.cat([x, torch.ones_like(x)], 1))


class Alone(nn.Module):
    """A decoder that does not look at the context, for all there is to know of x is in z."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(1, 5)
        self.network.load_state_dict({"weight": TOY.weight, "bias": TOY.bias})

    def forward(self, z: torch.Tensor, _: torch.Tensor | None = None) -> torch.Tensor:
        return self.network(z)


def exact(given: str = "observed") -> lb.VAE:
    """p(x_missing | x_observed) = ∫ p(x_missing|z) p(z | x_observed) dz, the three laws being those of ``TOY``."""
    likelihood = lb.likelihoods.Gaussian(Alone(), TOY.scale)
    return lb.VAE(GivenContext(OfLatent()), likelihood, lb.posteriors.DiagonalGaussian(OfAll()), word(given, (5,)))


def some(n: int, seed: int = 3) -> Dataset:
    torch.manual_seed(seed)
    return Dataset(TOY.evidence.sample(torch.Size([n])))


def truth(vae: lb.VAE, data: Dataset, seed: int = 0) -> torch.Tensor:
    """log p(x_missing | x_observed) of each example, its mask the one that evaluation gives it; 0 where nothing is missing."""
    known = vae.context.tells(observe(vae, data, torch.arange(len(data)), seed).vae.posterior.context)
    of = [
        conditional(TOY.evidence, x, seen).log_prob(x[~seen]) if not seen.all() else torch.tensor(0.0)
        for x, seen in zip(data[:], known, strict=True)
    ]
    return torch.stack(of)


# --- the density -------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["observed", "observed:random:0.3", "observed:random:1"])
def test_log_p_of_what_is_missing_is_exact(given: str) -> None:
    """Of draws of q every weight p(x_missing|z) p(z|x_observed)/p(z|x) is the answer itself, whatever z."""
    vae, data = exact(given), some(60)
    found = lb.log_likelihood(vae, data, 200)
    torch.testing.assert_close(found.curve.float(), truth(vae, data).expand_as(found.curve), rtol=0, atol=1e-4)
    assert ((found.log_p - truth(vae, data)).abs() < 4.5 * found.se + 1e-4).all()
    bound = lb.mean_bound(vae, Dataset(data.array), seed=1)
    assert bound.bound == pytest.approx(float(truth(vae, some(1000, seed=9)).mean()), abs=4 * bound.bound_se)


def test_nothing_observed_is_the_whole_density_and_bits_are_of_what_is_scored() -> None:
    data = some(40)
    whole, part = exact("observed:random:1"), exact("observed:random:0.4")
    torch.testing.assert_close(truth(whole, data), TOY.evidence.log_prob(data[:]))
    values = lb.evaluate(part, data, samples=60).to_json()
    known = part.context.tells(observe(part, data, torch.arange(40), 0).vae.posterior.context)
    assert values["density"] == "log p(x_missing | x_observed)"
    assert values["scored"] == pytest.approx(float((~known).sum()) / 40)
    assert values["bits_per_dim"] == pytest.approx(-values["log_likelihood"]["mean"] / (values["scored"] * math.log(2)))
    assert values["kl_per_dimension"] is not None
    found = lb.mean_bound(part, data)
    assert found.bits_per_dim * math.log(2) * 5 * 0.4 == pytest.approx(-found.bound, rel=0.3)


@pytest.mark.long
def test_a_model_that_learns_comes_up_to_the_conditional() -> None:
    recipe = Recipe(given="observed", likelihood="gaussian", scale="0.7", prior="given-context:64", latent=1, network="mlp:64")
    vae = build(recipe, DataSpec((5,), -1.0)).vae
    state = lb.State(torch.optim.Adam(vae.parameters(), lr=3e-3))
    for _ in lb.fit(vae, some(4000), epochs=25, batch=100, state=state):
        pass
    data = some(400, seed=4)
    found = lb.log_likelihood(vae, data, 100)
    gap = truth(vae, data).double() - found.log_p
    assert float(gap.mean()) == pytest.approx(0, abs=0.1)
    assert float(gap.mean()) > -3 * float(gap.std()) / 20, "it is no better than the truth"


def test_neither_batch_nor_memory_nor_company_changes_a_figure() -> None:
    recipe = Recipe(given="observed", network="mlp:8", prior="given-context", latent=2)
    vae, data = build(recipe, (1, 4, 4)).vae, Dataset(torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(0)))
    state = torch.get_rng_state()
    one, tight = (lb.log_likelihood(vae, data, 100, memory=memory) for memory in (2**30, 400_000))
    torch.testing.assert_close(one.log_p, tight.log_p, rtol=0, atol=1e-3)
    torch.testing.assert_close(one.log_p[:4], lb.log_likelihood(vae, data.view(torch.arange(4)), 100).log_p, rtol=0, atol=1e-3)
    latents = encode.encode(vae, data)
    torch.testing.assert_close(latents[:3], encode.encode(vae, data.view(torch.arange(3))))
    assert not torch.equal(latents, encode.encode(vae, data, seed=1)), "another mask"
    assert lb.evaluate(vae, data, samples=20).to_json() == lb.evaluate(vae, data, samples=20).to_json()
    assert torch.equal(torch.get_rng_state(), state)


def test_the_best_scale_is_that_of_what_is_scored() -> None:
    scale = Optimal()
    law = torch.distributions.Independent(Calibrated(torch.zeros(1, 2, 4), torch.ones(()), scale), 1)
    x, observed = torch.tensor([[3.0, 9, 9, 3], [3.0, 9, 9, 9]]), torch.tensor([[1, 0, 0, 1], [1, 0, 0, 0]]).bool()
    found = log_density(law, x, observed)
    normal = torch.distributions.Normal(0.0, 3.0).log_prob(torch.tensor(3.0))
    torch.testing.assert_close(found, torch.stack([2 * normal, normal])[None])
    assert float(scale.square) == pytest.approx(9)


def test_the_doctor_looks_at_what_is_scored() -> None:
    vae, data = exact("observed:random:0.5"), some(300)
    assert width(one_draw(vae, data)) == []
    vae.likelihood.scale.value = 2.0
    assert [one.name for one in width(one_draw(vae, data))] == ["a mis-weighted likelihood"]
    for _ in range(10):  # each a step of EM, which comes to the σ of the most likely model
        gain = best_factor(one_draw(vae, data))
        assert gain is not None
        vae.likelihood.scale.value *= 2.0**gain.at
    assert vae.likelihood.scale.value == pytest.approx(TOY.scale, rel=0.1)


# --- masks -------------------------------------------------------------------------------------------

WORDS = ["left", "right", "top", "bottom", "quadrants:1", "quadrants:2", "quadrants:3", "random:0.3", "random"]


def test_every_way_to_be_missing_is_looked_at() -> None:
    assert {which.partition(":")[0] for which in WORDS} == set(missing.MISSING)
    assert {which.partition(":")[0] for which in missing.PARTS} == set(missing.MISSING) - {"random"}


@pytest.mark.parametrize("which", [*WORDS, None])
@pytest.mark.parametrize("event", [(1, 8, 8), (3, 5, 6), (6,), (5, 9), (2, 3, 4, 5)])
def test_what_is_given_is_the_rest_of_what_is_missing(which: str | None, event: tuple[int, ...]) -> None:
    if len(event) == 1 and which not in ("random:0.3", "random", None):
        with pytest.raises(UsageError, match="have no left, right, top or bottom"):
            word(f"observed:{which}", event)
        return
    if len(event) == 2 and which is not None and which.partition(":")[0] in ("top", "bottom", "quadrants"):
        with pytest.raises(UsageError, match="have no top or bottom; write left, right or random"):
            word(f"observed:{which}", event)
        return
    given = word("observed" if which is None else f"observed:{which}", event)
    x = torch.rand(50, *event) + 1
    with lb.seeding.seeded(0, "missing"):
        c = given.of(x, None)
    assert c.shape[1:] == given.shape == (2 * event[0], *event[1:])
    observed = given.tells(c)
    if which is not None:
        assert torch.equal(observed, missing.observed(which, Dataset(x))), "the same word says the same in --missing"
    assert torch.equal(c.chunk(2, 1)[0], x.where(observed, 0.0))
    assert (observed == observed[:, :1]).all() or len(event) == 1, "whole pixels"
    other = torch.rand(3, 50, *event)
    filled = given.put(c, other)
    assert torch.equal(filled[0][observed], x[observed])
    assert torch.equal(filled[1][~observed], other[1][~observed])
    assert torch.equal(given.put(c, other.flatten(2)), filled)
    assert torch.equal(given.part(x.where(observed, torch.nan), observed), c), "nothing is looked at where it is missing"


def test_one_model_is_given_all_parts() -> None:
    given, x = word("observed", (1, 8, 8)), torch.rand(4000, 1, 8, 8)
    torch.manual_seed(0)
    observed = given.tells(given.of(x, None))
    for part in missing.PARTS:
        share = (observed == missing.observed(part, Dataset(x[:1]))).flatten(1).all(1).double().mean()
        times = 2 if part in ("right", "quadrants:2") else 1  # the same part, in two words
        assert abs(float(share) - times / 8) < 4 * (times / 8 / 4000) ** 0.5, part
    shares = word("observed", (200,)).masks(4000).double().mean(1)
    assert abs(float(shares.mean()) - 0.5) < 4 * (1 / 12 / 4000) ** 0.5, "uniform between nothing and all"
    assert float(shares.std()) == pytest.approx(12**-0.5, abs=0.02)


def test_of_series_one_model_is_given_what_they_have() -> None:
    given, x = word("observed", (2, 10)), torch.rand(4000, 2, 10)
    torch.manual_seed(0)
    observed = given.tells(given.of(x, None))
    for part, first in (("left", slice(5, 10)), ("right", slice(0, 5))):
        there = torch.zeros(2, 10, dtype=torch.bool)
        there[:, first] = True
        assert torch.equal(missing.observed(part, Dataset(x))[0], there)
        share = (observed == there).flatten(1).all(1).double().mean()
        by_chance = 1 / 2772  # ∫ u⁵ (1 − u)⁵ du, where single steps are drawn
        assert abs(float(share) - (1 + by_chance) / 3) < 4 * (1 / 3 / 4000) ** 0.5, part


def test_of_volumes_a_part_is_that_of_each_slice() -> None:
    observed = missing.observed("quadrants:1", Dataset(torch.rand(2, 3, 4, 6, 8)))
    there = torch.zeros(6, 8, dtype=torch.bool)
    there[3:, :4] = True
    assert torch.equal(observed, there.expand(2, 3, 4, 6, 8))


def test_masks_are_drawn_from_the_random_numbers_of_torch() -> None:
    given, x = word("observed", (1, 8, 8)), torch.rand(9, 1, 8, 8)
    torch.manual_seed(1)
    first, second = given.of(x, None), given.of(x, None)
    torch.manual_seed(1)
    assert torch.equal(given.of(x, None), first)
    assert not torch.equal(first, second)


# --- the image made small ----------------------------------------------------------------------------


def test_an_image_made_small_is_the_means_of_its_blocks() -> None:
    given, x = LowResolution(2, (3, 4, 6)), torch.rand(2, 3, 4, 6)
    c = given.of(x)
    assert c.shape[1:] == given.shape == (3, 2, 3)
    torch.testing.assert_close(c[1, 2, 1, 2], x[1, 2, 2:4, 4:6].mean())
    assert given.tells(c) is None
    assert torch.equal(given.put(c, x), x)


@pytest.mark.parametrize(
    ("given", "event", "message"),
    [
        ("low-resolution:3", (1, 8, 8), "images of 8 × 8 pixels cannot be made 3 times smaller"),
        ("low-resolution:2", (1, 8, 7), "divides both sides"),
        ("low-resolution:1", (1, 8, 8), "a factor of 2 or more|one of 2 or more"),
        ("low-resolution", (64,), "are no images"),
        ("low-resolution:big", (1, 8, 8), "write low-resolution:4"),
        ("observed:lft", (1, 8, 8), "unknown missing part 'lft'; did you mean 'left'"),
        ("observed:quadrants:4", (1, 8, 8), "1, 2 or 3 can be there, not 4"),
        ("observed:nan", (1, 8, 8), "unknown missing part 'nan'"),
        ("observe", (1, 8, 8), "did you mean 'observed'"),
    ],
)
def test_what_cannot_be_given_is_refused(given: str, event: tuple[int, ...], message: str) -> None:
    with pytest.raises((RecipeError, UsageError), match=message):
        build(Recipe(given=given), event)


# --- networks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["observed", "low-resolution:2"])
@pytest.mark.parametrize("network", ["mlp:8", "conv:4-8", "linear"])
@pytest.mark.parametrize("prior", ["normal", "given-context"])
@pytest.mark.parametrize("likelihood", ["bernoulli", "beta"])
def test_every_network_takes_an_image_as_context(given: str, network: str, prior: str, likelihood: str) -> None:
    vae = build(Recipe(given=given, network=network, prior=prior, likelihood=likelihood, latent=3), (2, 8, 12)).vae.eval()
    torch.manual_seed(0)
    x, z = torch.rand(2, 2, 8, 12), torch.randn(5, 2, 3)
    one, other = (vae.given(vae.context.of(part, None)) for part in (x, torch.cat([x[:1], 1 - x[1:]])))
    if given == "observed":
        half = vae.context.part(x, missing.observed("left", Dataset(x)))
        one, other = vae.given(half), vae.given(torch.cat([half[:1], 1 - half[1:]]))
    assert one.likelihood(z).mean.shape == (5, 2, 2, 8, 12)
    for law in (lambda vae: vae.likelihood(z).mean.swapaxes(0, 1), lambda vae: vae.posterior(x).mean):
        torch.testing.assert_close(law(one)[0], law(other)[0])
        assert not torch.allclose(law(one)[1], law(other)[1], atol=1e-4)
    several = one.given(torch.cat([one.posterior.context, other.posterior.context]))
    torch.testing.assert_close(several.posterior(x).mean, torch.cat([one.posterior(x).mean, other.posterior(x).mean]))
    sampled = one.likelihood.output(z[0])
    torch.testing.assert_close(several.likelihood.output(z[0]), torch.cat([sampled, other.likelihood.output(z[0])]), rtol=1e-4, atol=1e-5)


def test_a_small_image_joins_as_large_as_it_stands_for() -> None:
    planes = lb.nn.Planes(nn.Identity())
    x, c = torch.zeros(1, 1, 4, 4), torch.rand(1, 2, 2, 2)
    torch.testing.assert_close(planes(x, c)[:, 1:], F.interpolate(c, scale_factor=2))


def test_what_was_observed_comes_back_and_what_a_model_makes_has_it() -> None:
    vae = build(Recipe(given="observed", network="mlp:8", latent=3), (1, 8, 8)).vae
    data = Dataset(torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    c = encode.contexts(vae, data)
    observed = vae.context.tells(c)
    for made in (encode.reconstruct(vae, data), vae.given(c).sample(20), vae.given(c).sample(20, draw=True)):
        assert torch.equal(made[observed], data[:][observed])
        assert not torch.equal(made[~observed], data[:][~observed])
    back = (encode.reconstruct(vae, data) - data[:])[~observed]
    assert lb.evaluate(vae, data, samples=20).reconstruction_error == pytest.approx(float(back.square().mean()), rel=1e-5)


def test_a_model_given_nothing_has_no_contexts() -> None:
    with pytest.raises(UsageError, match="given nothing"):
        encode.contexts(build(Recipe(), (4,)).vae, torch.rand(2, 4))
    with pytest.raises(DataError, match="needs values in"):
        lb.log_likelihood(build(Recipe(given="observed"), (4,)).vae, torch.rand(2, 4) + 1, 20)


def test_a_part_of_the_values_is_an_observed_one() -> None:
    assert isinstance(word("observed", (4,)), Observed)


@pytest.mark.parametrize("likelihood", ["gaussian", "columns"])
def test_what_is_not_there_is_neither_given_nor_scored(likelihood: str) -> None:
    recipe = Recipe(given="observed:random:0.5", likelihood=likelihood, network="mlp:8", latent=2)
    parts = build(recipe, DataSpec((4,), -1.0, holes=True))
    x = torch.tensor([[1.0, torch.nan, 3.0, torch.nan], [torch.nan] * 4])
    torch.manual_seed(0)
    for _ in range(5):
        seen = observe(parts.vae, x, torch.arange(2))
        given, values = seen.vae, seen.x
        known, counted = parts.vae.context.tells(given.posterior.context), given.counted(values)
        assert not given.posterior.context.isnan().any()
        assert not (known & x.isnan()).any()
        assert torch.equal(known | counted, ~x.isnan())
    assert loss(given, x, parts.objective, parts.estimator).value.isfinite()
