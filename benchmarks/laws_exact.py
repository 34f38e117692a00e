"""Closed forms of log p and of KLs in mpmath's arithmetic, with as many digits as it is set to: x first, then parameters. Nats."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import mpmath
import torch
from mpmath import mp

#: 784 pixels, each a zero or a one, and how many times a logit its own is
IMAGE = [*itertools.islice(itertools.cycle(itertools.product((0, 1), (0.25, -0.5, 1.0, 2.0, -1.0, 0.5, 4.0))), 784)]

#: of levels of which a few are most: black, and four of the brightest
CUTS: list[float] = torch.logit(torch.tensor([800, *[0.5] * 251, 14, 33, 17, 7]).double().cumsum(0)[:-1] / 996.5).float().tolist()

FLOOR = mpmath.mpf("0.001")  # of every σ that a network gives
log, lgamma, psi = mpmath.log, mpmath.loggamma, mpmath.digamma  # of real numbers, as all are here


def log_sigmoid(x: Any) -> Any:
    """log S(x), S the logistic function."""
    return -mpmath.log1p(mp.exp(-x)) if x > 0 else x - mpmath.log1p(mp.exp(x))


def log_beta(a: Any, b: Any) -> Any:
    """log B(a, b)."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def of_bernoulli(x: Any, logit: Any) -> Any:
    """Of zeros and ones, or greys."""
    return x * log_sigmoid(logit) + (1 - x) * log_sigmoid(-logit)


def of_image(logit: Any) -> Any:
    """Of ``IMAGE``: zeros and ones under so many times the logit."""
    return sum(each * of_bernoulli(mp.mpf(one), times * logit) for (one, times), each in Counter(IMAGE).items())


def of_continuous_bernoulli(x: Any, logit: Any) -> Any:
    """Of greys."""
    return x * logit - (log(mpmath.expm1(logit) / logit) if logit else 0)


def of_normal(x: Any, loc: Any, scale: Any) -> Any:
    """log N(x; loc, scale²)."""
    return -(((x - loc) / scale) ** 2) / 2 - log(scale) - log(2 * mp.pi) / 2


def of_laplace(x: Any, loc: Any, scale: Any) -> Any:
    """Of a location and a scale."""
    return -abs(x - loc) / scale - log(2 * scale)


def of_student(x: Any, nu: Any, loc: Any, scale: Any) -> Any:
    """Of degrees of freedom ν, a location and a scale."""
    half = (nu + 1) / 2
    return lgamma(half) - lgamma(nu / 2) - log(mp.pi * nu) / 2 - log(scale) - half * mpmath.log1p(((x - loc) / scale) ** 2 / nu)


def of_raw_student(x: Any, loc: Any, s: Any, f: Any) -> Any:
    """The same by a location and what a network gives for the others: σ = .001 + softplus(s), ν = 2.001 + softplus(f + 2)."""
    return of_student(x, 2 + FLOOR + mpmath.log1p(mpmath.exp(f + 2)), loc, FLOOR + mpmath.log1p(mpmath.exp(s)))


def of_gamma(x: Any, a: Any, b: Any) -> Any:
    """Of a shape and a rate."""
    return a * log(b) + (a - 1) * log(x) - b * x - lgamma(a)


def of_beta(x: Any, a: Any, b: Any) -> Any:
    """Of two concentrations."""
    return (a - 1) * log(x) + (b - 1) * mpmath.log1p(-x) - log_beta(a, b)


def of_poisson(k: Any, rate: Any) -> Any:
    """Of a rate."""
    return k * log(rate) - rate - lgamma(k + 1)


def of_negative_binomial(k: Any, r: Any, logit: Any) -> Any:
    """Of a total count and logits."""
    return lgamma(k + r) - lgamma(r) - lgamma(k + 1) + r * log_sigmoid(-logit) + k * log_sigmoid(logit)


def of_cells(k: Any, log_mean: Any, log_dispersion: Any) -> Any:
    """The same of the logarithms of a mean and a dispersion."""
    return of_negative_binomial(k, mp.exp(log_dispersion), log_mean - log_dispersion)


def of_more_zeros(k: Any, log_mean: Any, log_dispersion: Any, logit: Any) -> Any:
    """That, but 0 with the probability of the logit."""
    log_p = log_sigmoid(-logit) + of_cells(k, log_mean, log_dispersion)
    return log_p if k else log(mp.exp(log_sigmoid(logit)) + mp.exp(log_p))


def of_beta_binomial(k: Any, a: Any, b: Any) -> Any:
    """Of levels up to 255."""
    return lgamma(256) - lgamma(k + 1) - lgamma(256 - k) + log_beta(k + a, 255 - k + b) - log_beta(a, b)


def of_logistic(k: Any, loc: Any, scale: Any) -> Any:
    """A logistic law rounded to 0 … 255."""
    upper, lower = (k + 0.5 - loc) / scale, (k - 0.5 - loc) / scale
    if k == 0:
        return log_sigmoid(upper)
    return log_sigmoid(-lower) if k == 255 else log_sigmoid(upper) + log_sigmoid(-lower) + log(-mpmath.expm1(-1 / scale))


