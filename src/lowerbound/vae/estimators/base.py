"""How the gradient of an expectation over q gets past the sampling.

An estimator draws each latent z ``(K, B, *latent)`` from its posterior, as a ``Node``, and says what to differentiate:

    surrogate = value + Σ over latents of stop(signal − baseline) · score, summed over draws

The value's own gradient is the path through z; the score is that of the law from which the noise came.
A score function has no path (z is a constant), the pathwise gradient no score (the noise does not
depend on the parameters), and G-REP both. A new estimator is one class here and one row in a table of ``recipes``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.terms import Node, Sampler, Terms


class Estimator(nn.Module, ABC):
    """The contract of how a gradient gets past the sampling of z; a module, because some keep a running mean.

    It says how latents are drawn (``sampler``), and what to differentiate (``surrogate``), whose gradient is the estimate.

    >>> import torch
    >>> import lowerbound as lb
    >>> encoder, decoder = lb.nn.mlp(64, 4), lb.nn.mlp(2, 64)
    >>> vae = lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Bernoulli(decoder), lb.posteriors.DiagonalGaussian(encoder))
    >>> objective, estimator = lb.objectives.ELBO(samples=3), lb.estimators.Pathwise()
    >>> terms = vae.terms(torch.ones(5, 64), estimator.sampler(objective.samples))  # a step of training by hand
    >>> (-estimator.surrogate(objective, terms).mean()).backward()
    >>> terms.log_likelihood.shape, encoder[1].weight.grad.shape
    (torch.Size([3, 5]), torch.Size([4, 64]))
    """

    #: whether log q has to be in the value, so that a KL in closed form will not do
    needs_log_posterior = False

    @abstractmethod
    def sampler(self, samples: int) -> Sampler:
        """What a model draws its latents by: ``samples`` of the first, and one of the next for each of these.

        Errors: RecipeError, when it is called, for a posterior that cannot be drawn from so.
        """

    @abstractmethod
    def surrogate(self, objective: Objective, terms: Terms) -> Float[Tensor, " B"]:
        """What to differentiate, one for each example; its gradient is the estimate, its value means nothing.

        Errors: RecipeError for an objective that has not what this takes.
        """


class NodeEstimator(Estimator):
    """An estimator that has one way to draw a latent, whichever it is: the contract of ``draw`` and ``correction``.

    >>> import torch
    >>> import lowerbound as lb
    >>> class AtTheMean(lb.estimators.NodeEstimator):
    ...     def draw(self, posterior, prior, samples):
    ...         return lb.estimators.Node(posterior.mean.expand(samples, *posterior.mean.shape), prior, posterior)
    ...     def correction(self, objective, terms, nodes):
    ...         return None  # the value has all of the gradient
    >>> q = lb.posteriors.DiagonalGaussian(lb.nn.mlp(64, 4))(torch.rand(5, 64))
    >>> AtTheMean().sampler(3)(q, lb.priors.StandardNormal(2)(), "z").z.shape
    torch.Size([3, 5, 2])
    """

    @abstractmethod
    def draw(self, posterior: Distribution, prior: Distribution, samples: int) -> Node:
        """K = ``samples`` draws of a latent for each law of the posterior's batch. Errors: RecipeError where it cannot be drawn so."""

    @abstractmethod
    def correction(self, objective: Objective, terms: Terms, nodes: Sequence[Node]) -> Float[Tensor, " B"] | None:
        """What to add to the value for the gradient of the ``nodes`` that this estimator drew; None where the value has all of it.

        Errors: RecipeError for an objective that has not what this takes.
        """

    def sampler(self, samples: int) -> Sampler:
        """``samples`` draws of a law that has one batch axis, one of each law where draws are an axis already."""

        def draw(posterior: Distribution, prior: Distribution, name: str) -> Node:
            if len(posterior.batch_shape) < 2:
                return replace(self.draw(posterior, prior, samples), name=name)
            node = self.draw(posterior, prior, 1)
            first = {part: value[0] for part in ("z", "score", "weights") if (value := getattr(node, part)) is not None}
            return replace(node, **first, name=name, path=None if node.path is None else first["z"])

        return draw

    def surrogate(self, objective: Objective, terms: Terms) -> Float[Tensor, " B"]:
        """The value, and the correction for all latents ``(B,)``."""
        value, correction = objective.value(terms), self.correction(objective, terms, terms.nodes)
        return value if correction is None else value + correction
