"""log Γ without what cancels: what Stirling's formula leaves of it, and the deviance, which is what its leading terms come to.

log Γ(x) = (x − ½) log x − x + ½ log 2π + μ(x), with μ(x) ≈ 1/(12x). In the logarithm of a probability the leading terms of several Γ's
and the powers of the law's parameters add up to deviances, x log(x/m) − x + m, each of which is small where x is near m. Taken one by
one in single precision they would be off by 10⁻⁷ of a number that may be 10⁸.

Sources: Loader, "Fast and Accurate Computation of Binomial Probabilities", 2000; NIST Digital Library of Mathematical Functions, 5.11.1 and
5.11.2, https://dlmf.nist.gov/5.11.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)
LARGE = 8.0  # from here on the series below are right to 3e-13
NEAR = 0.1  # |x − m|/(x + m) of less: the logarithm of x/m by its series, right to 1e-14


def remainder(x: Tensor) -> Tensor:
    """μ(x) = log Γ(x) − (x − ½) log x + x − ½ log 2π for x > 0."""
    large = x >= LARGE
    small, inverse = torch.where(large, LARGE, x), torch.where(large, x, LARGE).reciprocal()
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
    return torch.where(large, series, small.lgamma() - (small - 0.5) * small.log() + small - HALF_LOG_TAU)


def digamma_remainder(x: Tensor) -> Tensor:
    """ψ(x) − log x for x > 0; near −1/(2x)."""
    large = x >= LARGE
    small, inverse = torch.where(large, LARGE, x), torch.where(large, x, LARGE).reciprocal()
    square = inverse * inverse
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square * (1 / 240 - square / 132))))
    return torch.where(large, -inverse / 2 - series, small.digamma() - small.log())


def factorial_remainder(k: Tensor) -> Tensor:
    """log k! − k log k + k for k ≥ 0, which is 0 of 0, and else ½ log 2πk + μ(k)."""
    some = or_one(k)
    return torch.where(k > 0, HALF_LOG_TAU + some.log() / 2 + remainder(some), 0.0)


def or_one(k: Tensor) -> Tensor:
    """k, with 1 in the place of 0: what has a logarithm, where that of 0 is not looked at."""
    return torch.where(k > 0, k, 1.0)


def deviance(x: Tensor, excess: Tensor, log_ratio: Tensor) -> Tensor:
    """x log(x/m) − x + m ≥ 0 of x ≥ 0 and m > 0, given ``excess`` x − m, without cancellation, and ``log_ratio`` log(x/m).

    Where x is near m, with v = (x − m)/(x + m) it is v (x − m) + 2x (v³/3 + v⁵/5 + …), and the logarithm is not looked at. Where x is 0
    the logarithm may be any finite number. Nats.
    """
    total = 2 * x - excess
    near = excess.abs() < NEAR * total
    v = torch.where(near, excess, 0.0) / torch.where(near, total, 1.0)
    square = v * v
    series = 1 / 3 + square * (1 / 5 + square * (1 / 7 + square * (1 / 9 + square * (1 / 11 + square / 13))))
    return torch.where(near, v * excess + 2 * x * v * square * series, x * log_ratio - excess)


def shape_divergence(y: Tensor, x: Tensor) -> Tensor:
    """log Γ(y) − log Γ(x) − (y − x) ψ(x), less y log(y/x) − y + x: what a KL of Gammas or Betas has beside deviances. y, x > 0."""
    return (x / y).log() / 2 + remainder(y) - remainder(x) - (y - x) * digamma_remainder(x)
