"""Latents as whole numbers, level by level: bins of equal mass of p(zᵢ|z₁ … zᵢ₋₁), and q(zᵢ|z₁ … zᵢ₋₁, x) over them.

Bins of a level are those of a standard normal, moved by p's mean and scaled by its σ: to p all bins of all levels are alike, whatever lies
above, so that the decoder has all bins at once and finds z from the top down. What q gives of a level is seen from p's mean, in its σ.

Where p(z₁) is a mixture (``components.py``), bins of the first level are those of a normal of the mixture's mean and variance, and an
example has one more number, its component, which is drawn from p(k|z₁) after z is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowerbound.errors import RecipeError
from lowerbound.tasks.lossless import functions, laws
from lowerbound.tasks.lossless.coder import Stack
from lowerbound.tasks.lossless.components import Components
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Law, Whole
from lowerbound.tasks.lossless.networks import ExactNetwork
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.contexts import Label
from lowerbound.vae.model import VAE, Model

#: μ and log σ²
Gaussian = tuple[Array, Array]
#: what levels below are to know of those above
State = Any


class Latents(ABC):
    """Levels of these ``sizes``; the laws of each are given a state, what it knows of the levels above."""

    sizes: tuple[int, ...]
    #: of p(z₁) where that is a mixture
    components: Components | None = None

    @property
    @abstractmethod
    def words(self) -> tuple[object, ...]:
        """Which latents they are, for the model's hash."""

    @property
    @abstractmethod
    def networks(self) -> tuple[ExactNetwork, ...]:
        """All of them but the encoder and the decoder."""

    @abstractmethod
    def begin(self, n: int) -> State:
        """That of the first level, of n examples."""

    @abstractmethod
    def after(self, level: int, state: State, place: Array) -> State:
        """That of the level after this one, whose z ``(n, dᵢ)`` is known now."""

    @abstractmethod
    def expected(self, level: int, state: State) -> Gaussian | None:
        """p ``(n, dᵢ)``, None where it is a standard normal; of a mixture the normal whose bins are those of z."""

    @abstractmethod
    def seen(self, level: int, features: Array, state: State, expected: Gaussian | None) -> Gaussian:
        """q, with p's mean as zero and its σ as one."""

    @property
    def size(self) -> int:
        """Of all levels."""
        return sum(self.sizes)

    @property
    def numbers(self) -> int:
        """How many an example has: a bin for each latent, and where p(z₁) is a mixture, the component."""
        return self.size + (self.components is not None)

    @property
    def listed(self) -> int:
        """How many numbers the laws of an example's latents hold."""
        return self.size + (0 if self.components is None else self.components.means.size)

    def parts(self, numbers: Whole) -> list[Whole]:
        """The bins of each level."""
        return np.split(numbers[:, : self.size], np.cumsum(self.sizes)[:-1], 1)

    def along(self, n: int, take: Callable[[int, State, Gaussian | None], Whole], bits: int) -> Array:
        """z ``(n, size)`` of the bins that are taken of one level after the other, 2^``bits`` for each latent."""
        state, places, last = self.begin(n), list[Array](), len(self.sizes) - 1
        for level in range(len(self.sizes)):
            expected = self.expected(level, state)
            places.append(_placed(expected, take(level, state, expected), bits))
            if level < last:
                state = self.after(level, state, places[-1])
        return np.concatenate(places, 1)

    def values(self, numbers: Whole, bits: int) -> Array:
        """z of an example's numbers."""
        parts = self.parts(numbers)
        return self.along(len(numbers), lambda level, *_: parts[level], bits)

    def push(self, stack: Stack, numbers: Whole, bits: int) -> None:
        """Put them on the stack by p."""
        if self.components is None:
            stack.push_even(bits, numbers.reshape(-1))
            return
        first, *others = self.parts(numbers)
        if others:
            stack.push_even(bits, np.concatenate(others, 1).reshape(-1))
        chosen = numbers[:, -1]
        stack.push(self.components.given(chosen, bits), first.reshape(-1))
        stack.push(self.components.law(len(numbers)), chosen)

    def pop(self, stack: Stack, n: int, bits: int) -> Whole:
        """The reverse."""
        if self.components is None:
            return stack.pop_even(bits, n * self.size).reshape(n, -1)
        chosen = stack.pop(self.components.law(n), n)
        first = stack.pop(self.components.given(chosen, bits), n * self.sizes[0]).reshape(n, -1)
        others = stack.pop_even(bits, n * (self.size - self.sizes[0])).reshape(n, -1)
        return np.concatenate([first, others, chosen[:, None]], 1)

    def costs(self, numbers: Whole, bits: int) -> Array:
        """−log p of each example's, in units of ``laws.COST``, but for bins that are all alike."""
        if self.components is None:
            return np.zeros(len(numbers))
        chosen, first = numbers[:, -1], self.parts(numbers)[0]
        of_bins = laws.costs(self.components.given(chosen, bits), first.reshape(-1)).reshape(len(numbers), -1).sum(1)
        return of_bins + laws.costs(self.components.law(len(numbers)), chosen)


