"""The laws that are ours: densities against quadrature, draws and gradients against exact moments, over wide tables of concentrations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from scipy.special import gammaincinv
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal, kl_divergence
from toys import z_score

from lowerbound import distributions as laws
from lowerbound.distributions import angles, gamma_beta, operations, von_mises_fisher
from lowerbound.distributions.mixture import Mixture
from lowerbound.errors import RecipeError

CONCENTRATIONS = [0.01, 0.3, 1.0, 5.0, 1e3]
WIDE = torch.logspace(-4, 5, 10).tolist()
FLOATS = [torch.float32, torch.float64]
DRAWS = 100_000
BOUND = 4.5  # standard errors


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        yield


def many(value: float, n: int = DRAWS, dtype: torch.dtype = torch.float64) -> Tensor:
    """A parameter of its own for each draw, so that one backward pass gives the gradient of each."""
    return torch.full((n,), value, dtype=dtype, requires_grad=True)


def gradients(f: Tensor, *parameters: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(f.sum(), parameters, retain_graph=True))


def double(*values: float) -> list[Tensor]:
    return [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]


# --- Gamma and Beta ---------------------------------------------------------------------------------------


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


# --- the gradient of E[z²] = α(α + 1), by every estimator -------------------------------------------------


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


# --- the sphere -------------------------------------------------------------------------------------------


def uniform_angles(kappa: float, d: int) -> tuple[Tensor, Tensor]:
    """Angles θ where a vMF law may have mass, and log of the weight of each under the uniform law, normalised exactly."""
    end = min(math.pi, (math.sqrt(d) + 15) / math.sqrt(kappa))
    root, weight = (torch.as_tensor(x) for x in np.polynomial.legendre.leggauss(500))
    theta = (root + 1) * end / 2
    log_beta = math.lgamma((d - 1) / 2) + math.lgamma(0.5) - math.lgamma(d / 2)
    return theta, (weight * end / 2).log() + (d - 2) * theta.sin().log() - log_beta


def tilted(kappa: Tensor, d: int, f: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """E[f(w)] under vMF and h(κ) = log E[exp κ(w − 1)] under the uniform law, by quadrature, differentiable in κ."""
    theta, log_weight = uniform_angles(kappa.item(), d)
    log_tilt = log_weight - 2 * kappa * (theta / 2).sin() ** 2
    h = log_tilt.logsumexp(0)
    return ((log_tilt - h).exp() * f(theta.cos())).sum(), h


def pole(d: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.nn.functional.normalize(torch.linspace(-1, 2, d, dtype=dtype), dim=0)


DIMENSIONS = [2, 3, 10, 128, 300]


@pytest.mark.parametrize("d", DIMENSIONS)
@pytest.mark.parametrize("k", [1e-4, 0.3, 5.0, 100.0, 1e3, 1e5])
def test_vmf_s_normaliser_mean_entropy_and_divergence(k: float, d: int) -> None:
    (kappa,) = double(k)
    law = laws.VonMisesFisher(pole(d), kappa)
    resultant, h = tilted(kappa, d, lambda w: w)
    square, _ = tilted(kappa, d, lambda w: (w - resultant) ** 2)
    assert law.log_prob(pole(d)).item() == pytest.approx(-h.item() - von_mises_fisher.log_area(d), rel=1e-9, abs=1e-9)
    assert torch.allclose(law.mean, resultant * pole(d), rtol=1e-9, atol=1e-10)
    across = (1 - square - resultant**2) / (d - 1)
    truth = across * (1 - pole(d) ** 2) + square * pole(d) ** 2
    assert torch.allclose(law.variance, truth, rtol=1e-5, atol=1e-11)
    divergence = kl_divergence(law, laws.UniformSphere(d))
    assert divergence.item() == pytest.approx((kappa * (resultant - 1) - h).item(), rel=1e-6, abs=1e-10)
    assert law.entropy().item() == pytest.approx(von_mises_fisher.log_area(d) - divergence.item(), rel=1e-12)
    (slope,), (found,) = gradients(kappa * (resultant - 1) - h, kappa), gradients(divergence, kappa)
    assert found.item() == pytest.approx(slope.item(), rel=1e-4, abs=1e-10)


@pytest.mark.parametrize("d", [2, 3, 10, 300])
@pytest.mark.parametrize("k", [0.01, 1.0, 30.0, 1e3])
def test_vmf_s_second_derivatives(k: float, d: int) -> None:
    (kappa,) = double(k)
    assert torch.autograd.gradcheck(lambda k: laws.VonMisesFisher(pole(d), k).mean, [kappa], eps=1e-5 * k, atol=1e-7)
    assert torch.autograd.gradcheck(lambda k: laws.VonMisesFisher(pole(d), k).variance, [kappa], eps=1e-4 * k, atol=1e-7)
    assert torch.autograd.gradgradcheck(lambda k: laws.VonMisesFisher(pole(d), k).log_prob(pole(d)), [kappa], eps=1e-4 * k, atol=1e-6)


@pytest.mark.parametrize("k", [1e-4, 1.0, 50.0])
def test_spherical_laws_integrate_to_one_in_the_plane_and_in_space(k: float) -> None:
    angle = torch.arange(4000, dtype=torch.float64) * 2 * math.pi / 4000
    circle = torch.stack([angle.cos(), angle.sin()], -1)
    for law in (laws.VonMisesFisher(pole(2), k), laws.UniformSphere(2)):
        assert law.log_prob(circle).exp().mean().item() * 2 * math.pi == pytest.approx(1, abs=1e-9)
    height, turn = (torch.arange(n, dtype=torch.float64) for n in (2000, 400))
    z, phi = torch.meshgrid((height + 0.5) / 1000 - 1, turn * 2 * math.pi / 400, indexing="ij")
    ball = torch.stack([(1 - z**2).sqrt() * phi.cos(), (1 - z**2).sqrt() * phi.sin(), z], -1)
    for law in (laws.VonMisesFisher(pole(3), k), laws.UniformSphere(3)):
        assert law.log_prob(ball).exp().mean().item() * 4 * math.pi == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("d", [5, 20, 300])
def test_vmf_integrates_to_one_in_many_dimensions(d: int) -> None:
    x = laws.UniformSphere(d).sample(torch.Size([DRAWS])).double()
    law = laws.VonMisesFisher(pole(d), math.sqrt(d))
    assert z_score((law.log_prob(x) + von_mises_fisher.log_area(d)).exp(), 1.0) < BOUND


@pytest.mark.parametrize("d", [2, 3, 10, 128])
@pytest.mark.parametrize("k", [1e-4, 0.3, 1.0, 5.0, 1e3, 1e5])
def test_vmf_s_draws_have_its_moments(k: float, d: int) -> None:
    law = laws.VonMisesFisher(pole(d), k)
    x = law.sample(torch.Size([40_000]))
    assert z_score(x, law.mean) < BOUND
    assert z_score((x - law.mean) ** 2, law.variance) < BOUND
    assert z_score(-law.log_prob(x), law.entropy()) < BOUND
    assert z_score(law.log_prob(x) + von_mises_fisher.log_area(d), kl_divergence(law, laws.UniformSphere(d))) < BOUND


@pytest.mark.parametrize("d", [2, 3, 10, 128])
@pytest.mark.parametrize("k", [0.01, 0.3, 1.0, 5.0, 1e3, 1e5])
def test_vmf_s_gradient_in_kappa_is_exact_in_the_mean(k: float, d: int) -> None:
    (exact,), kappa = double(k), many(k, 40_000)
    w = (laws.VonMisesFisher(pole(d), kappa).rsample() * pole(d)).sum(-1)
    for f in (lambda w: w, torch.square, lambda w: (3 * (w - 1)).exp()):
        (truth,) = gradients(tilted(exact, d, f)[0], exact)
        assert z_score(gradients(f(w), kappa)[0], truth) < BOUND


@pytest.mark.parametrize(("d", "k"), [(2, 3.0), (3, 1.0), (10, 5.0), (10, 500.0)])
@pytest.mark.parametrize("place", ["anywhere", "first", "opposite"])
def test_vmf_s_gradient_in_loc_is_exact_in_the_mean(d: int, k: float, place: str) -> None:
    """Of ⟨c, x⟩, A (c − μ⟨μ, c⟩), and of ⟨c, x⟩², 2 (1 − dA/κ) ⟨c, μ⟩ (c − μ⟨μ, c⟩), for μ = v/|v| at |v| = 1."""
    axis = torch.eye(d, dtype=torch.float64)[0]
    mu = {"anywhere": pole(d), "first": axis, "opposite": -axis}[place]
    v, c = mu.repeat(40_000, 1).requires_grad_(), torch.linspace(1, -0.5, d, dtype=torch.float64)
    x = laws.VonMisesFisher(torch.nn.functional.normalize(v, dim=-1), k).rsample()
    a, _ = tilted(torch.tensor(k, dtype=torch.float64), d, lambda w: w)
    tangent = c - mu * (mu @ c)
    for f, factor in ((x @ c, a), ((x @ c) ** 2, 2 * (1 - d * a / k) * (mu @ c))):
        assert ((gradients(f, v)[0].mean(0) - factor * tangent).abs() < BOUND * gradients(f, v)[0].std(0) / 200 + 1e-12).all()


@pytest.mark.parametrize("d", [2, 3, 10, 100, 500])
@pytest.mark.parametrize("k", [1e-4, 1.0, 10.0, 1e3, 1e5])
def test_the_angle_s_slope_is_that_of_the_quantile(k: float, d: int) -> None:
    """F(θ; κ) integrated from both sides; its central difference in κ, over its density."""
    root, weight = (torch.as_tensor(x) for x in np.polynomial.legendre.leggauss(400))
    theta, h = angles._wood(torch.full((50,), k, dtype=torch.float64), d), 1e-3 * max(k, 1e-2) / math.sqrt(d)
    end = min(math.pi, (math.sqrt(d) + 15) / math.sqrt(k))

    def masses(kappa: float) -> tuple[Tensor, Tensor]:
        """∫ p(φ)/p(θ; k) over [0, θ] and over [θ, end], the density not normalised."""
        both = []
        for low, high in ((torch.zeros_like(theta), theta), (theta, torch.full_like(theta, end))):
            phi = (low + high)[:, None] / 2 + (high - low)[:, None] / 2 * root
            power = kappa * phi.cos() - k * theta.cos()[:, None] - (kappa - k) + (d - 2) * (phi.sin() / theta.sin()[:, None]).log()
            both.append((power.exp() * weight).sum(-1) * (high - low) / 2)
        return both[0], both[1]

    def odds(kappa: float) -> Tensor:
        left, right = masses(kappa)
        return left.log() - right.log()

    left, right = masses(k)
    slope = -(odds(k + h) - odds(k - h)) / (2 * h) * left * right / (left + right)
    found = angles.angle_slope(theta, torch.full_like(theta, k), d)
    assert torch.allclose(found, slope, rtol=2e-5)
    single = angles.angle_slope(theta.float(), torch.full_like(theta, k).float(), d)
    assert torch.allclose(single.double(), slope, rtol=2e-3)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("d", [2, 3, 10, 300])
@pytest.mark.parametrize("k", WIDE)
def test_vmf_stays_on_the_sphere_and_finite(k: float, d: int, dtype: torch.dtype) -> None:
    kappa, loc = many(k, 300, dtype), pole(d, dtype).requires_grad_()
    law = laws.VonMisesFisher(loc, kappa, validate_args=True)
    x = law.rsample()
    assert law.support.check(x).all()
    assert x.dtype == dtype
    for f in (x, x**2, law.log_prob(x), law.mean, law.variance):
        assert all(value.isfinite().all() for value in (f, *gradients(f, kappa, loc)))
    for f in (law.entropy(), kl_divergence(law, laws.UniformSphere(d))):
        assert all(value.isfinite().all() for value in (f, *gradients(f, kappa)))


@pytest.mark.parametrize("k", [1e-4, 1.0, 1e5])
def test_vmf_s_float32_keeps_its_digits(k: float) -> None:
    """log p of a draw, and the entropy, to 1e-4 of a nat, where κ⟨μ, x⟩ as it stands would be wrong in the second digit."""
    law, fine = (laws.VonMisesFisher(pole(10, dtype), k) for dtype in FLOATS)
    x = laws.VonMisesFisher(pole(10), k).sample(torch.Size([1000]))
    assert torch.allclose(law.log_prob(x.float()).double(), fine.log_prob(x), atol=1e-3)
    assert torch.allclose(law.entropy().double(), fine.entropy(), atol=1e-4)


def test_uniform_sphere_s_draws() -> None:
    law = laws.UniformSphere(4)
    x = law.sample(torch.Size([DRAWS]))
    assert law.support.check(x).all()
    assert z_score(x, law.mean) < BOUND
    assert z_score(x**2, law.variance) < BOUND
    assert torch.allclose(law.log_prob(x), -law.entropy())


def test_a_sphere_needs_two_dimensions() -> None:
    for make in (lambda: laws.UniformSphere(1), lambda: laws.VonMisesFisher(torch.ones(3, 1), 1.0)):
        with pytest.raises(RecipeError, match="two dimensions"):
            make()
    with pytest.raises(ValueError, match="loc"):
        laws.VonMisesFisher(torch.ones(3), 1.0, validate_args=True)
    with pytest.raises(ValueError, match="spheres"):
        kl_divergence(laws.VonMisesFisher(pole(3), 1.0), laws.UniformSphere(4))


# --- a point, and what holds for all ----------------------------------------------------------------------


def test_delta() -> None:
    value = torch.randn(4, 3, requires_grad=True)
    law = laws.Delta(value)
    assert (law.batch_shape, law.event_shape) == ((4,), (3,))
    x = law.rsample(torch.Size([2]))
    assert torch.equal(x, value.expand(2, 4, 3))
    assert torch.equal(law.log_prob(x), torch.zeros(2, 4))
    x = x + torch.eye(3)[0] * torch.tensor([0.0, 1.0])[:, None, None]
    assert torch.equal(law.log_prob(x), torch.tensor([0.0, -math.inf])[:, None].expand(2, 4))
    assert torch.equal(gradients(law.rsample(torch.Size([2])), value)[0], torch.full((4, 3), 2.0))
    assert laws.Delta(value, event_dim=0).batch_shape == (4, 3)


def everyone() -> dict[str, Distribution]:
    a, b = torch.tensor([1.5, 2.0], requires_grad=True), torch.tensor([1.0, 3.0], requires_grad=True)
    loc = pole(3, torch.float32).expand(2, 3).clone().requires_grad_()
    return {
        "Gamma": laws.Gamma(a, b),
        "Beta": laws.Beta(a, b),
        "VonMisesFisher": laws.VonMisesFisher(loc, a),
        "Delta": laws.Delta(loc),
        "Independent Gamma": Independent(laws.Gamma(a, b), 1),
    }


@pytest.mark.parametrize("name", everyone())
def test_held_laws_are_the_same_and_held(name: str) -> None:
    law = everyone()[name]
    held, z = operations.detach(law), law.sample()
    assert type(getattr(held, "base_dist", held)) is type(getattr(law, "base_dist", law))
    assert torch.equal(held.log_prob(z), law.log_prob(z))
    assert (held.batch_shape, held.event_shape) == (law.batch_shape, law.event_shape)
    assert not held.log_prob(z).requires_grad
    assert not held.rsample().requires_grad
    assert law.rsample().requires_grad


@pytest.mark.parametrize("name", [*everyone(), "UniformSphere"])
def test_expand_keeps_the_law(name: str) -> None:
    law = {**everyone(), "UniformSphere": laws.UniformSphere(3).expand([2])}[name]
    wide = law.expand(torch.Size([3, *law.batch_shape]))
    assert type(wide) is type(law)
    z = wide.rsample(torch.Size([5]))
    assert z.shape == (5, 3, *law.batch_shape, *law.event_shape)
    assert wide.log_prob(z).shape == (5, 3, *law.batch_shape)
    assert torch.equal(wide.log_prob(z), law.log_prob(z))
    assert torch.equal(wide.mean, law.mean.expand_as(wide.mean))


def test_torch_s_laws_keep_their_rows() -> None:
    law = operations.detach(torch.distributions.Gamma(torch.ones(2), torch.ones(2)))
    assert type(law) is torch.distributions.Gamma
    assert type(operations.detach(Normal(torch.zeros(2), torch.ones(2)))) is Normal


@pytest.mark.parametrize(("components", "size", "away"), [(500, 40, 0.0), (500, 40, 30.0), (10, 2, 0.0), (3, 1, 1e3)])
def test_a_mixture_of_gaussians_is_as_good_by_matrix_products(components: int, size: int, away: float) -> None:
    """Held to torch's in double precision, with its gradients; draws of one component, wherever it is, and draws far from all."""
    torch.manual_seed(0)
    loc, scale = torch.randn(components, size) + away, torch.empty(components, size).uniform_(-3.0, 0.3).exp()
    weights = torch.randn(components)
    near = loc[0] + scale[0] * torch.randn(50, size)
    far = away + 2 * torch.randn(50, size)

    def mixture(kind: type, *parts: torch.Tensor):
        logits, loc, scale = parts
        return kind(Categorical(logits=logits), Independent(Normal(loc, scale), 1), validate_args=False)

    for value, tolerance in ((near, 2e-4), (far, 2e-3)):
        parts = [part.clone().requires_grad_() for part in (weights, loc, scale)]
        exact = [part.double().detach().requires_grad_() for part in parts]
        found, truth = mixture(Mixture, *parts).log_prob(value), mixture(MixtureSameFamily, *exact).log_prob(value.double())
        assert (found - truth).abs().max() < tolerance
        found.sum().backward(), truth.sum().backward()
        for part, other in zip(parts, exact, strict=True):
            assert (part.grad - other.grad).norm() < 1e-4 * other.grad.norm()
    assert mixture(Mixture, weights, loc, scale).log_prob(near[0]).shape == ()


