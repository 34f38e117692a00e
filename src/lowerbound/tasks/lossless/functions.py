"""Functions that come out the same on every machine: tables made in decimal arithmetic, with straight lines between their entries.

The last bit of a library's exp or tanh is another on another processor. Here entries are made by Python's ``decimal``, where the last
digit of exp and ln is a matter of specification, and what is between them takes +, −, × and ⌊⌋ of doubles alone, each an operation of its
own and so rounded as IEEE 754 says. Elsewhere in this folder nothing else decides a code either, but ÷, √ and exact sums.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import numpy.typing as npt

from lowerbound.system import devices

Array = npt.NDArray[np.float64]

PER_UNIT = 128  # entries: what is between two is off by at most f″/8 · 2⁻¹⁴
DIGITS = 25
TOGETHER = 2**13  # numbers, which stay near a processor
FAR = 24  # where logistic functions have come to their ends


class Table:
    """A function from ``low`` to ``high``, whole numbers; it goes on with the value of its ends."""

    def __init__(self, function: Callable[[Decimal], Decimal], low: int, high: int):
        with localcontext() as context:
            context.prec = DIGITS
            entries = [float(function(Decimal(i) / PER_UNIT)) for i in range(low * PER_UNIT, high * PER_UNIT + 1)]
        self.low, self.last = float(low), float(len(entries) - 1)
        self.entries = np.array([*entries, entries[-1]])
        self.rises = np.append(np.diff(self.entries), 0.0)

    def __call__(self, x: Array) -> Array:
        """The function of each number."""
        flat = np.ascontiguousarray(x, np.float64).reshape(-1)
        found, loops = np.empty_like(flat), devices.exact_loops()
        if loops is not None:
            loops[1].tabled(0, len(flat), int(self.low), int(self.last), flat, self.entries, found)
            return found.reshape(np.shape(x))
        for first in range(0, len(flat), TOGETHER):
            some = slice(first, first + TOGETHER)
            place = np.clip((flat[some] - self.low) * PER_UNIT, 0, self.last)
            entry = place.astype(np.intp)
            found[some] = self.entries[entry] + self.rises[entry] * (place - entry)
        return found.reshape(np.shape(x))

    def inverse(self, y: Array) -> Array:
        """Where a function that rises comes to each value."""
        index = np.clip(np.searchsorted(self.entries[:-1], y, "right") - 1, 0, int(self.last) - 1)
        return self.low + (index + (y - self.entries[index]) / self.rises[index]) / PER_UNIT


def _softplus(x: Decimal) -> Decimal:
    return (1 + x.exp()).ln()


def _sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def _tanh(x: Decimal) -> Decimal:
    return 2 * _sigmoid(2 * x) - 1


def _root_of_two_pi() -> Decimal:
    """By Machin's formula for π."""

    def arctangent_of_inverse(n: int) -> Decimal:
        return sum((Decimal((-1) ** k) / ((2 * k + 1) * Decimal(n) ** (2 * k + 1)) for k in range(20)), Decimal(0))

    return (8 * (4 * arctangent_of_inverse(5) - arctangent_of_inverse(239))).sqrt()


@cache
def _normalizer() -> Decimal:
    with localcontext() as context:
        context.prec = DIGITS
        return 1 / _root_of_two_pi()


def _normal_cdf(x: Decimal) -> Decimal:
    """Φ(x) = ½ + φ(x) Σ x^(2k+1)/(1·3·…·(2k+1)), whose terms have one sign."""
    if x < 0:
        return 1 - _normal_cdf(-x)
    term = total = x
    k = 1
    while term > Decimal("1e-25"):
        term *= x * x / (2 * k + 1)
        total, k = total + term, k + 1
    return Decimal("0.5") + _normalizer() * (-x * x / 2).exp() * total


@cache
def exp() -> Table:
    """The exponential function, from e⁻³² to e²⁴."""
    return Table(lambda x: x.exp(), -32, FAR)


@cache
def sigmoid() -> Table:
    """1/(1 + e⁻ˣ)."""
    return Table(_sigmoid, -FAR, FAR)


@cache
def tanh() -> Table:
    """The hyperbolic tangent."""
    return Table(_tanh, -FAR // 2, FAR // 2)


@cache
def normal_cdf() -> Table:
    """Φ, of a standard normal."""
    return Table(_normal_cdf, -8, 8)


@cache
def _log_from_one_to_two() -> Table:
    return Table(lambda x: x.ln(), 1, 2)


LOG_2 = float(Decimal(2).ln())


def log(x: Array) -> Array:
    """The natural logarithm of positive numbers."""
    mantissa, exponent = np.frexp(x)
    return _log_from_one_to_two()(2 * mantissa) + (exponent - 1) * LOG_2


@cache
def _softplus_inside() -> Table:
    return Table(_softplus, -FAR, FAR)


def softplus(x: Array) -> Array:
    """log(1 + eˣ), which is x itself beyond the table."""
    return np.where(x > FAR, x, _softplus_inside()(x))
