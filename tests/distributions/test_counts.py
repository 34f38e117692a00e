"""Negative binomials by mean and dispersion: right in single precision wherever counts are, and to the second derivative."""

from __future__ import annotations

import itertools
import math

import mpmath
import pytest
import torch
from torch import Tensor
from toys import z_score

from lowerbound.distributions.counts import LISTED, NegativeBinomial, ZeroInflated
from lowerbound.system import operations

mpmath.mp.dps = 40
DISPERSIONS = [1e-4, 1e-2, 0.3, 1.0, 7.3, 1e2, 1e4, 1e6, 1e8]
MEANS = [1e-8, 1e-3, 0.7, 3.0, 50.0, 1e4, 1e7]
GRAIN = 2.0**-23


def log(value: float) -> Tensor:
    return torch.tensor(math.log(value), requires_grad=True)


def exactly(x: int, log_mean: float, log_dispersion: float) -> tuple[mpmath.mpf, mpmath.mpf, mpmath.mpf]:
    """log NB and its derivatives in log μ and log θ, with forty digits."""
    m, t = mpmath.exp(mpmath.mpf(log_mean)), mpmath.exp(mpmath.mpf(log_dispersion))
    gammas = mpmath.loggamma(x + t) - mpmath.loggamma(t) - mpmath.loggamma(x + 1)
    value = gammas + t * mpmath.log(t / (t + m)) + x * mpmath.log(m / (t + m))
    of_theta = t * (mpmath.digamma(x + t) - mpmath.digamma(t) - mpmath.log1p(m / t) + (m - x) / (t + m))
    return value, t * (x - m) / (t + m), of_theta


