"""Which law whole numbers from 0 on have, by the likelihood of values that it was not fitted to: one of counts, or none.

The simplest is taken of those that are as good: a Poisson, a negative binomial, one with more zeros than it has itself. Against them
stands what is no count: one value with a probability of its own, and rounded log-normal numbers, as money has that not all spend.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

Numbers = npt.NDArray[np.float64]
#: log p of each value, by values to fit to and those to score
Score = Callable[[Numbers, Numbers], Numbers]

POISSON, OVERDISPERSED, INFLATED = "poisson", "negative-binomial", "zero-inflated"
FEW = 30  # fewer values, or different ones, say nothing of their law
MANY, SHARED = 100, 0.05  # fewer are not taken from counts for money, nor those of which no value has this share
FOLDS = 5
MOST = 5_000  # values that a law is chosen by
SURE = 2.0  # standard errors by which a law must be better than a simpler one
TOTALS = np.geomspace(0.01, 1e5, 57)  # r of a negative binomial that are tried
ROUNDS = 20  # of the fit of a law with more zeros
TINY = 1e-12


def chosen(values: Numbers) -> str:
    """The law of counts ``(N,)`` without missing ones; of few values a negative binomial."""
    return OVERDISPERSED if len(values) < FEW else _best(_some(values))[0]


def are_money(values: Numbers) -> bool:
    """Whether a value that many share, and log-normal numbers beside it, are better than any law of counts."""
    distinct, often = np.unique(values, return_counts=True)
    if len(values) < MANY or len(distinct) < FEW or often.max() < SHARED * len(values):
        return False
    some = _some(values)
    gain = _scores(_of_money, some) - _best(some)[1]
    return bool(gain.mean() > SURE * gain.std() / math.sqrt(len(gain)))


def _some(values: Numbers) -> Numbers:
    return values[:: math.ceil(len(values) / MOST)]


def _best(values: Numbers) -> tuple[str, Numbers]:
    """The best law of counts, and log p of each value under it."""
    best, scores = POISSON, _scores(LAWS[POISSON], values)
    for name in (OVERDISPERSED, INFLATED):
        others = _scores(LAWS[name], values)
        gain = others - scores
        if gain.mean() > SURE * gain.std() / math.sqrt(len(gain)):
            best, scores = name, others
    return best, scores


def _scores(law: Score, values: Numbers) -> Numbers:
    """log p of each value under the law that is fitted to the other folds."""
    fold, found = np.random.default_rng(0).permutation(len(values)) % FOLDS, np.zeros(len(values))
    for each in range(FOLDS):
        found[fold == each] = law(values[fold != each], values[fold == each])
    return found


def _of_poisson(train: Numbers, held: Numbers) -> Numbers:
    return _log_poisson(held, max(train.mean(), TINY))


def _log_poisson(k: Numbers, mean: float) -> Numbers:
    return k * math.log(mean) - mean - _log_gamma(k + 1)


def _of_negative_binomial(train: Numbers, held: Numbers) -> Numbers:
    k, often = np.unique(train, return_counts=True)
    return _log_negative_binomial(held, *_fitted(k, often.astype(np.float64), _gammas(k)))


def _log_negative_binomial(k: Numbers, mean: float, r: float) -> Numbers:
    gammas = _log_gamma(k + r) - _log_gamma(np.array([r])) - _log_gamma(k + 1)
    return gammas + r * math.log(r / (r + mean)) + k * math.log(mean / (r + mean))


def _gammas(k: Numbers) -> Numbers:
    """log Γ(k + r) − log Γ(r) of each r that is tried."""
    return _log_gamma(k + TOTALS[:, None]) - _log_gamma(TOTALS)[:, None]


def _fitted(k: Numbers, weight: Numbers, gammas: Numbers) -> tuple[float, float]:
    """The most likely mean and r of values with weights."""
    n, total = weight.sum(), (k * weight).sum()
    mean = max(float(total / n), TINY)
    found = gammas @ weight + n * TOTALS * np.log(TOTALS / (TOTALS + mean)) + total * np.log(mean / (TOTALS + mean))
    return mean, float(TOTALS[found.argmax()])


def _of_more_zeros(train: Numbers, held: Numbers) -> Numbers:
    """By EM: how many of the zeros are of the negative binomial."""
    k, often = np.unique(train, return_counts=True)
    weight, gammas, n, zeros = often.astype(np.float64), _gammas(k), len(train), float((train == 0).sum())
    share = zeros / n / 2
    for _ in range(ROUNDS):
        if zeros:
            weight[0] = max(zeros - share * n, TINY)
        mean, r = _fitted(k, weight, gammas)
        own = (1 - share) * math.exp(_log_negative_binomial(np.zeros(1), mean, r)[0])
        share = zeros / n * share / (share + own) if share else 0.0
    found = math.log(1 - share) + _log_negative_binomial(held, mean, r)
    return np.where(held == 0, np.logaddexp(math.log(max(share, TINY)), found), found)


def _of_money(train: Numbers, held: Numbers) -> Numbers:
    """The most frequent value, and numbers above 0 that are rounded: P(k) = Φ(log(k + ½)) − Φ(log(k − ½)), standardized."""
    distinct, often = np.unique(train, return_counts=True)
    spike, others = distinct[often.argmax()], train[train != distinct[often.argmax()]]
    share = (often.max() + 0.5) / (len(train) + 1)
    w = np.log(others + 0.5)
    loc, scale = float(w.mean()), max(float(w.std()), 1e-3)
    ends = torch.from_numpy(np.log(np.stack([held + 1, np.maximum(held, TINY)])) - loc) / scale
    between = torch.special.ndtr(ends[0]) - torch.special.ndtr(ends[1])
    found = math.log(1 - share) + np.log(np.maximum(between.numpy(), TINY))
    return np.where(held == spike, np.logaddexp(math.log(share), found), found)


def _log_gamma(x: Numbers) -> Numbers:
    found: Numbers = torch.lgamma(torch.from_numpy(np.asarray(x, dtype=np.float64))).numpy()
    return found


LAWS: dict[str, Score] = {POISSON: _of_poisson, OVERDISPERSED: _of_negative_binomial, INFLATED: _of_more_zeros}
