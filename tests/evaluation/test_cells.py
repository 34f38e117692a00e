"""log p of each value given the others: exact where the law is known, NaN where there is no value."""

from __future__ import annotations

import pytest
import torch
from tasks.test_impute import HOLES, TOY, toy
from torch.distributions import MultivariateNormal, Normal

from lowerbound.errors import DataError
from lowerbound.evaluation.cells import log_p_of_values


def exact(x: torch.Tensor) -> torch.Tensor:
    """log p(xᵢ|x_others) of one example of the linear-Gaussian toy, NaN where there is no value."""
    there, found = ~x.isnan(), torch.full_like(x, torch.nan)
    law = TOY.evidence
    for place in there.nonzero()[:, 0].tolist():
        others = there.clone()
        others[place] = False
        gain = law.covariance_matrix[place, others] @ torch.linalg.inv(law.covariance_matrix[others][:, others])
        mean = law.loc[place] + gain @ (x[others] - law.loc[others])
        variance = law.covariance_matrix[place, place] - gain @ law.covariance_matrix[others, place]
        found[place] = Normal(mean, variance.sqrt()).log_prob(x[place])
    return found


def test_it_is_that_of_the_exact_conditional() -> None:
    vae, whole, holed = toy()
    odd = whole[:1].clone()
    odd[0, 2] += 3 * TOY.evidence.covariance_matrix[2, 2].sqrt()
    x = torch.cat([holed, odd])
    found = log_p_of_values(vae, x, samples=40_000)
    assert torch.equal(found[:4].isnan(), HOLES)
    right = torch.stack([exact(row) for row in x])
    torch.testing.assert_close(found, right, rtol=0, atol=0.08, equal_nan=True)
    assert found[-1].argmin() == 2  # the cell that does not fit


def test_neither_memory_nor_the_others_change_it() -> None:
    vae, _, x = toy()
    one = log_p_of_values(vae, x, 500)
    torch.testing.assert_close(log_p_of_values(vae, x, 500, memory=2_000_000), one, equal_nan=True)
    torch.testing.assert_close(log_p_of_values(vae, x[0], 500).shape, x[0].shape)


def test_one_of_a_chain_adds_up() -> None:
    """log p(x₁, x₂) = log p(x₁|x₂) + log p(x₂), the second from the same row without x₁."""
    vae, whole, _ = toy()
    pair = whole[:1].clone()
    pair[:, 2:] = torch.nan
    alone = pair.clone()
    alone[:, 0] = torch.nan
    first = log_p_of_values(vae, pair, 40_000)[0, 0]
    second = log_p_of_values(vae, alone, 40_000)[0, 1]
    law = TOY.evidence
    right = MultivariateNormal(law.loc[:2], law.covariance_matrix[:2, :2]).log_prob(pair[0, :2])
    torch.testing.assert_close(first + second, right, rtol=0, atol=0.05)


def test_what_cannot_be_is_refused() -> None:
    vae, _, x = toy()
    with pytest.raises(DataError):
        log_p_of_values(vae, x[:, :4])
