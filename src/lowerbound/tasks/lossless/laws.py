"""Laws of whole numbers as weights that are whole numbers too, and how they are asked: one yes or no after the other.

A number below 2^bits is found by halving: is it in the upper half, in the upper half of that, and so on. The weights of two halves are
differences of ``below``, whole numbers below 2⁵³, and their ratio is one division: the same on every machine, and a distribution function
at ``bits`` places is all that a law has to give, however many numbers there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from lowerbound.tasks.lossless import functions
from lowerbound.tasks.lossless.functions import Array, Table
from lowerbound.tasks.lossless.layers import UNIT

Whole = npt.NDArray[np.int64]
Bits = npt.NDArray[np.int32]

MASS = 2.0**40  # the weight of all that is possible, beside what every number has
GRID = 2.0**22  # of probabilities of a yes: none is below 2⁻²², or above 1 − 2⁻²²
ROOM = 2.0**31  # the weight of the likeliest number where each has one by itself
LONGEST = 4095  # the largest count whose law is listed
TOGETHER = 512  # laws that are listed at once, so that their numbers stay near a processor
COST = 2.0**20  # of one nat
STEPS = 8  # ratios of probabilities whose product is in the range of doubles


class Law(ABC):
    """Laws of n whole numbers from 0 to 2^``bits`` − 1, independent of one another."""

    bits: int

    @abstractmethod
    def below(self, k: Whole) -> Array:
        """Of each law the weight of the numbers below ``k`` ``(n,)``, which is 2^``bits`` at most: whole, and at least 1 more for each."""


def answers(law: Law, numbers: Whole) -> tuple[Bits, Array]:
    """The answers ``(bits, n)`` that lead to these numbers, and how probable each yes was."""
    _, given, asked = _halved(law, len(numbers), lambda probability, bit: (numbers >> bit & 1).astype(np.int32))
    return np.stack(given), np.stack(asked)


def costs(law: Law, numbers: Whole) -> Array:
    """−log p of each number, in units of 2⁻²⁰ nats: whole, so that sums of them are the same in any order."""
    given, asked = answers(law, numbers)
    return np.rint(-functions.log(np.where(given == 1, asked, 1 - asked)) * COST).sum(0)


def found(law: Law, n: int, answer: Callable[[Array], Bits]) -> Whole:
    """The numbers that the answers to the same questions lead to."""
    return _halved(law, n, lambda probability, bit: answer(probability))[0]


def _halved(law: Law, n: int, answer: Callable[[Array, int], Bits]) -> tuple[Whole, list[Bits], list[Array]]:
    """The numbers, and for each bit of them the answers and how probable a yes was."""
    number, given, asked = np.zeros(n, np.int64), [], []
    low, high = law.below(number), law.below(number + (1 << law.bits))
    for bit in reversed(range(law.bits)):
        middle = law.below(number + (1 << bit))
        asked.append(np.clip(np.rint((high - middle) / (high - low) * GRID), 1, GRID - 1) / GRID)
        given.append(answer(asked[-1], bit))
        number += given[-1].astype(np.int64) << bit
        if bit:
            yes = given[-1].astype(bool)
            low, high = np.where(yes, middle, low), np.where(yes, high, middle)
    return number, given, asked


def bits_for(top: int) -> int:
    """How many questions tell the numbers from 0 to ``top`` apart."""
    return max(1, top.bit_length())


class Bernoulli(Law):
    """Zeros and ones of these logits ``(n,)``, rounded to a network's units."""

    bits = 1

    def __init__(self, logits: Array):
        self.logits = logits

    @cached_property
    def total(self) -> Array:
        """The weights of nothing, of a zero, of all."""
        zeros = 1 + np.rint(functions.sigmoid()(-np.rint(self.logits * UNIT) / UNIT) * MASS)
        return np.stack([np.zeros_like(zeros), zeros, np.full_like(zeros, MASS + 2)])

    def below(self, k: Whole) -> Array:
        """One of them."""
        return self.total[k, np.arange(len(k))]


@dataclass(frozen=True)
class Form:
    """A mixture by one function F ``(C, n)``: the share below k is Σ ``weights`` F((``edges``[k] − ``centres``) ``steepness``)."""

    weights: Array
    centres: Array
    steepness: Array
    edges: Array
    table: Table

    def below(self, k: Whole) -> Array:
        """The share below k of each law."""
        at, total = self.edges[np.minimum(k, len(self.edges) - 1)], np.zeros(len(k))
        for weight, centre, steep in zip(self.weights, self.centres, self.steepness, strict=True):
            total = total + weight * self.table((at - centre) * steep)
        return total


class Smooth(Law):
    """A law by its distribution function on numbers from 0 to ``top``, what is beyond both ends being theirs; loops know that of a form."""

    def __init__(self, top: int, share_below: Callable[[Whole], Array] | Form):
        self.bits, self.top = bits_for(top), top
        self.form = share_below if isinstance(share_below, Form) else None
        self.share_below: Callable[[Whole], Array] = share_below.below if isinstance(share_below, Form) else share_below

    def below(self, k: Whole) -> Array:
        """The share below k of ``MASS``, and 2 for each number, so that there is something for each whatever the last bit does."""
        share = np.where(k <= 0, 0.0, np.where(k > self.top, 1.0, self.share_below(k)))
        return np.floor(share * MASS) + 2.0 * k


class Listed(Law):
    """A law by a weight of each number from 0 to K − 1, in (0, 1]: ``weights`` makes them ``(K, m)`` of m of the n laws' parameters."""

    def __init__(self, weights: Callable[..., Array], *parameters: Array):
        n = parameters[0].shape[-1]
        parts = [slice(first, first + TOGETHER) for first in range(0, max(1, n), TOGETHER)]
        self.total = np.concatenate([_totals(weights(*(each[..., some] for each in parameters))) for some in parts], 1)
        self.bits, self.places = bits_for(len(self.total) - 2), np.arange(n)

    def below(self, k: Whole) -> Array:
        """Their sum; there is nothing beyond the last."""
        return self.total[np.minimum(k, len(self.total) - 1), self.places]


