"""Functions that JavaScript lacks, and draws by them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

DRAWS = 20_000


def test_the_logarithm_of_gamma_has_all_its_digits(javascript: Callable[..., Any]) -> None:
    """A log p of counts is a small difference of such logarithms, of 10⁸ and more."""
    x = np.concatenate([np.geomspace(1e-8, 1e9, 400), np.linspace(0.5, 20, 79)]).tolist()
    found = javascript("functions", "return given[0].map(logGamma);", x)
    np.testing.assert_allclose(found, [math.lgamma(each) for each in x], rtol=5e-16, atol=3e-14)


def test_gamma_draws_have_the_mean_of_a_gamma_and_of_its_logarithm(javascript: Callable[..., Any]) -> None:
    shapes = torch.tensor([0.1, 0.7, 1.0, 4.5, 1e4], dtype=torch.double)
    body = "const uniform = uniforms(1); return given[0].map((shape) => Array.from({ length: given[1] }, () => gammaFrom(shape, uniform)));"
    draws = torch.tensor(javascript("functions", body, shapes.tolist(), DRAWS), dtype=torch.double)
    off = (draws.mean(1) - shapes) / (shapes / DRAWS).sqrt()
    off_log = (draws.log().mean(1) - shapes.digamma()) / (shapes.polygamma(1) / DRAWS).sqrt()
    assert float(off.abs().max()) < 4
    assert float(off_log.abs().max()) < 4


def test_poisson_draws_have_the_frequencies_of_a_poisson(javascript: Callable[..., Any]) -> None:
    """χ² of counts in ten classes of about equal probability, or fewer, on either side of where the way of drawing changes."""
    rates = [0.1, 3.0, 9.9, 10.1, 40.0, 1e3, 1e6]
    body = "const uniform = uniforms(2); return given[0].map((rate) => Array.from({ length: given[1] }, () => poissonFrom(rate, uniform)));"
    for rate, draws in zip(rates, javascript("functions", body, rates, DRAWS), strict=True):
        k = torch.arange(max(0, int(rate - 9 * rate**0.5)), int(rate + 9 * rate**0.5 + 12), dtype=torch.double)
        p = torch.distributions.Poisson(torch.tensor(rate, dtype=torch.double)).log_prob(k).exp()
        tenth = (p.cumsum(0) * 10).floor().clamp(0, 9).long()
        wanted = DRAWS * torch.zeros(10, dtype=torch.double).index_add(0, tenth, p)
        found = torch.bincount(tenth[torch.tensor(draws).long() - int(k[0])], minlength=10)
        some = wanted > 0
        statistic = float(((found[some] - wanted[some]).square() / wanted[some]).sum())
        freedom = max(int(some.sum()) - 1, 1)
        assert statistic < freedom + 5 * (2 * freedom) ** 0.5, (rate, statistic)
