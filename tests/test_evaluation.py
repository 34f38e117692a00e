from __future__ import annotations

import math

import pytest
import torch
from toys import LinearGaussian

import lowerbound as lb


def test_a_score_is_the_same_at_each_call_and_leaves_the_model_as_it_was() -> None:
    toy = LinearGaussian()
    vae, x = toy.vae(toy.exact_encoder()).train(), torch.randn(30, 5)
    first = lb.score(vae, x, batch=7)
    torch.manual_seed(5)
    assert lb.score(vae, x, batch=7) == first
    assert lb.score(vae, x, batch=7, seed=1) != first
    assert vae.training


def test_a_score_is_the_exact_bound_within_its_error() -> None:
    toy = LinearGaussian(orthogonal=True)
    torch.manual_seed(0)
    x = toy.evidence.sample(torch.Size([20_000]))
    found = lb.score(toy.vae(toy.exact_encoder()), x)
    truth = toy.evidence.log_prob(x)
    # q is exact, so that each datum's estimate is off by the noise of its one draw alone, whose variance is d/2 = 1
    assert abs(found.bound - float(truth.mean())) < 4 / len(x) ** 0.5
    assert found.bound_se == pytest.approx(float((truth.var() + 1).sqrt()) / len(x) ** 0.5, rel=0.05)
    assert found.bound == pytest.approx(found.log_likelihood_term - found.kl, abs=1e-6)
    assert found.bits_per_dim == pytest.approx(-found.bound / (5 * math.log(2)))
    assert found.rows == 20_000


def test_the_error_of_one_datum_is_unknown() -> None:
    toy = LinearGaussian()
    assert math.isnan(lb.score(toy.vae(toy.exact_encoder()), torch.zeros(1, 5)).bound_se)
