"""Expectations over all values of a discrete latent."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from lowerbound.errors import RecipeError, law_name
from lowerbound.vae.estimators.base import Draw, Estimator
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.terms import Terms


class Enumerated(Estimator):
    """All the values that a discrete z can have, each weighted by q(z|x): the expectation itself, without any noise.

    Source: Kingma et al., "Semi-supervised Learning with Deep Generative Models", 2014, https://arxiv.org/abs/1406.5298 (equation 7).
    Errors: RecipeError for a posterior that has no list of values, or an objective that is no mean over draws.
    """

    def draw(self, posterior: Distribution, samples: int) -> Draw:
        """Every value for each example, whatever ``samples``."""
        if not posterior.has_enumerate_support:
            raise RecipeError(f"the values of {law_name(posterior)} cannot be listed; choose another estimator")
        z = posterior.enumerate_support()
        return Draw(z, posterior, weights=posterior.log_prob(z).exp())

    def surrogate(self, objective: Objective, terms: Terms, draw: Draw) -> Float[Tensor, " B"]:
        """The value, in which q(z|x) is the weight and so has its gradient."""
        if not objective.mean_over_draws:
            raise RecipeError(f"{type(objective).__name__} is no mean over draws; choose another estimator")
        return objective.value(terms)
