"""The KL in closed form and by its draws."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Independent, Normal, StudentT
from toys import z_score

from lowerbound.errors import NoClosedForm
from lowerbound.vae.objectives.kl import ClosedKL, SampledKL
from lowerbound.vae.terms import Node, Terms

closed_kl, sampled_kl = ClosedKL(), SampledKL()

DRAWS = 200_000


def terms(q: Independent, draws: int = 1) -> Terms:
    z = q.rsample(torch.Size([draws]))
    return Terms(torch.zeros(z.shape[:2]), (Node(z, Independent(Normal(torch.zeros(2), torch.ones(2)), 1), q),))


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
    odd = Terms(torch.zeros(1, 1), (Node(z, Independent(Normal(torch.zeros(2), 1.0), 1), Independent(StudentT(torch.ones(1, 2)), 1)),))
    with pytest.raises(NoClosedForm, match=r"KL\(StudentT ‖ Normal\)"):
        closed_kl(odd)
