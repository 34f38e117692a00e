"""Likelihoods of real values."""

from __future__ import annotations

import pytest
import torch
from toys import Constant, LinearGaussian


def test_the_constants_of_the_gaussian_are_kept() -> None:
    """Without them the bound would be one on nothing: it is compared with an exact log p(x) in test_objectives, and here by hand."""
    toy = LinearGaussian(scale=0.1)
    vae = toy.vae(Constant(torch.zeros(4)))
    x, z = torch.randn(1, 5), torch.randn(1, 1, 2)
    squared = (x - vae.likelihood.network(z[0])).square().sum()
    assert vae.likelihood.weight == pytest.approx(1 / (2 * 0.1**2))
    normalizer = 5 / 2 * torch.log(torch.tensor(2 * torch.pi * 0.1**2))
    assert torch.allclose(vae.log_likelihood(x, z), -vae.likelihood.weight * squared - normalizer)