@pytest.fixture(params=["loops", "torch"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the compiled loop, and by the lines of torch that it stands for."""
    if request.param == "torch":
        monkeypatch.setattr(operations, "loops", lambda: None)


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("dispersion", DISPERSIONS)
def test_values_and_slopes_are_right_to_the_grain_of_single_precision(dispersion: float) -> None:
    """Where small counts' terms are added in single precision, the last digit of each may be lost, and of a slope what that of μ moves."""
    for mean in MEANS:
        for x in sorted({0, 1, 2, LISTED, LISTED + 1, 40, int(mean), int(1.2 * mean), 10_000_000}):
            parameters = log(mean), log(dispersion)
            value = NegativeBinomial(*parameters).log_prob(torch.tensor(float(x)))
            slopes = torch.autograd.grad(value, parameters)
            exact = exactly(x, *(part.item() for part in parameters))
            added = x if x <= LISTED else 0
            terms = added * (abs(math.log(mean)) + math.log1p(mean / dispersion))
            assert abs(value.item() - exact[0]) <= 2 * GRAIN * (1 + abs(exact[0]) + terms) + 1e-12
            moved = dispersion * mean / (dispersion + mean)
            for found, slope in zip(slopes, exact[1:], strict=True):
                assert abs(found.item() - slope) <= 2 * GRAIN * (2 + 2 * abs(slope) + added + moved)


def test_it_is_torchs_law_where_that_is_exact() -> None:
    mean, theta = torch.tensor([0.2, 3.0, 40.0], dtype=torch.double), torch.tensor([0.5, 2.0, 30.0], dtype=torch.double)
    ours, x = NegativeBinomial(mean.log(), theta.log()), torch.arange(60.0, dtype=torch.double)[:, None]
    theirs = torch.distributions.NegativeBinomial(theta, logits=(mean / theta).log())
    torch.testing.assert_close(ours.log_prob(x), theirs.log_prob(x))
    torch.testing.assert_close(ours.mean, theirs.mean)
    torch.testing.assert_close(ours.variance, theirs.variance)


def test_it_becomes_a_poisson() -> None:
    x = torch.arange(20.0)
    poisson = torch.distributions.Poisson(torch.tensor(3.0)).log_prob(x)
    torch.testing.assert_close(NegativeBinomial(torch.tensor(math.log(3.0)), torch.tensor(math.log(1e8))).log_prob(x), poisson)


def test_a_mean_of_zero_is_a_count_that_is_zero() -> None:
    log_mean, log_dispersion = torch.tensor(-math.inf, requires_grad=True), torch.tensor(0.5, requires_grad=True)
    law = NegativeBinomial(log_mean, log_dispersion)
    value = law.log_prob(torch.tensor(0.0))
    assert value.item() == 0
    assert [slope.item() for slope in torch.autograd.grad(value, [log_mean, log_dispersion])] == [0, 0]
    assert law.log_prob(torch.tensor(1.0)).item() == -math.inf
    assert law.sample(torch.Size([100])).sum() == 0


@pytest.mark.parametrize("inflated", [False, True])
def test_derivatives_of_derivatives(inflated: bool) -> None:
    torch.manual_seed(0)
    x = torch.tensor([[0.0, 0.0, 1.0], [3.0, 20.0, 0.0]], dtype=torch.double)
    parameters = [torch.randn(*shape, dtype=torch.double, requires_grad=True) for shape in ((2, 2, 3), (3,), (2, 2, 3))]

    def log_prob(log_mean: Tensor, log_dispersion: Tensor, logits: Tensor) -> Tensor:
        plain = NegativeBinomial(log_mean, log_dispersion)
        return (ZeroInflated(plain, logits) if inflated else plain).log_prob(x)

    parameters = parameters if inflated else [*parameters[:2], parameters[2].detach()]
    assert torch.autograd.gradcheck(log_prob, parameters)
    assert torch.autograd.gradgradcheck(log_prob, parameters)


SHAPES = [(), (1, 3), (5, 1, 1), (5, 2, 3)]


@pytest.mark.parametrize("of_theta", [(), (1,), (3,), (2, 3), (2, 1)])
def test_any_shapes_that_fit(of_theta: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    for of_mean, of_x in itertools.product(SHAPES, SHAPES):
        log_mean, log_theta = torch.randn(of_mean), torch.randn(of_theta, requires_grad=True)
        x = torch.randint(0, 3, of_x).float()
        whole = torch.broadcast_shapes(of_mean, of_theta, of_x)
        found = NegativeBinomial(log_mean, log_theta).log_prob(x)
        each = zip(*(part.expand(whole).flatten() for part in (log_mean, log_theta, x)), strict=True)
        alone = torch.stack([NegativeBinomial(mean, theta).log_prob(k) for mean, theta, k in each])
        assert found.shape == whole
        torch.testing.assert_close(found.flatten(), alone)
        torch.testing.assert_close(*(torch.autograd.grad(part.sum(), log_theta)[0] for part in (found, alone)))


@pytest.mark.parametrize("logit", [-3.0, 0.0, 2.0])
@pytest.mark.parametrize(("mean", "dispersion"), [(0.05, 0.3), (2.0, 1.5), (30.0, 5.0)])
def test_sums_over_all_counts_and_draws(mean: float, dispersion: float, logit: float) -> None:
    plain = NegativeBinomial(log(mean).detach().double(), log(dispersion).detach().double())
    law, k = ZeroInflated(plain, torch.tensor(logit, dtype=torch.double)), torch.arange(2000.0, dtype=torch.double)
    for each in (plain, law):
        p = each.log_prob(k).exp()
        assert float(p.sum()) == pytest.approx(1)
        assert float((p * k).sum()) == pytest.approx(float(each.mean))
        assert float((p * (k - each.mean) ** 2).sum()) == pytest.approx(float(each.variance))
        torch.manual_seed(0)
        draws = each.sample(torch.Size([50_000]))
        assert z_score(draws[:, None], each.mean[None]) < 4.5
        assert z_score((draws == 0).double()[:, None], p[:1]) < 4.5
    assert float(law.log_prob(k[:1]).exp()) == pytest.approx(
        torch.sigmoid(torch.tensor(logit)).item() + float(law.mean / mean * plain.log_prob(k[:1]).exp())
    )


def test_wild_logits_have_finite_slopes() -> None:
    logits = torch.tensor([-1e4, 1e4], requires_grad=True)
    law = ZeroInflated(NegativeBinomial(torch.tensor([0.3, 0.3]), torch.tensor(0.1)), logits)
    value = law.log_prob(torch.zeros(2)).sum() + law.log_prob(torch.full((2,), 3.0)).sum()
    assert torch.autograd.grad(value, logits)[0].isfinite().all()
