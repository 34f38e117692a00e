"""The slope of the angle between a von Mises–Fisher draw and its mean direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lowerbound.distributions import angles


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
