"""Latents as whole numbers, level by level: bins of equal mass of p(zᵢ|z₁ … zᵢ₋₁), and q(zᵢ|z₁ … zᵢ₋₁, x) over them.

Bins of a level are those of a standard normal, moved by p's mean and scaled by its σ: to p all bins of all levels are alike, whatever lies
above, so that the decoder has all bins at once and finds z from the top down. What q gives of a level is seen from p's mean, in its σ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import nn

from lowerbound.errors import RecipeError
from lowerbound.tasks.lossless import functions, laws
from lowerbound.tasks.lossless.coder import Stack
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Law, Whole
from lowerbound.tasks.lossless.networks import ExactNetwork, exact
from lowerbound.vae import posteriors, priors
from lowerbound.vae.conditional import LOG_VARIANCE, Level
from lowerbound.vae.contexts import Label
from lowerbound.vae.model import VAE, Model

#: μ and log σ²
Gaussian = tuple[Array, Array]


@dataclass(frozen=True)
class Latents:
    """Levels of these ``sizes``, whose networks of the levels above are those of ``prior``, for all but the first.

    Those of ``posterior`` make μ and log σ² of the encoder's output and the levels above; there is none for one level alone, whose encoder
    gives them itself. Of a ladder they are given features of their own, ``split`` how many of each, and refine the prior. ``floors`` are
    the least σ of the prior's networks and of the posterior's.
    """

    sizes: tuple[int, ...]
    prior: tuple[ExactNetwork, ...] = ()
    posterior: tuple[ExactNetwork, ...] = ()
    split: tuple[int, ...] = ()
    floors: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, vae: Model) -> Latents:
        """Those of a model. Errors: RecipeError for a prior or posterior that no code is made of."""
        _must_be_known(vae)
        prior, posterior = vae.prior, vae.posterior
        if isinstance(prior, priors.StandardNormal) and isinstance(posterior, posteriors.DiagonalGaussian):
            return cls((int(prior.zero.numel()),), floors=(0.0, posterior.floor))
        if not isinstance(prior, priors.Chain) or not isinstance(posterior, posteriors.Chain | posteriors.Ladder):
            raise _unknown()
        if not isinstance(prior.first, priors.StandardNormal):
            raise _unknown()
        split = posterior.split if isinstance(posterior, posteriors.Ladder) else ()
        floors = _floor(prior.levels), _floor(posterior.levels)
        return cls(prior.sizes, _networks(prior.levels), _networks(posterior.levels), split, floors)

    @property
    def size(self) -> int:
        """Of all levels."""
        return sum(self.sizes)

    @property
    def words(self) -> tuple[object, ...]:
        """Which latents they are, for the model's hash."""
        words = (self.sizes, self.split) if self.posterior else (self.size,)
        return (*words, self.floors) if any(self.floors) else words

    @property
    def networks(self) -> tuple[ExactNetwork, ...]:
        """All of them but the encoder."""
        return (*self.prior, *self.posterior)

    def parts(self, bins: Whole) -> list[Whole]:
        """Those of each level."""
        return np.split(bins, np.cumsum(self.sizes)[:-1], 1)

    def values(self, bins: Whole, bits: int) -> Array:
        """z ``(n, size)`` of bins, 2^``bits`` for each latent: the places that stand for them."""
        z = np.zeros((len(bins), 0))
        for level, part in enumerate(self.parts(bins)):
            z = further(z, self.expected(level, z), part, bits)
        return z

    def expected(self, level: int, above: Array) -> Gaussian | None:
        """p given the levels above ``(n, dᵢ)``, None where it is a standard normal."""
        return _gaussian(self.prior[level - 1](above), self.floors[0]) if level else None

    def seen(self, level: int, features: Array, above: Array, expected: Gaussian | None) -> Gaussian:
        """q given the levels above, with p's mean as zero and its σ as one."""
        if not self.posterior:
            return _gaussian(features, self.floors[1])
        given = np.split(features, np.cumsum(self.split)[:-1], 1)[level] if self.split else np.concatenate([features, above], 1)
        found, log_variance = _gaussian(self.posterior[level](given), self.floors[1])
        if expected is None:
            return found, log_variance
        mean, of_prior = expected
        found, log_variance = (found - mean) * functions.exp()(-of_prior / 2), log_variance - of_prior
        return _with_standard(found, log_variance) if self.split else (found, log_variance)


