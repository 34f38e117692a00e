"""Expectations over all values of a discrete latent."""

from __future__ import annotations

from collections.abc import Sequence

from torch.distributions import Distribution

from lowerbound.errors import RecipeError, law_name
from lowerbound.vae.estimators.base import NodeEstimator
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.terms import Node, Terms


class Enumerated(NodeEstimator):
    """All the values that a discrete z can have, each weighted by q(z|x): the expectation itself, without any noise.

    Where latents follow that are drawn, each value is there once for each of their draws.
    Source: Kingma et al., "Semi-supervised Learning with Deep Generative Models", 2014, https://arxiv.org/abs/1406.5298 (equation 7).
    Errors: RecipeError for a posterior that has no list of values, or one of a latent that comes after others.

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior = lb.posteriors.Categorical(torch.nn.Identity())(torch.tensor([[0.25, 0.25, 0.5]]).log())
    >>> node = lb.estimators.Enumerated().draw(posterior, lb.priors.Categorical(3)(), 1)
    >>> node.z[:, 0].tolist(), node.weights[:, 0].detach().round(decimals=2).tolist()
    ([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.25, 0.25, 0.5])
    """

    def draw(self, posterior: Distribution, prior: Distribution, samples: int) -> Node:
        """Every value for each example, ``samples`` times over."""
        if not posterior.has_enumerate_support:
            raise RecipeError(f"the values of {law_name(posterior)} cannot be listed; choose another estimator")
        if len(posterior.batch_shape) > 1:
            raise RecipeError("values are listed of a model's first latent alone; choose another estimator for the next")
        z = posterior.enumerate_support()
        weights = posterior.log_prob(z).exp()
        if samples > 1:
            z, weights = z.repeat(samples, *[1] * (z.dim() - 1)), weights.repeat(samples, 1) / samples
        return Node(z, prior, posterior, weights=weights)

    def correction(self, objective: Objective, terms: Terms, nodes: Sequence[Node]) -> None:
        """None: q(z|x) is the weight in the value and so has its gradient."""