def of_ordered_logistic(k: Any, loc: Any, scale: Any) -> Any:
    """A logistic law between ``CUTS``."""
    upper, lower = ((mp.mpf(CUTS[at]) - loc) / scale if 0 <= at < len(CUTS) else None for at in (int(k), int(k) - 1))
    if lower is None:
        return log_sigmoid(upper)
    return log_sigmoid(-lower) if upper is None else log_sigmoid(upper) + log_sigmoid(-lower) + log(-mpmath.expm1(lower - upper))


def of_two_logistics(k: Any, logit: Any, loc: Any, scale: Any) -> Any:
    """That one, and another in the middle with a tenth of the levels as its scale."""
    first, second = mp.exp(of_logistic(k, loc, scale)), mp.exp(of_logistic(k, mp.mpf(128), mp.mpf(25)))
    return log(first * mp.exp(log_sigmoid(logit)) + second * mp.exp(log_sigmoid(-logit)))


def of_classes(k: Any, *logits: Any) -> Any:
    """Of class k, given logits."""
    return logits[int(k)] - log(sum(mp.exp(each) for each in logits))


def of_two_normals(x: Any, logit: Any, loc: Any, scale: Any) -> Any:
    """That one, and N(0, 1)."""
    first, second = mp.exp(of_normal(x, loc, scale)), mp.exp(of_normal(x, mp.mpf(0), mp.mpf(1)))
    return log(first * mp.exp(log_sigmoid(logit)) + second * mp.exp(log_sigmoid(-logit)))


def of_pair(x: Any, first: Any, below: Any, second: Any) -> Any:
    """N(0, L Lᵀ) at (x, −x/2)."""
    u = x / first
    v = (-x / 2 - below * u) / second
    return -(u * u + v * v) / 2 - log(first) - log(second) - log(2 * mp.pi)


def of_kl_normal(m: Any, s: Any, n: Any, t: Any) -> Any:
    """Of N(m, s²) against N(n, t²)."""
    return ((s / t) ** 2 + ((m - n) / t) ** 2 - 1) / 2 + log(t / s)


def of_kl_pair(first: Any, below: Any, second: Any, scale: Any) -> Any:
    """N(0, L Lᵀ) against N(0, scale² I)."""
    return (first**2 + below**2 + second**2) / (2 * scale**2) - 1 + 2 * log(scale) - log(first) - log(second)


def of_kl_gamma(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Of Gamma(a, b) against Gamma(c, d)."""
    return c * log(b / d) + lgamma(c) - lgamma(a) + (a - c) * psi(a) + (d - b) * a / b


def of_kl_beta(a: Any, b: Any, c: Any, d: Any) -> Any:
    """Of Beta(a, b) against Beta(c, d)."""
    return log_beta(c, d) - log_beta(a, b) + (a - c) * psi(a) + (b - d) * psi(b) + (c + d - a - b) * psi(a + b)


def of_kl_classes(*logits: Any) -> Any:
    """Against classes alike."""
    total = sum(mp.exp(each) for each in logits)
    return sum(mp.exp(each) / total * (each - log(total) + log(len(logits))) for each in logits)


def of_gamma_entropy(a: Any, b: Any) -> Any:
    """−E[log p] of a Gamma."""
    return a - log(b) + lgamma(a) + (1 - a) * psi(a)


def of_beta_entropy(a: Any, b: Any) -> Any:
    """−E[log p] of a Beta."""
    return log_beta(a, b) - (a - 1) * psi(a) - (b - 1) * psi(b) + (a + b - 2) * psi(a + b)


def tilt(kappa: Any, d: int) -> Any:
    """log E[exp κ(w − 1)] of the uniform law."""
    order = mp.mpf(d) / 2 - 1
    return log(mpmath.besseli(order, kappa)) - kappa - order * log(kappa / 2) + lgamma(order + 1)


def log_area(d: int) -> Any:
    """Of the unit sphere of R^d."""
    return log(2) + mp.mpf(d) / 2 * log(mp.pi) - lgamma(mp.mpf(d) / 2)


def of_sphere(d: int) -> Callable[..., Any]:
    """At an angle from the mean direction; where that point is in single precision, brought onto the sphere."""

    def exact(angle: Any, kappa: Any) -> Any:
        there = torch.tensor(float(angle))
        along, across = mp.mpf(float(there.cos())), mp.mpf(float(there.sin()))
        return kappa * (along / mp.sqrt(along**2 + across**2) - 1) - tilt(kappa, d) - log_area(d)

    return exact


def of_kl_sphere(d: int) -> Callable[..., Any]:
    """κ E[w − 1] − h(κ)."""

    def exact(kappa: Any) -> Any:
        ratio = mpmath.besseli(mp.mpf(d) / 2, kappa) / mpmath.besseli(mp.mpf(d) / 2 - 1, kappa)
        return kappa * (ratio - 1) - tilt(kappa, d)

    return exact
