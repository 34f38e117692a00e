"""Latents that are vectors: of one level, of a chain, and of a ladder, which refines its prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor, nn

from lowerbound.errors import RecipeError
from lowerbound.tasks.lossless import functions
from lowerbound.tasks.lossless.components import Components
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.latents import Gaussian, Latents, gaussian
from lowerbound.tasks.lossless.networks import ExactNetwork, exact
from lowerbound.vae import posteriors, priors
from lowerbound.vae.conditional import Level
from lowerbound.vae.model import Model


@dataclass(frozen=True)
class Vectors(Latents):
    """Levels of these ``sizes``, whose networks of the levels above are those of ``prior``, for all but the first.

    Those of ``posterior`` make μ and log σ² of the encoder's output and the levels above; there is none for one level alone, whose encoder
    gives them itself. Of a ladder they are given features of their own, ``split`` how many of each, and refine the prior. ``floors`` are
    the least σ of the prior's networks and of the posterior's. What a level knows of those above is their z.
    """

    sizes: tuple[int, ...]
    prior: tuple[ExactNetwork, ...] = ()
    posterior: tuple[ExactNetwork, ...] = ()
    split: tuple[int, ...] = ()
    floors: tuple[float, float] = (0.0, 0.0)
    components: Components | None = None

    @classmethod
    def of(cls, vae: Model, encoder: Callable[[Array], Array]) -> Vectors:
        """Those of a model; ``encoder`` makes features of pseudo-inputs. Errors: RecipeError for laws that no code is made of."""
        prior, posterior = vae.prior, vae.posterior
        first = prior.first if isinstance(prior, priors.Chain) else prior
        if not isinstance(first, priors.StandardNormal | priors.GaussianMixture | priors.VampPrior):
            raise _unknown()
        if isinstance(posterior, posteriors.DiagonalGaussian) and first is prior:
            bare = cls((int(prior().event_shape[0]),), floors=(0.0, posterior.floor))
        elif isinstance(posterior, posteriors.Chain | posteriors.Ladder) and isinstance(prior, priors.Chain):
            split = posterior.split if isinstance(posterior, posteriors.Ladder) else ()
            floors = _floor(prior.levels), _floor(posterior.levels)
            bare = cls(prior.sizes, _networks(prior.levels), _networks(posterior.levels), split, floors)
        else:
            raise _unknown()
        return replace(bare, components=bare.components_of(first, encoder))

    def components_of(self, first: nn.Module, encoder: Callable[[Array], Array]) -> Components | None:
        """Those of p(z₁), None of a standard normal."""
        if isinstance(first, priors.VampPrior):
            inputs = _array(first.inputs)
            features = encoder(functions.sigmoid()(inputs) if first.squash else inputs)
            return Components(np.zeros(len(inputs)), *self.seen(0, features, self.begin(len(inputs)), None))
        if isinstance(first, priors.GaussianMixture):
            scale = first.floor + functions.softplus(_array(first.raw))
            return Components(_array(first.logits), _array(first.means), 2 * functions.log(scale))
        return None

    @property
    def words(self) -> tuple[object, ...]:
        """Sizes, and what is not as in the flat model."""
        words = (self.sizes, self.split) if self.posterior else (self.size,)
        return (*words, self.floors) if any(self.floors) else words

    @property
    def networks(self) -> tuple[ExactNetwork, ...]:
        """Those of both chains."""
        of_first = () if self.components is None else (self.components.network,)
        return (*self.prior, *self.posterior, *of_first)

    def begin(self, n: int) -> Array:
        """No numbers of any z ``(n, 0)``."""
        return np.zeros((n, 0))

    def after(self, level: int, state: Array, place: Array) -> Array:
        """All z side by side."""
        return np.concatenate([state, place], 1)

    def expected(self, level: int, state: Array) -> Gaussian | None:
        """By the prior's network."""
        if level:
            return gaussian(self.prior[level - 1](state), self.floors[0])
        return None if self.components is None else self.components.whole

    def seen(self, level: int, features: Array, state: Array, expected: Gaussian | None) -> Gaussian:
        """By the posterior's network."""
        given = features
        if self.posterior:
            given = np.split(features, np.cumsum(self.split)[:-1], 1)[level] if self.split else np.concatenate([features, state], 1)
            given = self.posterior[level](given)
        found, log_variance = gaussian(given, self.floors[1])
        if expected is None:
            return found, log_variance
        mean, of_prior = expected
        found, log_variance = (found - mean) * functions.exp()(-of_prior / 2), log_variance - of_prior
        return _with_standard(found, log_variance) if self.split and level else (found, log_variance)


def _with_standard(mean: Array, log_variance: Array) -> Gaussian:
    """The Gaussian proportional to this density times a standard normal's: precisions are added."""
    precision = functions.exp()(-log_variance)
    return mean * (precision / (1 + precision)), -functions.softplus(-log_variance)


def _array(values: Tensor) -> Array:
    return values.detach().cpu().double().numpy()


def _networks(levels: nn.ModuleList) -> tuple[ExactNetwork, ...]:
    return tuple(exact(level.network) for level in levels if isinstance(level, Level))


def _floor(levels: nn.ModuleList) -> float:
    return max((level.floor for level in levels if isinstance(level, Level)), default=0.0)


def _unknown() -> RecipeError:
    return RecipeError(
        "compression needs a prior that is normal, mixture or vamp and a diagonal Gaussian posterior, of one level or of several; "
        "train with --prior normal"
    )
