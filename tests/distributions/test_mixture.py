"""Mixtures of many components."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from lowerbound.distributions.mixture import Mixture


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