def _placed(expected: Gaussian | None, bins: Whole, bits: int) -> Array:
    """The places of bins."""
    place = laws.centres(bits)[bins]
    return place if expected is None else expected[0] + functions.exp()(expected[1] / 2) * place


def gaussian(output: Array, floor: float) -> Gaussian:
    """Of a network's output ``(n, 2 d)``, no σ below a floor."""
    mean, log_variance = np.split(output, 2, 1)
    log_variance = np.clip(log_variance, *LOG_VARIANCE)
    return mean, 2 * functions.log(functions.exp()(log_variance / 2) + floor) if floor else log_variance


@dataclass(frozen=True)
class Seen:
    """q(z|x) over the bins of n examples, of which these are the encoder's ``features`` ``(n, …)``; each latent has 2^``bits`` bins."""

    latents: Latents
    features: Array
    bits: int

    def drawn(self, pop: Callable[[Law, int], Whole]) -> tuple[Whole, Array]:
        """Numbers ``(n, …)`` that are popped level by level, the first first, and the z that they stand for."""
        n, parts = len(self.features), list[Whole]()

        def take(level: int, state: State, expected: Gaussian | None) -> Whole:
            size = self.latents.sizes[level]
            parts.append(pop(self._law(level, state, expected), n * size).reshape(n, size))
            return parts[-1]

        z = self.latents.along(n, take, self.bits)
        if self.latents.components is not None:
            parts.append(pop(self.latents.components.seen(z[:, : self.latents.sizes[0]]), n)[:, None])
        return np.concatenate(parts, 1), z

    def give_back(self, stack: Stack, numbers: Whole) -> None:
        """The reverse: the last level first."""
        for law, some in reversed(self._laws(numbers)):
            stack.push(law, some)

    def costs(self, numbers: Whole) -> Array:
        """log p − log q of the numbers of each example, but for bins that are all alike to p, in units of ``laws.COST``."""
        each = [laws.costs(law, some).reshape(len(numbers), -1).sum(1) for law, some in self._laws(numbers)]
        return np.sum(each, 0) - self.latents.costs(numbers, self.bits)

    def _laws(self, numbers: Whole) -> list[tuple[Law, Whole]]:
        """Of each level, given those above it, and its numbers; and of the component."""
        found, parts = list[tuple[Law, Whole]](), self.latents.parts(numbers)

        def take(level: int, state: State, expected: Gaussian | None) -> Whole:
            found.append((self._law(level, state, expected), parts[level].reshape(-1)))
            return parts[level]

        z = self.latents.along(len(numbers), take, self.bits)
        if self.latents.components is not None:
            found.append((self.latents.components.seen(z[:, : self.latents.sizes[0]]), numbers[:, -1]))
        return found

    def _law(self, level: int, state: State, expected: Gaussian | None) -> Law:
        mean, log_variance = self.latents.seen(level, self.features, state, expected)
        return laws.bins(mean.reshape(-1), log_variance.reshape(-1), self.bits)


def must_be_known(vae: Model) -> None:
    """Errors: RecipeError for a model of a kind that no code is made of."""
    if not isinstance(vae, VAE):
        raise RecipeError("a semi-supervised model cannot compress yet; train one without, or with --given label")
    if not isinstance(vae.context, Label | None):
        raise RecipeError("a model that is given a part of its values cannot compress yet; train one without, or with --given label")
