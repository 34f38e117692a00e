"""Bounds and KLs against exact answers."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Independent, Normal, StudentT
from toys import Constant, LinearGaussian, z_score

from lowerbound.errors import NoClosedForm
from lowerbound.recipes.grammar import make
from lowerbound.recipes.objectives import KLS, OBJECTIVES
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.loss import loss
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import ClosedKL, SampledKL
from lowerbound.vae.terms import Terms

closed_kl, sampled_kl = ClosedKL(), SampledKL()

DRAWS = 200_000


def terms(q: Independent, draws: int = 1) -> Terms:
    z = q.rsample(torch.Size([draws]))
    return Terms(torch.zeros(z.shape[:2]), z, Independent(Normal(torch.zeros(2), torch.ones(2)), 1), q)


def gaussian(mean: torch.Tensor, scale: torch.Tensor) -> Independent:
    return Independent(Normal(mean, scale), 1)


def test_closed_kl_is_the_formula_with_its_half() -> None:
    mean, scale = torch.tensor([[0.3, -1.2], [0.0, 0.0]]), torch.tensor([[0.5, 2.0], [1.0, 1.0]])
    expected = 0.5 * (mean**2 + scale**2 - (scale**2).log() - 1).sum(1)
    assert torch.allclose(closed_kl(terms(gaussian(mean, scale))), expected)
    assert closed_kl(terms(gaussian(mean, scale)))[1] == 0


def test_closed_kl_equals_monte_carlo() -> None:
    torch.manual_seed(0)
    q = gaussian(torch.randn(6, 2), torch.rand(6, 2) + 0.1)
    each = terms(q, DRAWS)
    assert z_score(each.log_posterior - each.log_prior, closed_kl(each)) < 4
    assert torch.allclose(sampled_kl(each), (each.log_posterior - each.log_prior).mean(0))


def test_a_pair_without_closed_form_is_named() -> None:
    z = torch.ones(1, 1, 2)
    odd = Terms(torch.zeros(1, 1), z, Independent(Normal(torch.zeros(2), 1.0), 1), Independent(StudentT(torch.ones(1, 2)), 1))
    with pytest.raises(NoClosedForm, match=r"KL\(StudentT ‖ Normal\)"):
        closed_kl(odd)


def objectives() -> list[object]:
    made = (make("objective", word, OBJECTIVES, kl=KLS[kl].make()) for word in OBJECTIVES for kl in KLS)
    return list(made)


def bounds(vae, x: torch.Tensor, objective, draws: int, together: int = 40) -> torch.Tensor:
    """``draws`` independent bounds of each row of x: a batch of it many times over, since a bound is of each row alone."""
    with torch.no_grad():
        each = [loss(vae, x.repeat(together, 1), objective, Pathwise()).bound.view(together, len(x)) for _ in range(draws // together)]
    return torch.cat(each)


@pytest.mark.parametrize("objective", objectives(), ids=str)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_bound_stays_below_the_evidence(objective, seed: int) -> None:
    """Bounds are means over draws, so the mean may be above by its standard error and no more."""
    toy = LinearGaussian(seed=seed)
    torch.manual_seed(seed)
    vae = toy.vae(Constant(torch.randn(4) * 0.3))
    x = toy.evidence.sample(torch.Size([4]))
    draws = bounds(vae, x, objective, 2000)
    gap = toy.evidence.log_prob(x) - draws.mean(0)
    assert (gap > -3 * draws.std(0) / len(draws) ** 0.5).all()
    assert (gap > 0.1).any(), "a posterior this wrong must cost something"


@pytest.mark.parametrize("kl", [closed_kl, sampled_kl])
def test_the_bound_is_the_evidence_where_the_posterior_is_exact(kl) -> None:
    toy = LinearGaussian(orthogonal=True)
    vae = toy.vae(toy.exact_encoder())
    torch.manual_seed(0)
    x = toy.evidence.sample(torch.Size([4]))
    draws = bounds(vae, x, ELBO(kl), 4000)
    truth = toy.evidence.log_prob(x)
    if kl is sampled_kl:  # log p(z) + log p(x|z) − log q(z|x) is then log p(x) whatever z is
        assert torch.allclose(draws, truth.expand_as(draws), atol=1e-4)
    else:
        assert z_score(draws, truth) < 4


def test_the_constants_of_the_gaussian_are_kept() -> None:
    """Without them the bound would be one on nothing: it is compared with an exact log p(x) above, and here by hand."""
    toy = LinearGaussian(scale=0.1)
    vae = toy.vae(Constant(torch.zeros(4)))
    x, z = torch.randn(1, 5), torch.randn(1, 1, 2)
    made = vae.terms(x, vae.posterior(x), z)
    squared = (x - vae.likelihood.network(z[0])).square().sum()
    assert vae.likelihood.weight == pytest.approx(1 / (2 * 0.1**2))
    normalizer = 5 / 2 * torch.log(torch.tensor(2 * torch.pi * 0.1**2))
    assert torch.allclose(made.log_likelihood, -vae.likelihood.weight * squared - normalizer)
