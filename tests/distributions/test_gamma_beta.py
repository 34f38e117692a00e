"""Gamma and Beta: densities against quadrature, draws and gradients against exact moments, over wide tables of concentrations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import gammaincinv
from torch.distributions import Distribution, Independent, kl_divergence
from toys import z_score

from distributions.tables import BOUND, CONCENTRATIONS, DRAWS, FLOATS, WIDE, double, gradients, many
from lowerbound import distributions as laws
from lowerbound.distributions import gamma_beta


@pytest.mark.parametrize("a", CONCENTRATIONS)
@pytest.mark.parametrize("b", [0.3, 7.0])
def test_gamma_and_beta_integrate_to_one(a: float, b: float) -> None:
    """Over log z and over the logit, where neither density has a pole."""
    gamma, beta = laws.Gamma(*double(a, b)), laws.Beta(*double(a, b))
    u = torch.linspace(-600, 600, 400_001, dtype=torch.float64)
    z = u.exp()
    total = torch.trapezoid((gamma.log_prob(z) + u).exp(), u)
    assert total.item() == pytest.approx(1, abs=2 * math.exp(-600 * a) + 1e-9)
    u = torch.linspace(-600, 36, 400_001, dtype=torch.float64)
    z = u.sigmoid()
    total = torch.trapezoid((beta.log_prob(z) + z.log() + (-z).log1p()).exp(), u)
    assert total.item() == pytest.approx(1, abs=2 * math.exp(-600 * a) + 2e-4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("a", [0.3, 1.0, 5.0, 1e3])
def test_draws_have_the_law_s_moments(a: float, dtype: torch.dtype) -> None:
    for law in (laws.Gamma, laws.Beta):
        p = law(torch.tensor(a, dtype=dtype), torch.tensor(2.0, dtype=dtype))
        z = p.sample(torch.Size([DRAWS]))
        assert z_score(z, p.mean) < BOUND
        assert z_score((z - p.mean) ** 2, p.variance) < BOUND
        assert z_score(-p.log_prob(z).double(), p.entropy().double()) < BOUND


@pytest.mark.parametrize("a", CONCENTRATIONS)
def test_gamma_s_implicit_gradients_are_exact_in_the_mean(a: float) -> None:
    alpha, beta = many(a), many(2.0)
    z = laws.Gamma(alpha, beta).rsample()
    for f, d_alpha, d_beta in (
        (z, 1 / 2, -a / 4),
        (z**2, (2 * a + 1) / 4, -a * (a + 1) / 4),
    ):
        for gradient, truth in zip(gradients(f, alpha, beta), (d_alpha, d_beta), strict=True):
            assert z_score(gradient, truth) < BOUND


@pytest.mark.parametrize("a", CONCENTRATIONS)
def test_gamma_s_gradient_of_the_mean_logarithm(a: float) -> None:
    """ψ₁(α), but for what lies under the least sample c: E[max(log g, c)] = ψ(α) + e^{αc}/(α Γ(α + 1))."""
    alpha, (exact,) = many(a), double(a)
    c = math.log(gamma_beta.smallest(torch.float64))
    (truth,) = gradients(exact.digamma() + (exact * c - exact.log() - (exact + 1).lgamma()).exp(), exact)
    (gradient,) = gradients(laws.Gamma(alpha, torch.ones_like(alpha)).rsample().log(), alpha)
    assert z_score(gradient, truth) < BOUND
    (gradient,) = gradients(gamma_beta.log_gamma(alpha), alpha)  # the logarithm itself has no floor
    assert z_score(gradient, torch.polygamma(1, exact.detach())) < BOUND


@pytest.mark.parametrize("a", CONCENTRATIONS)
@pytest.mark.parametrize("b", CONCENTRATIONS)
def test_beta_s_gradients_are_exact_in_the_mean(a: float, b: float) -> None:
    one, zero = many(a), many(b)
    z = laws.Beta(one, zero).rsample()
    truths = (b / (a + b) ** 2, -a / (a + b) ** 2)
    for gradient, truth in zip(gradients(z, one, zero), truths, strict=True):
        assert z_score(gradient, truth) < BOUND


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("a", [1e-4, 0.01, 0.1, 1.0, 3.0, 10.0, 100.0, 1e4])
def test_log_gamma_s_slope_is_that_of_the_quantile(a: float, dtype: torch.dtype) -> None:
    """d log g/dα against central differences of log F⁻¹(q; α), in scipy's float64."""
    q, h = np.array([1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 1 - 1e-5]), 1e-5 * a
    low, middle, high = (gammaincinv(x, q) for x in (a - h, a, a + h))
    kept = low > 1e-290
    slope = torch.as_tensor(np.log(high[kept] / low[kept]) / (2 * h), dtype=torch.float64)
    log_g = torch.as_tensor(np.log(middle[kept]))
    found = gamma_beta.log_gamma_slope(torch.full_like(log_g, a).to(dtype), log_g.to(dtype)).double()
    assert torch.allclose(found, slope, rtol=7e-3, atol=0)
    assert (found / slope - 1).abs().median() < 1e-4


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_slope_has_no_step_where_its_formula_changes(dtype: torch.dtype) -> None:
    edge = math.log(torch.finfo(dtype).eps)
    for a in (1e-4, 0.01, 0.3, 1.0, 3.0):
        below, above = gamma_beta.log_gamma_slope(
            torch.full((2,), a, dtype=dtype), torch.tensor([edge * (1 + 1e-6), edge * (1 - 1e-6)], dtype=dtype)
        )
        assert below.item() == pytest.approx(above.item(), rel=5e-6)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("a", WIDE)
def test_gamma_and_beta_stay_inside_and_finite(a: float, dtype: torch.dtype) -> None:
    for b in (*WIDE, 2.0**16):
        one, zero = many(a, 1000, dtype), many(b, 1000, dtype)
        for law in (laws.Gamma, laws.Beta):
            p = law(one, zero, validate_args=True)
            z = p.rsample()
            assert (z > 0).all()
            assert law is laws.Gamma or (z < 1).all()
            for f in (z, z.log(), p.log_prob(z), p.entropy(), kl_divergence(p, law(zero, one))):
                assert all(x.isfinite().all() for x in (f, *gradients(f, one, zero)))


@pytest.mark.parametrize("law", [laws.Gamma, laws.Beta])
def test_closed_divergences(law: type[Distribution]) -> None:
    p = Independent(law(torch.tensor([0.4, 3.0]).double(), torch.tensor([2.0, 1.5]).double()), 1)
    q = Independent(law(torch.tensor([1.0, 2.0]).double(), torch.tensor([1.5, 1.0]).double()), 1)
    z = p.sample(torch.Size([DRAWS]))
    assert z_score(p.log_prob(z) - q.log_prob(z), kl_divergence(p, q)) < BOUND
