"""Laws as weights that are whole numbers: near those in double precision, something for every number, and answers that lead back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import distributions as td

from lowerbound.distributions import discrete, ordinal
from lowerbound.tasks.lossless import laws

N = 40  # laws of a row
RANDOM = np.random.default_rng(0)
A, B = RANDOM.gamma(0.5, 20, (2, N)) + 1e-3
LOGITS, LOC, SCALE = RANDOM.normal(0, 3, (5, N)), RANDOM.uniform(0, 255, (5, N)), RANDOM.gamma(0.5, 40, (5, N)) + 0.255
MEAN, LOG_VARIANCE = RANDOM.normal(0, 1.5, N), RANDOM.normal(-3, 3, N)


def logs(law: td.Distribution, top: int) -> np.ndarray:
    """log p of the numbers from 0 to ``top`` ``(top + 1, n)``, as if there were no others."""
    found = law.log_prob(torch.arange(top + 1.0).double()[:, None])
    return found.log_softmax(0).numpy()


def mixture() -> td.Distribution:
    parts = ordinal.DiscretizedLogistic(torch.from_numpy(LOC.T), torch.from_numpy(SCALE.T), 255)
    return td.MixtureSameFamily(td.Categorical(logits=torch.from_numpy(LOGITS.T)), parts, validate_args=False)


def of_bins() -> np.ndarray:
    edges = stats.norm.ppf(np.arange((1 << laws.LATENT_BITS) + 1) / (1 << laws.LATENT_BITS))[:, None]
    below = stats.norm.cdf((edges - MEAN) / np.exp(LOG_VARIANCE / 2))
    return np.log(np.maximum(np.diff(below, axis=0), 1e-300))


#: a law, its numbers' largest, and log p of each
ROWS = {
    "bernoulli": (lambda: laws.Bernoulli(LOGITS[0]), 1, lambda: logs(td.Bernoulli(logits=torch.from_numpy(LOGITS[0])), 1)),
    "beta-binomial": (
        lambda: laws.beta_binomial(A, B, 255),
        255,
        lambda: logs(discrete.BetaBinomial(torch.from_numpy(A), torch.from_numpy(B), 255), 255),
    ),
    "logistics": (lambda: laws.logistics(LOGITS, LOC, SCALE, laws.halves(255)), 255, lambda: logs(mixture(), 255)),
    "categorical": (lambda: laws.categorical(LOGITS), 4, lambda: torch.from_numpy(LOGITS).log_softmax(0).numpy()),
    "poisson": (lambda: laws.poisson(A, 99), 99, lambda: logs(td.Poisson(torch.from_numpy(A)), 99)),
    "negative-binomial": (
        lambda: laws.negative_binomial(A, 1 / (1 + np.exp(-LOGITS[0])), 99),
        99,
        lambda: logs(td.NegativeBinomial(torch.from_numpy(A), logits=torch.from_numpy(LOGITS[0])), 99),
    ),
    "bins of latents": (lambda: laws.bins(MEAN, LOG_VARIANCE), (1 << laws.LATENT_BITS) - 1, of_bins),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_code_is_as_long_as_its_law_says(name: str) -> None:
    make, top, exact = ROWS[name]
    p = np.exp(exact())
    numbers = np.array([RANDOM.choice(top + 1, p=column / column.sum()) for column in p.T])
    given, asked = laws.answers(make(), numbers)
    length = -np.log2(np.where(given == 1, asked, 1 - asked)).sum(0)
    ideal = -np.log2(p[numbers, np.arange(N)])
    likely = ideal < 18  # what is rarer costs less than it might, or a bit more
    np.testing.assert_allclose(length[likely], ideal[likely], atol=2e-2)


@pytest.mark.parametrize("name", ROWS)
def test_every_number_has_some_weight(name: str) -> None:
    make, top, _ = ROWS[name]
    law = make()
    below = np.stack([law.below(np.full(N, k)) for k in range(top + 2)])
    assert (np.diff(below, axis=0) >= 1).all()
    assert (below == np.rint(below)).all()
    assert (below[0] == 0).all()
    assert below.max() < 2**53
    assert (law.below(np.full(N, 1 << law.bits)) >= below[-1]).all()


@pytest.mark.parametrize("name", ROWS)
def test_answers_lead_back(name: str) -> None:
    make, top, _ = ROWS[name]
    law, numbers = make(), RANDOM.integers(0, top + 1, N)
    given, _ = laws.answers(law, numbers)
    replies = iter(given)
    assert (laws.found(law, N, lambda asked: next(replies)) == numbers).all()


def test_extremes_are_laws_too() -> None:
    far = np.array([1e4, -1e4])
    for law in (laws.bins(far, far), laws.Bernoulli(far), laws.logistics(far[None], far[None], np.full((1, 2), 1e-3), laws.halves(255))):
        given, asked = laws.answers(law, np.array([0, 1]))
        assert np.isfinite(asked).all()
        assert ((asked > 0) & (asked < 1)).all()
        assert given.shape == asked.shape
    huge = laws.beta_binomial(np.array([32768.0, 1e-3]), np.array([1e-3, 32768.0]), 255)
    shares = huge.below(np.array([255, 1])) / huge.below(np.array([256, 256]))
    assert shares[0] < 1e-5 < 1 - 1e-5 < shares[1]