def test_draws_of_a_mixture_fall_to_its_components() -> None:
    """Mean and covariance of 100,000 draws against Σ π m and Σ π (s² + m mᵀ) − mean meanᵀ."""
    torch.manual_seed(0)
    weights, loc, scale = torch.tensor([0.5, 0.3, 0.2]), torch.randn(3, 2) * 3, torch.rand(3, 2) + 0.1
    law = Mixture(Categorical(weights), Independent(Normal(loc, scale), 1))
    assert law.sample().shape == (2,)
    assert law.sample(torch.Size([4, 5])).shape == (4, 5, 2)
    z = law.sample(torch.Size([100_000]))
    mean = weights @ loc
    covariance = torch.diag(weights @ scale.square()) + (weights[:, None] * loc).T @ loc - mean[:, None] * mean
    squares = (z - mean)[:, :, None] * (z - mean)[:, None]
    assert ((z.mean(0) - mean) / (z.std(0) / len(z) ** 0.5)).abs().max() < 4
    assert ((squares.mean(0) - covariance) / (squares.std(0) / len(z) ** 0.5)).abs().max() < 4


# --- labels ------------------------------------------------------------------------------------------


def test_draws_of_a_label_are_as_frequent_as_they_are_likely() -> None:
    n, logits = 100_000, torch.tensor([[1.0, -2.0, 0.5, -30.0], [0.0, 0.0, 3.0, -torch.inf]])
    torch.manual_seed(0)
    law = laws.OneHotCategorical(logits)
    drawn = law.sample(torch.Size([n]))
    assert drawn.shape == (n, 2, 4)
    assert (drawn.sum(-1) == 1).all()
    error = (law.probs * (1 - law.probs) / n).sqrt()
    assert ((drawn.mean(0) - law.probs).abs() <= 4.5 * error).all()
    assert torch.allclose(law.log_prob(torch.eye(4)[:, None])[:3, 0], logits[0].log_softmax(0)[:3])
    wider = law.expand(torch.Size([3, 2]))
    assert (type(wider), wider.batch_shape, wider.sample().shape) == (laws.OneHotCategorical, (3, 2), (3, 2, 4))


def test_a_label_of_no_finite_logits_has_no_finite_density_and_is_drawn_all_the_same() -> None:
    law = laws.OneHotCategorical(torch.full((5, 3), torch.nan))
    assert law.log_prob(law.sample()).isnan().all()
