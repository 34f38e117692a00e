"""Data to try laws on, that suit their parameters: likely and unlikely, and the edges of what is admitted."""

from __future__ import annotations

import math

BITS = 2.0**24  # the largest of the whole numbers that single precision has one by one


def about(*given: float) -> list[float]:
    """Values at, beside and far from a location: the last two parameters are that and a scale."""
    loc, scale = given[-2:]
    return [loc, loc + scale / 3, loc - 3 * scale, loc + 40 * scale, 0.0, 1.0, -25.0]


def counts(mean: float, deviation: float) -> list[float]:
    """Whole numbers, few and many, and those that the law expects."""
    likely = [mean, mean + deviation, mean - 2 * deviation, mean + 6 * deviation]
    return sorted({float(round(min(max(k, 0.0), BITS))) for k in (0, 1, 2, 17, 1000, 1e6, BITS, *likely)})


def of_rate(rate: float) -> list[float]:
    """A Poisson's."""
    return counts(rate, rate**0.5)


def of_total(r: float, logit: float) -> list[float]:
    """A negative binomial's."""
    mean = r * math.exp(logit)
    return counts(mean, (mean + mean * mean / r) ** 0.5)


def of_cell(log_mean: float, log_dispersion: float, _: float = 0.0) -> list[float]:
    """The same of the logarithms of a mean and a dispersion."""
    return of_total(math.exp(log_dispersion), log_mean - log_dispersion)


def positives(a: float, b: float) -> list[float]:
    """A Gamma's draws, likely and not; ``smallest`` is the least that it has."""
    mean, deviation = a / b, a**0.5 / b
    return [
        each for each in (1e-31, 1e-8, mean / 30, mean - deviation, mean, mean + deviation, mean + 6 * deviation, 3 * mean) if each >= 1e-31
    ]


def shares(a: float, b: float) -> list[float]:
    """A Beta's draws, likely and not, and the pixels beside black and white."""
    mean = a / (a + b)
    deviation = (mean * (1 - mean) / (a + b + 1)) ** 0.5
    inside = [mean, mean - deviation, mean + deviation, mean + 4 * deviation]
    return [1e-31, 1e-8, 1 / 512, 0.3, 511 / 512, 1 - 2**-23, *(min(max(each, 1e-31), 1 - 2**-23) for each in inside)]


def greys(*_: float) -> list[float]:
    """From black to white."""
    return [0.0, 1 / 255, 0.2, 0.5, 0.75, 1.0]


def levels(*_: float) -> list[float]:
    """From black to white."""
    return [0.0, 1.0, 2.0, 60.0, 128.0, 200.0, 254.0, 255.0]


def bits(*_: float) -> list[float]:
    """Zeros and ones, and a grey."""
    return [0.0, 0.3, 1.0]


def classes(*_: float) -> list[float]:
    """Three."""
    return [0.0, 1.0, 2.0]


def angles(kappa: float) -> list[float]:
    """From the mean direction to the farthest point, and where draws are of a large κ."""
    return [0.0, min(kappa**-0.5, 3.0), min(4 * kappa**-0.5, 3.1), 0.7, 3.1]
