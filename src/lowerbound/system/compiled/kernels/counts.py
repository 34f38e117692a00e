"""The negative binomial likelihood of counts: the loops."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import FAST, bare, exp, log1p, single, whole, within
from lowerbound.system.compiled.kernels.loop import Singles, loop

LISTED = 16.0  # as distributions/counts.py has it: whole counts up to this are products
double = np.float64


@bare(njit(inline="always", **FAST))
def _mean(m):
    """e^m, 0 where that is less than a number may be."""
    return single(0) if m < single(-87) else exp(within(m, single(-87), single(80)))


@bare(njit(inline="always", **FAST))
def _digamma(x):
    """ψ(x) of x > 0, by ψ(x) = ψ(x + 1) − 1/x and the asymptotic series from 8 on."""
    less = double(0)
    while x < double(8):
        less += 1 / x
        x += 1
    q = 1 / (x * x)
    series = q * (1 / 12 - q * (1 / 120 - q * (1 / 252 - q * (1 / 240 - q / 132))))
    return math.log(x) - 1 / (2 * x) - series - less


@bare(njit(**FAST))
def of_count(x, log_mean, log_theta):
    """log NB of one count, and its slopes in log μ and in log θ, in double precision."""
    m, theta = math.exp(log_mean), math.exp(log_theta)
    log_ratio, gammas, digammas = math.log1p(m / theta), 0.0, 0.0
    if x <= LISTED and x == math.floor(x):
        product = double(1)
        for i in range(whole(x)):
            product *= (theta + i) / (1 + i)
            digammas += 1 / (theta + i)
        gammas = math.log(product)
    else:
        gammas = math.lgamma(x + theta) - math.lgamma(theta) - math.lgamma(x + 1)
        digammas = _digamma(x + theta) - _digamma(theta)
    less = (m - x) / (theta + m)
    return gammas - (x + theta) * log_ratio + x * (log_mean - log_theta), -theta * less, theta * (digammas - log_ratio + less)


@loop(
    rows=int, size=int, own=int, wanted=int, value=Singles, log_mean=Singles, log_theta=Singles, found=Singles, slope=Singles, other=Singles
)
def log_prob(begin, end, rows, size, own, wanted, value, log_mean, log_theta, found, slope, other):
    """log NB of each count, and where ``wanted`` its slopes in log μ and in log θ: of all as if they were 0, and then of the others."""
    for row in range(begin, end):
        here, there = row * size, row % own * size
        if wanted:
            for place in range(size):
                mean, theta = _mean(log_mean[here + place]), exp(log_theta[place])
                ratio = mean / theta
                f = -theta * log1p(ratio)
                s = (value[there + place] - mean) / (single(1) + ratio)
                found[here + place], slope[here + place], other[here + place] = f, s, f - s
        else:
            for place in range(size):
                theta = exp(log_theta[place])
                found[here + place] = -theta * log1p(_mean(log_mean[here + place]) / theta)
        for place in range(size):
            x = value[there + place]
            if x == single(0):
                continue
            m, theta = double(log_mean[here + place]), math.exp(double(log_theta[place]))
            if x <= single(LISTED) and x == np.floor(x):
                product, psi = double(1), double(1)
                for i in range(1, whole(x)):
                    product *= (theta + i) / (theta * (1 + i))
                    psi += theta / (theta + i)
                log_ratio = -found[here + place] / single(theta)
                found[here + place] += single(math.log(product)) + x * (log_mean[here + place] - log_ratio)
                if wanted:
                    other[here + place] += single(psi)
            else:
                mean, both = math.exp(m), double(x) + theta
                large_ratio = math.log1p(mean / theta)
                gammas = math.lgamma(both) - math.lgamma(theta) - math.lgamma(double(x) + 1)
                found[here + place] = single(gammas - both * large_ratio + x * (m - double(log_theta[place])))
                if wanted:
                    less = (mean - x) / (theta + mean)
                    slope[here + place] = single(-theta * less)
                    other[here + place] = single(theta * (_digamma(both) - _digamma(theta) - large_ratio + less))