def further(above: Array, expected: Gaussian | None, bins: Whole, bits: int) -> Array:
    """The levels above and the places of these bins, side by side."""
    place = laws.centres(bits)[bins]
    if expected is not None:
        place = expected[0] + functions.exp()(expected[1] / 2) * place
    return np.concatenate([above, place], 1)


def _gaussian(output: Array, floor: float) -> Gaussian:
    """Of a network's output ``(n, 2 d)``, no σ below a floor."""
    mean, log_variance = np.split(output, 2, 1)
    log_variance = np.clip(log_variance, *LOG_VARIANCE)
    return mean, 2 * functions.log(functions.exp()(log_variance / 2) + floor) if floor else log_variance


def _with_standard(mean: Array, log_variance: Array) -> Gaussian:
    """The Gaussian proportional to this density times a standard normal's: precisions are added."""
    precision = functions.exp()(-log_variance)
    return mean * (precision / (1 + precision)), -functions.softplus(-log_variance)


@dataclass(frozen=True)
class Seen:
    """q(z|x) over the bins of n examples, of which these are the encoder's ``features`` ``(n, …)``; each latent has 2^``bits`` bins."""

    latents: Latents
    features: Array
    bits: int

    def drawn(self, pop: Callable[[Law, int], Whole]) -> tuple[Whole, Array]:
        """Bins ``(n, size)`` that are popped level by level, the first first, and the z that they stand for."""
        n, parts, z = len(self.features), list[Whole](), np.zeros((len(self.features), 0))
        for level, size in enumerate(self.latents.sizes):
            expected = self.latents.expected(level, z)
            parts.append(pop(self._law(level, z, expected), n * size).reshape(n, size))
            z = further(z, expected, parts[-1], self.bits)
        return np.concatenate(parts, 1), z

    def give_back(self, stack: Stack, bins: Whole) -> None:
        """The reverse: the last level first."""
        for law, numbers in reversed(self._laws(bins)):
            stack.push(law, numbers)

    def costs(self, bins: Whole) -> Array:
        """−log q of the bins of each example, in units of ``laws.COST``."""
        each = [laws.costs(law, numbers).reshape(len(bins), -1).sum(1) for law, numbers in self._laws(bins)]
        return np.sum(each, 0)

    def _laws(self, bins: Whole) -> list[tuple[Law, Whole]]:
        """Of each level, given those above it, and its numbers."""
        found, z = list[tuple[Law, Whole]](), np.zeros((len(bins), 0))
        for level, part in enumerate(self.latents.parts(bins)):
            expected = self.latents.expected(level, z)
            found.append((self._law(level, z, expected), part.reshape(-1)))
            z = further(z, expected, part, self.bits)
        return found

    def _law(self, level: int, above: Array, expected: Gaussian | None) -> Law:
        mean, log_variance = self.latents.seen(level, self.features, above, expected)
        return laws.bins(mean.reshape(-1), log_variance.reshape(-1), self.bits)


def _networks(levels: nn.ModuleList) -> tuple[ExactNetwork, ...]:
    return tuple(exact(level.network) for level in levels if isinstance(level, Level))


def _floor(levels: nn.ModuleList) -> float:
    return max((level.floor for level in levels if isinstance(level, Level)), default=0.0)


def _must_be_known(vae: Model) -> None:
    if not isinstance(vae, VAE):
        raise RecipeError("a semi-supervised model cannot compress yet; train one without, or with --given label")
    if not isinstance(vae.context, Label | None):
        raise RecipeError("a model that is given a part of its values cannot compress yet; train one without, or with --given label")


def _unknown() -> RecipeError:
    return RecipeError(
        "compression needs a standard normal prior and a diagonal Gaussian posterior, of one level of vectors or of several; "
        "train with --prior normal"
    )
