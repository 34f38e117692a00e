"""Each likelihood of arrays that a page computes, beside torch: what the decoder's output means."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from rows import long_if
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.likelihoods import likelihood_words, scale_words
from lowerbound.vae import likelihoods as lb
from lowerbound.vae.likelihoods.base import Likelihood, at_hand
from lowerbound.vae.likelihoods.scales import Decoded, Fixed, Learned, Optimal, Scale

RUN = """
const [words, table, packed, output, values, total, draws] = given;
const arrays = arraysOf(table, await inflated(packed)), law = likelihood(words);
const x = Float32Array.from(values.flat(), (value) => value ?? NaN);
const decoded = tensor(output.shape, Float32Array.from(output.values)), rows = output.shape[0], size = x.length / rows;
const all = (each) => Array.from({ length: rows }, (_, row) => Array.from(each(row)));
const own = total === null ? undefined : total, random = { uniform: uniforms(3), normal: normals(4) };
return [
  all((row) => law.mean(words, decoded, row, arrays, own)),
  all((row) => law.logEach(words, decoded, row, x.subarray(row * size, (row + 1) * size), arrays, own)),
  Array.from({ length: draws }, () => Array.from(law.draw(words, decoded, 0, random, arrays, own))),
];
"""
EVENT = (2, 3, 4)
N = 3


def bits(shape: tuple[int, ...]) -> Tensor:
    return (torch.rand(shape) < 0.4).float()


def greys(shape: tuple[int, ...]) -> Tensor:
    return (255 * torch.rand(shape)).round() / 255


def levels(shape: tuple[int, ...]) -> Tensor:
    """Of pixels, both ends often among them, and what lies between two."""
    some = ((260 * torch.rand(shape)).round() - 2).clamp(0, 255) / 255
    return torch.where(torch.rand(shape) < 0.1, torch.rand(shape), some)


def counts(shape: tuple[int, ...]) -> Tensor:
    """Most of them few, some many."""
    return (torch.randn(shape) * 2.5).exp().round() * bits(shape)


def with_sigma(event: tuple[int, ...]) -> Learned:
    scale = Learned(event)
    nn.init.normal_(scale.raw)
    return scale


def settled() -> Optimal:
    scale = Optimal()
    scale.settle(0.3)
    return scale


def with_dispersion(likelihood: Any) -> Any:
    """Some of it beyond its bounds."""
    nn.init.uniform_(likelihood.log_dispersion, -11, 20)
    likelihood.library.fill_(310.0)
    return likelihood


def met(likelihood: lb.OrderedLogistic) -> lb.OrderedLogistic:
    """Levels of which some are most."""
    torch.manual_seed(1)
    likelihood.meet([(torch.rand(1000) - 0.5).relu(), torch.full((200,), 253 / 255)])
    return likelihood


def bare(make: Callable[..., Likelihood], *given: Any, **more: Any) -> Callable[[], Likelihood]:
    return lambda: make(nn.Identity(), *given, **more)


LIKELIHOODS: dict[str, tuple[Callable[[], Likelihood], Callable[[tuple[int, ...]], Tensor]]] = {
    "Bernoulli": (bare(lb.Bernoulli), bits),
    "Bernoulli of greys": (bare(lb.Bernoulli, binarize=False), greys),
    "ContinuousBernoulli": (bare(lb.ContinuousBernoulli), greys),
    "Beta": (bare(lb.Beta), lambda shape: greys(shape).clamp(lb.Beta.INSIDE, 1 - lb.Beta.INSIDE)),
    "Gaussian": (bare(lb.Gaussian, 0.2), torch.randn),
    "Gaussian, squashed": (bare(lb.Gaussian, Fixed(0.1), squash=True), greys),
    "Gaussian, one σ learned": (lambda: lb.Gaussian(nn.Identity(), with_sigma(())), torch.randn),
    "Gaussian, each σ learned": (lambda: lb.Gaussian(nn.Identity(), with_sigma(EVENT)), torch.randn),
    "Gaussian, σ of the last axis learned": (lambda: lb.Gaussian(nn.Identity(), with_sigma((1, 4))), torch.randn),
    "Gaussian, σ decoded": (bare(lb.Gaussian, Decoded(), squash=True), greys),
    "Gaussian, σ optimal": (lambda: lb.Gaussian(nn.Identity(), settled()), torch.randn),
    "Gaussian, σ optimal, before training": (bare(lb.Gaussian, Optimal()), torch.randn),
    "Laplace": (bare(lb.Laplace, 0.3), torch.randn),
    "Laplace, σ decoded": (bare(lb.Laplace, Decoded()), torch.randn),
    "StudentT": (lambda: lb.StudentT(nn.Identity(), with_sigma(EVENT), squash=True), greys),
    "StudentT, σ decoded": (bare(lb.StudentT, Decoded()), torch.randn),
    "LogisticMixture": (bare(lb.LogisticMixture), levels),
    "LogisticMixture of one": (bare(lb.DiscretizedLogistic), levels),
    "LogisticMixture of few levels": (bare(lb.LogisticMixture, steps=3, components=2), lambda shape: (3 * greys(shape)).round() / 3),
    "OrderedLogistic": (lambda: met(lb.OrderedLogistic(nn.Identity())), levels),
    "BetaBinomial": (bare(lb.BetaBinomial), levels),
    "LevelCategorical": (bare(lb.LevelCategorical, steps=15), levels),
    "LevelCategorical, half way between levels": (bare(lb.LevelCategorical, steps=2), lambda shape: (4 * torch.rand(shape)).round() / 4),
    "Poisson": (bare(lb.Poisson, steps=1), counts),
    "Poisson of pixels": (bare(lb.Poisson), levels),
    "NegativeBinomial": (bare(lb.NegativeBinomial, steps=1), counts),
    "NegativeBinomial of pixels": (bare(lb.NegativeBinomial), levels),
    "NB": (lambda: with_dispersion(lb.NB(nn.Identity(), EVENT)), counts),
    "NB of pixels": (lambda: with_dispersion(lb.NB(nn.Identity(), EVENT, steps=255)), levels),
    "ZINB": (lambda: with_dispersion(lb.ZINB(nn.Identity(), EVENT)), counts),
}
#: those whose draws are looked at each time
DRAWN = [*LIKELIHOODS][::3]


def computed(
    javascript: Callable[..., Any], likelihood: Likelihood, output: Tensor, x: Tensor, total: float | None = None, draws: int = 0
) -> list[np.ndarray]:
    """Means and log p ``(N, D)``, and so many draws ``(draws, D)`` of the first."""
    arrays = Arrays(exact=True)
    words = likelihood_words(likelihood, arrays)
    values = [[None if np.isnan(value) else float(value) for value in row] for row in x.flatten(1).numpy()]
    decoded = {"shape": list(output.shape), "values": output.flatten().tolist()}
    found = javascript("laws", RUN, words, arrays.table, arrays.packed(), decoded, values, total, draws)
    return [np.array(part, float) for part in found]


def in_torch(likelihood: Likelihood, output: Tensor, x: Tensor | None = None) -> Distribution:
    """The laws of single values, in double precision; of an example at hand where there is one."""
    law = likelihood.double().eval().law(output.double(), 1)
    if x is not None:
        law = at_hand(law, x.double(), ~x.isnan())
    assert isinstance(law, Independent)
    return law.base_dist


def given(name: str, scale: float) -> tuple[Likelihood, Tensor, Tensor]:
    """The likelihood, random outputs of its decoder, and data with holes."""
    torch.manual_seed(list(LIKELIHOODS).index(name))
    make, values = LIKELIHOODS[name]
    likelihood = make()
    many = likelihood_words(likelihood, Arrays())["parameters"]
    output = scale * torch.randn(N, *([many] if many > 1 else []), *EVENT)
    x = values((N, *EVENT))
    return likelihood, output, x.masked_fill(torch.rand_like(x) < 0.2, torch.nan)


@pytest.mark.parametrize("scale", [0.1, 1.0, 8.0])
@pytest.mark.parametrize("name", LIKELIHOODS)
@torch.no_grad()
def test_means_and_log_p_are_those_of_torch(name: str, scale: float, javascript: Callable[..., Any]) -> None:
    likelihood, output, x = given(name, scale)
    mean, log_p, _ = computed(javascript, likelihood, output, x)
    np.testing.assert_allclose(mean, in_torch(likelihood, output).mean.flatten(1), atol=1e-5, rtol=1e-5)
    wanted = in_torch(likelihood, output, x).log_prob(x.nan_to_num().double()).where(~x.isnan(), torch.nan)
    np.testing.assert_allclose(log_p, wanted.flatten(1), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", long_if(lambda name: name not in DRAWN, LIKELIHOODS))
@torch.no_grad()
def test_draws_have_the_mean_and_the_log_p_of_torchs(name: str, javascript: Callable[..., Any]) -> None:
    """Of each value the mean within 5 standard errors, and that of log p, which says how wide they are, within 5 of two samples."""
    likelihood, output, x = given(name, 1.0)
    draws = torch.from_numpy(computed(javascript, likelihood, output, x, draws=4_000)[2])
    of_torch = likelihood.eval().law(output[:1], 1).sample([4_000]).flatten(1).double()  # in single precision, which has other ends
    law = in_torch(likelihood, output[:1])
    mean, error = law.mean.flatten(), (law.variance.flatten() / 4_000).sqrt()
    assert ((draws.mean(0) - mean).abs() <= 5 * error + 1e-9).all()
    of_both = [law.log_prob(some.view(-1, *EVENT)).flatten(1) for some in (draws, of_torch)]
    error = (sum(each.var(0) for each in of_both) / 4_000).sqrt()
    assert ((of_both[0].mean(0) - of_both[1].mean(0)).abs() <= 5 * error + 1e-9).all()


@pytest.mark.parametrize("name", ["NB", "ZINB"])
@torch.no_grad()
def test_counts_of_a_given_total(name: str, javascript: Callable[..., Any]) -> None:
    likelihood, output, x = given(name, 1.0)
    mean, log_p, draws = computed(javascript, likelihood, output, x, total=40.0, draws=4_000)
    likelihood.library.fill_(40.0)  # type: ignore[operator]  # a buffer
    law = in_torch(likelihood, output)
    np.testing.assert_allclose(mean, law.mean.flatten(1), rtol=1e-6)
    wanted = law.log_prob(x.nan_to_num().double()).where(~x.isnan(), torch.nan)
    np.testing.assert_allclose(log_p, wanted.flatten(1), atol=1e-5, rtol=1e-5)
    assert (np.abs(draws.mean(0) - mean[0]) <= 5 * (law.variance[0].flatten() / 4_000).sqrt().numpy()).all()


@torch.no_grad()
def test_an_example_without_a_count(javascript: Callable[..., Any]) -> None:
    likelihood, output, x = given("NB", 1.0)
    assert (computed(javascript, likelihood, output, torch.zeros_like(x))[1] == 0).all()


def concrete(kind: type) -> Iterator[type]:
    """It and what is made of it here, without what is abstract."""
    if not inspect.isabstract(kind):
        yield kind
    for more in kind.__subclasses__():
        if more.__module__.startswith("lowerbound."):
            yield from concrete(more)


def test_every_likelihood_of_arrays_is_in_the_table() -> None:
    made = [make() for make, _ in LIKELIHOODS.values()]
    assert set(concrete(Likelihood)) == {type(each) for each in made} | {lb.Columns}
    assert set(concrete(Scale)) == {type(each.scale) for each in made if isinstance(each, lb.LocationScale)}


def test_a_likelihood_that_is_not_known_is_named() -> None:
    with pytest.raises(RecipeError, match="a Columns likelihood cannot be computed in a page"):
        likelihood_words(lb.Columns(nn.Identity(), 3), Arrays())
    with pytest.raises(RecipeError, match="a Scale σ cannot be computed in a page"):
        scale_words(type("Scale", (Scale,), {"forward": lambda self, loc, extra: loc})(), Arrays())


def test_a_learned_scale_of_another_shape_is_no_scale(javascript: Callable[..., Any]) -> None:
    likelihood = lb.Gaussian(nn.Identity(), with_sigma((2, 1, 1)))
    with pytest.raises(Exception, match="numbers of shape 2,1,1 for values of shape 2,3,4"):
        computed(javascript, likelihood, torch.zeros(N, *EVENT), torch.zeros(N, *EVENT))
