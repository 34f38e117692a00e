"""The evidence lower bound against an exact log p(x)."""

from __future__ import annotations

import pytest
import torch
from toys import LinearGaussian, bounds, z_score

from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import KL, ClosedKL, SampledKL


@pytest.mark.parametrize("kl", [ClosedKL(), SampledKL()])
def test_the_bound_is_the_evidence_where_the_posterior_is_exact(kl: KL) -> None:
    toy = LinearGaussian(orthogonal=True)
    vae = toy.vae(toy.exact_encoder())
    torch.manual_seed(0)
    x = toy.evidence.sample(torch.Size([4]))
    draws = bounds(vae, x, ELBO(kl), 4000)
    truth = toy.evidence.log_prob(x)
    if kl == SampledKL():  # log p(z) + log p(x|z) − log q(z|x) is then log p(x) whatever z is
        assert torch.allclose(draws, truth.expand_as(draws), atol=1e-4)
    else:
        assert z_score(draws, truth) < 4
