"""How the gradient of an expectation over q gets past the sampling.

An estimator draws z ``(K, B, *latent)`` from a posterior and says what to differentiate:

    surrogate = value + stop(signal − baseline) · score, summed over draws

The value's own gradient is the path through z; the score is that of the law from which the noise came.
A score function has no path (z is a constant), the pathwise gradient no score (the noise does not
depend on the parameters), and G-REP both. A new estimator is one class here and one row in a table of ``words``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.terms import Terms


@dataclass(frozen=True)
class Draw:
    """z ``(K, B, *latent)``, the posterior as the terms are to see it, and the score, log q of the noise, of each law of its batch.

    ``weights`` are those of the draws in a mean over them, where they are not all alike.
    """

    z: Float[Tensor, "K B *latent"]
    posterior: Distribution
    score: Float[Tensor, "K B *factors"] | None = None
    weights: Float[Tensor, "K B"] | None = None


class Estimator(nn.Module, ABC):
    """The contract; a module, because some keep a running mean."""

    #: whether log q has to be in the value, so that a KL in closed form will not do
    needs_log_posterior = False

    @abstractmethod
    def draw(self, posterior: Distribution, samples: int) -> Draw:
        """K draws of z for each example. Errors: RecipeError where this posterior cannot be drawn so."""

    @abstractmethod
    def surrogate(self, objective: Objective, terms: Terms, draw: Draw) -> Float[Tensor, " B"]:
        """What to differentiate, one for each example; its gradient is the estimate, its value means nothing.

        Errors: RecipeError for an objective that has not what this takes.
        """