def _totals(weights: Array) -> Array:
    """Sums of whole numbers, by row: NumPy's own cumulative sum takes ten times as long."""
    total = np.zeros((len(weights) + 1, weights.shape[1]))
    for k, row in enumerate(np.floor(weights * ROOM) + 1):
        np.add(total[k], row, out=total[k + 1])
    return total


# --- of likelihoods ----------------------------------------------------------------------------------


def logistics(logits: Array, loc: Array, scale: Array, cuts: Array) -> Law:
    """A mixture of logistics ``(C, n)``; a number is how many of the ascending ``cuts`` are below a draw."""
    weights = np.floor(functions.exp()(logits - logits.max(0)) * 2.0**20) + 1
    edges = np.concatenate([[-np.inf], cuts, [np.inf]])
    return Smooth(len(cuts), Form(weights / weights.sum(0), loc, 1 / scale, edges, functions.sigmoid()))


def halves(top: int) -> Array:
    """½, 1½ …, the cuts of numbers from 0 to ``top`` that draws are rounded to."""
    return np.arange(0.5, top)


def categorical(logits: Array) -> Law:
    """Each number with a logit ``(K, n)``."""
    return Listed(lambda some: functions.exp()(some - some.max(0)), logits)


def even(most: int, n: int) -> Law:
    """n numbers below ``most``, each as likely as the others."""
    return Listed(lambda some: some, np.ones((most, n)))


def beta_binomial(a: Array, b: Array, top: int) -> Law:
    """p(k + 1)/p(k) = (top − k)(k + a)/((k + 1)(top − k − 1 + b))."""
    return _by_ratios(top, lambda k, a, b: (k + a) * ((top - k) / (k + 1)) / (top - k - 1 + b), a, b)


def poisson(rate: Array, top: int) -> Law:
    """p(k + 1)/p(k) = λ/(k + 1), up to ``top``."""
    return _by_ratios(top, lambda k, rate: rate / (k + 1), rate)


def negative_binomial(total: Array, success: Array, top: int, more: Array | None = None) -> Law:
    """p(k + 1)/p(k) = (k + r)/(k + 1) p, up to ``top``; with a probability of ``more`` 0 whatever that says."""
    counts = _weights(top, lambda k, total, success: (k + total) / (k + 1) * success)

    def weights(total: Array, success: Array, more: Array) -> Array:
        """Those of counts, less at all of them and more at 0."""
        found = counts(total, success)
        if more.any():
            none = functions.exp()(np.maximum(total * functions.log(1 - success), -700))
            ends = np.where(found[0] > 0, np.minimum(found.sum(0) * none / np.maximum(found[0], 1e-300), 1), 1)  # the share up to top
            found = found * ((1 - more) * ends / found.sum(0))
            found[0] += more
            found /= found.max(0)
        return found

    return Listed(weights, total, success, np.zeros_like(total) if more is None else more)


def _by_ratios(top: int, ratio: Callable[..., Array], *parameters: Array) -> Law:
    """A law by p(k + 1)/p(k), from 0 to ``top``."""
    return Listed(_weights(top, ratio), *parameters)


def _weights(top: int, ratio: Callable[..., Array]) -> Callable[..., Array]:
    """Weights by p(k + 1)/p(k), from 0 to ``top``.

    Products of ratios may leave the range of doubles: after each ``STEPS`` their exponents are taken out, and kept.
    """

    def weights(*some: Array) -> Array:
        """p(k)/max p, of some of the parameters, ``(top + 1, n)``."""
        n = len(some[0])
        found, exponents = np.zeros((top // STEPS + 1, STEPS, n)), np.zeros((top // STEPS + 1, n), np.int32)
        product, exponent = np.ones(n), np.zeros(n, np.int32)
        for k in range(top + 1):
            if k % STEPS == 0:
                product, further = np.frexp(product)
                exponents[k // STEPS] = exponent = exponent + further
            found[k // STEPS, k % STEPS] = product
            if k < top:
                product = product * ratio(k, *some)
        largest = (np.frexp(found.max(1))[1] + exponents).max(0)
        found *= np.ldexp(1.0, np.maximum(exponents - largest, -1000))[:, None]
        return found.reshape(len(found) * STEPS, n)[: top + 1]

    return weights


# --- of latents --------------------------------------------------------------------------------------

#: of the bins of equal mass of a standard normal that each latent is in one of, but for the first examples of a block
LATENT_BITS = 12


@cache
def centres(bits: int = LATENT_BITS) -> Array:
    """The place in each of 2^``bits`` bins that stands for it: where half of its mass is below."""
    return functions.normal_cdf().inverse((np.arange(1 << bits) + 0.5) / (1 << bits))


@cache
def edges(bits: int = LATENT_BITS) -> Array:
    """The places between bins."""
    inside = functions.normal_cdf().inverse(np.arange(1, 1 << bits) / (1 << bits))
    return np.concatenate([[-np.inf], inside, [np.inf]])


def bins(mean: Array, log_variance: Array, bits: int = LATENT_BITS) -> Law:
    """N(μ, σ²) of latents ``(n,)`` over 2^``bits`` bins of a standard normal."""
    steepness = functions.exp()(-log_variance / 2)
    form = Form(np.ones((1, len(mean))), mean[None], steepness[None], edges(bits), functions.normal_cdf())
    return Smooth((1 << bits) - 1, form)
