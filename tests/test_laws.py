"""Every member of the families of laws: it integrates to one, its draws agree with its log_prob, its shapes are right."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.distributions import Distribution
from toys import z_score

from lowerbound import recipes
from lowerbound.conditional import LOG_VARIANCE

EVENT = (2,)


def prior(word: str) -> Distribution:
    return recipes.PRIORS[word](recipes.Recipe(latent=2, prior=word))()


def likelihood(word: str) -> Distribution:
    made = recipes.LIKELIHOODS[word].make(recipes.Recipe(likelihood=word), torch.nn.Linear(3, 2))
    return made(torch.linspace(-1, 1, 3)[None])


def posterior(word: str) -> Distribution:
    made = recipes.POSTERIORS[word]()
    width = made.parameters_per_dimension * 2
    return made(torch.nn.Linear(4, width))(torch.linspace(-1, 1, 4)[None])


LAWS: dict[str, Callable[[], Distribution]] = {
    f"{part.__name__} {word}": lambda part=part, word=word: part(word)
    for part, table in ((prior, recipes.PRIORS), (likelihood, recipes.LIKELIHOODS), (posterior, recipes.POSTERIORS))
    for word in table
}


@pytest.fixture(params=LAWS)
def law(request: pytest.FixtureRequest) -> Distribution:
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        return LAWS[request.param]()


def cells(law: Distribution) -> tuple[torch.Tensor, float]:
    """Points that cover the plane of the law's events, and the volume that each stands for."""
    if law.support.is_discrete:
        axis, step = torch.tensor([0.0, 1.0]), 1.0
    else:
        middle, spread = law.mean.flatten(), law.stddev.flatten()
        axis = torch.linspace(float((middle - 9 * spread).min()), float((middle + 9 * spread).max()), 1501)
        step = float(axis[1] - axis[0])
    return torch.cartesian_prod(axis, axis), step**2


def test_it_integrates_to_one(law: Distribution) -> None:
    points, volume = cells(law)
    total = law.log_prob(points.reshape(-1, *law.batch_shape, *EVENT)).exp().sum(0) * volume
    assert torch.allclose(total, torch.ones_like(total), atol=2e-4)


def test_its_draws_agree_with_its_density(law: Distribution) -> None:
    """Means of x, x² and log p(x) over draws equal those under the density, summed over the plane."""
    points, volume = cells(law)
    points = points.reshape(-1, *law.batch_shape, *EVENT)
    weight = law.log_prob(points).exp() * volume
    torch.manual_seed(0)
    draws = law.sample(torch.Size([100_000]))
    for f in (lambda x: x, torch.square, lambda x: law.log_prob(x)[..., None]):
        truth = (f(points) * weight[..., None]).sum(0)
        assert z_score(f(draws), truth) < 4.5
    assert z_score(draws, law.mean) < 4.5


def test_shapes_survive_batching_and_expand(law: Distribution) -> None:
    assert law.event_shape == EVENT
    wide = law.expand(torch.Size([3, *law.batch_shape]))
    x = wide.sample(torch.Size([5]))
    assert x.shape == (5, 3, *law.batch_shape, *EVENT)
    assert torch.equal(wide.log_prob(x), law.log_prob(x))


@pytest.mark.parametrize("word", recipes.LIKELIHOODS)
def test_a_batch_of_latents_is_decoded_as_each_alone(word: str) -> None:
    made = recipes.LIKELIHOODS[word].make(recipes.Recipe(likelihood=word), torch.nn.Linear(3, 2))
    z = torch.randn(4, 5, 3)
    together = made(z)
    assert together.batch_shape == (4, 5)
    assert torch.allclose(together.mean[2, 3], made(z[2, 3][None]).mean[0], atol=1e-6)


@pytest.mark.parametrize("word", recipes.POSTERIORS)
def test_a_wild_network_still_gives_a_law_of_finite_density_and_gradient(word: str) -> None:
    made = recipes.POSTERIORS[word]()(torch.nn.Identity())
    parameters = torch.full((1, 2 * made.parameters_per_dimension), 1e6, requires_grad=True)
    for sign in (1, -1):
        q = made(sign * parameters)
        q.log_prob(q.rsample()).sum().backward()
        assert torch.isfinite(parameters.grad).all()


def test_the_bound_on_scales_is_the_documented_one() -> None:
    q = recipes.POSTERIORS["gaussian"]()(torch.nn.Identity())(torch.tensor([[0.0, -99.0], [0.0, 99.0]]))
    assert torch.allclose(q.stddev.log() * 2, torch.tensor([[LOG_VARIANCE[0]], [LOG_VARIANCE[1]]]))
