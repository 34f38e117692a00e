"""The gradient of E[z²] = α(α + 1), by every transport and estimator."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent
from toys import z_score

from distributions.tables import BOUND, DRAWS, gradients, many
from lowerbound import distributions as laws
from lowerbound.distributions import operations
from lowerbound.errors import RecipeError


def parts(alpha: Tensor, transport: Callable) -> tuple[Tensor, Tensor]:
    """The path and the correction of G-REP for z², one of each for each α."""
    z, _, score = operations.standardized(laws.Gamma(alpha, torch.ones_like(alpha)), 1, transport)
    (path,), (correction,) = gradients(z**2, alpha), gradients(score, alpha)
    return path, (z.detach() ** 2 * correction).squeeze(0)


@pytest.mark.parametrize("a", [0.02, 0.3, 0.99, 1.0, 2.0, 5.0, 20.0])
def test_every_estimator_gives_two_alpha_plus_one(a: float) -> None:
    alpha, truth = many(a), 2 * a + 1
    law = laws.Gamma(alpha, torch.ones_like(alpha))
    assert z_score(gradients(law.rsample() ** 2, alpha)[0], truth) < BOUND
    z = law.sample()
    assert z_score(z**2 * gradients(law.log_prob(z), alpha)[0], truth) < BOUND
    for transport in (operations.transported, operations.rejection):
        assert z_score(sum(parts(alpha, transport)), truth) < BOUND


@pytest.mark.parametrize(("transport", "mean"), [(operations.transported, 2.196), (operations.rejection, 2.911)])
def test_a_path_alone_is_biased(transport: Callable, mean: float) -> None:
    alpha = many(1.0, 400_000)
    path, correction = parts(alpha, transport)
    assert z_score(path, mean) < BOUND
    assert z_score(path, 3.0) > 2 * BOUND
    assert z_score(path + correction, 3.0) < BOUND


@pytest.mark.parametrize(("a", "ratio"), [(1.0, 3.9), (2.0, 6.5), (5.0, 13.7), (10.0, 29.8), (20.0, 77.2)])
def test_rejection_s_variance_is_less_than_the_score_s(a: float, ratio: float) -> None:
    """Both estimates are functions of z: their variances by quadrature over log z."""
    u = torch.linspace(-40, math.log(a + 60 + 12 * math.sqrt(a)), 40_001, dtype=torch.float64)
    alpha = many(a, len(u))
    law = laws.Gamma(alpha, torch.ones_like(alpha))
    weight = (law.log_prob(u.exp()) + u).exp().detach()
    again, log_slope = operations.rejection(law, u.exp())
    path, correction = gradients(again**2, alpha)[0], gradients(law.log_prob(again) + log_slope, alpha)[0]
    score = gradients(law.log_prob(u.exp()), alpha)[0]
    variances = []
    for estimate in (u.exp() ** 2 * score, path + u.exp() ** 2 * correction):
        first, second = (torch.trapezoid(weight * estimate**power, u) for power in (1, 2))
        assert first.item() == pytest.approx(2 * a + 1, rel=1e-4)
        variances.append(second - first**2)
    assert (variances[0] / variances[1]).item() == pytest.approx(ratio, rel=0.02)


def test_rejection_of_a_small_concentration_augments_its_shape() -> None:
    """In each of three dimensions, one with α > 1, the gradients of E[log z]: ψ₁(α) in α, and −1/β in β, along the path alone."""
    a, b = torch.tensor([0.1, 0.6, 2.5]).double(), torch.tensor([1.0, 0.5, 3.0]).double()
    alpha, beta = (values.repeat(DRAWS, 1).requires_grad_() for values in (a, b))
    law = laws.Gamma(alpha, beta)
    z, difference = operations.rejection(law, law.sample())
    score = law.log_prob(z) + difference
    (path, path_of_beta), (correction, none) = gradients(z.log(), alpha, beta), gradients(score, alpha, beta)
    assert z_score(path + z.detach().log() * correction, torch.polygamma(1, a)) < BOUND
    assert z_score(correction, 0.0) < BOUND  # a score has mean 0
    assert torch.allclose(path_of_beta, (-1 / b).expand_as(beta))
    assert none.abs().max() < 1e-9


def test_rejection_knows_its_bounds() -> None:
    with pytest.raises(RecipeError, match="Beta"):
        operations.standardized(laws.Beta(torch.ones(2), torch.ones(2)), 1, operations.rejection)


def test_transports_give_z_back_and_sum_over_events() -> None:
    law = Independent(laws.Gamma(2 * torch.rand(4, 3) + 0.1, torch.rand(4, 3) + 1), 1)
    for transport in (operations.transported, operations.rejection):
        z, _, score = operations.standardized(law, 5, transport)
        assert z.shape == (5, 4, 3)
        assert score.shape == (5, 4)
        assert torch.allclose(transport(law.base_dist, z.detach())[0], z, rtol=1e-4)
