"""Von Mises–Fisher and the uniform distribution of a sphere: against quadrature and exact moments."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from rows import long_if
from torch import Tensor
from torch.distributions import kl_divergence
from toys import z_score

from distributions.tables import BOUND, DRAWS, FLOATS, WIDE, double, gradients, many, pole
from lowerbound import distributions as laws
from lowerbound.distributions import von_mises_fisher
from lowerbound.errors import RecipeError


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


@pytest.mark.parametrize("d", long_if(lambda d: d > 10, [2, 3, 10, 128]))
@pytest.mark.parametrize("k", [1e-4, 0.3, 1.0, 5.0, 1e3, 1e5])
def test_vmf_s_draws_have_its_moments(k: float, d: int) -> None:
    law = laws.VonMisesFisher(pole(d), k)
    x = law.sample(torch.Size([40_000]))
    assert z_score(x, law.mean) < BOUND
    assert z_score((x - law.mean) ** 2, law.variance) < BOUND
    assert z_score(-law.log_prob(x), law.entropy()) < BOUND
    assert z_score(law.log_prob(x) + von_mises_fisher.log_area(d), kl_divergence(law, laws.UniformSphere(d))) < BOUND


@pytest.mark.parametrize("d", long_if(lambda d: d > 10, [2, 3, 10, 128]))
@pytest.mark.parametrize("k", long_if(lambda k: k in (0.3, 5.0, 1e3), [0.01, 0.3, 1.0, 5.0, 1e3, 1e5]))
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


def test_uniform_sphere_is_of_its_type_and_on_its_device() -> None:
    assert laws.UniformSphere(3).sample().dtype == torch.get_default_dtype()
    for given in ({"dtype": torch.float64}, {"device": "meta"}):
        law = laws.UniformSphere(3, **given).expand([2])
        wanted = torch.zeros((), **given)
        for value in (law.sample(torch.Size([4])), law.mean, law.variance, law.entropy()):
            assert (value.dtype, value.device) == (wanted.dtype, wanted.device)


def test_a_sphere_needs_two_dimensions() -> None:
    for make in (lambda: laws.UniformSphere(1), lambda: laws.VonMisesFisher(torch.ones(3, 1), 1.0)):
        with pytest.raises(RecipeError, match="two dimensions"):
            make()
    with pytest.raises(ValueError, match="loc"):
        laws.VonMisesFisher(torch.ones(3), 1.0, validate_args=True)
    with pytest.raises(ValueError, match="spheres"):
        kl_divergence(laws.VonMisesFisher(pole(3), 1.0), laws.UniformSphere(4))
