"""What an objective is made of: log p(x|z), and for each latent log p(z) and log q(z|x), of K draws for each of B examples, in nats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from lowerbound.errors import NoClosedForm, RecipeError, law_name


@dataclass(frozen=True)
class Node:
    """One latent, drawn: z ``(K, B, *latent)``, with p(z) and q(z|x), each given the latents that were drawn before it.

    ``posterior`` is q as the terms are to see it, which an estimator may hold. ``score`` is log q of the noise that z is made of, of
    each law of the batch, for those estimators that have such a term. ``weights`` are those of the draws in a mean over them where
    they are not all alike: q(z|x) itself, where z are all the values that there are. ``path`` is z as later latents are to be drawn from
    it, where an estimator wants the terms to see a copy, with q held.

    >>> import torch
    >>> import lowerbound as lb
    >>> posterior, prior = lb.posteriors.DiagonalGaussian(lb.nn.mlp(64, 4)), lb.priors.StandardNormal(2)
    >>> node = lb.estimators.Pathwise().draw(posterior(torch.rand(5, 64)), prior(), 3)
    >>> node.z.shape, node.prior.log_prob(node.z).shape  # K = 3 draws for each of B = 5 examples
    (torch.Size([3, 5, 2]), torch.Size([3, 5]))
    """

    z: Float[Tensor, "K B *latent"]
    prior: Distribution
    posterior: Distribution
    score: Float[Tensor, "K B *factors"] | None = None
    weights: Float[Tensor, "K B"] | None = None
    name: str = "z"
    path: Float[Tensor, "K B *latent"] | None = None


#: of q(z|·), p(z|·) and the latent's name: that latent, drawn. A model asks for its latents one after the other.
Sampler = Callable[[Distribution, Distribution, str], Node]


@dataclass
class Terms:
    """The parts of the bound for K draws of each of B examples, kept apart, in nats.

    ``log_likelihood`` is log p(x|z) ``(K, B)``, ``nodes`` are the latents in the order in which they were drawn: log p(z) and log q(z|x)
    are sums over them, weights are products. ``jacobian`` gives ‖∂h/∂x‖² of the encoder's output h, where it can be had: ``(B,)``,
    or ``(K, B)`` of an encoder that is given a latent. What
    an objective does not ask for is never computed.

    >>> import torch
    >>> from torch.distributions import Independent, Normal
    >>> import lowerbound as lb
    >>> p, q = Independent(Normal(torch.zeros(1), 1.0), 1), Independent(Normal(torch.ones(1, 1), 1.0), 1)
    >>> terms = lb.objectives.Terms(torch.tensor([[-3.0]]), [lb.estimators.Node(torch.ones(1, 1, 1), p, q)])
    >>> parts = terms.log_likelihood, terms.log_prior, terms.log_posterior, terms.log_weight
    >>> [round(float(part), 3) for part in parts]  # the last is the sum of the first two, less the third
    [-3.0, -1.419, -0.919, -3.5]
    """

    log_likelihood: Float[Tensor, "K B"]
    nodes: Sequence[Node]
    jacobian: Callable[[], Tensor] | None = None

    @property
    def only(self) -> Node:
        """The one latent. Errors: RecipeError where there are several."""
        if len(self.nodes) > 1:
            names = ", ".join(node.name for node in self.nodes)
            raise RecipeError(f"this objective or estimator is of one latent, and the model has several ({names}); choose another")
        return self.nodes[0]

    @cached_property
    def weights(self) -> Float[Tensor, "K B"] | None:
        """The weights of the draws in a mean over them ``(K, B)``; None where all are alike."""
        each = [node.weights.expand_as(self.log_likelihood) for node in self.nodes if node.weights is not None]
        return torch.stack(each).prod(0) if each else None

    def shares(self, values: Float[Tensor, "K B"]) -> Float[Tensor, "K B"]:
        """What each draw adds to the mean ``(K, B)``."""
        return values / len(values) if self.weights is None else self.weights * values

    def mean(self, values: Float[Tensor, "K B"]) -> Float[Tensor, " B"]:
        """E_q of what depends on z ``(K, B)``, by these draws ``(B,)``."""
        return values.mean(0) if self.weights is None else (self.weights * values).sum(0)

    def alike(self) -> None:
        """Raise RecipeError where draws are weighted, so that none of them can stand for another."""
        if self.weights is not None:
            raise RecipeError("draws must be alike here, to stand for one another, and these values are listed; choose another estimator")

    @cached_property
    def log_prior(self) -> Float[Tensor, "K B"]:
        """log p(z) ``(K, B)``, in nats."""
        return _sum([node.prior.log_prob(node.z) for node in self.nodes])

    @cached_property
    def log_posterior(self) -> Float[Tensor, "K B"]:
        """log q(z|x) ``(K, B)``, in nats."""
        return _sum([node.posterior.log_prob(node.z) for node in self.nodes])

    @cached_property
    def log_weight(self) -> Float[Tensor, "K B"]:
        """log w = log p(z) + log p(x|z) − log q(z|x); E_q[w] = p(x)."""
        return self.log_prior + self.log_likelihood - self.log_posterior

    @cached_property
    def divergences(self) -> list[Tensor]:
        """KL(q ‖ p) of each latent in closed form, ``(B,)``, or ``(K, B)`` where it depends on those drawn before. Errors: NoClosedForm."""
        return [_closed(node) for node in self.nodes]

    @cached_property
    def contraction(self) -> Tensor:
        """‖∂h/∂x‖² of the encoder's output h, ``(B,)``, or ``(K, B)`` where it depends on draws.

        Errors: RecipeError where the terms came without their encoder.
        """
        if self.jacobian is None:
            raise RecipeError("there is no encoder here whose contraction could be had; choose another objective")
        return self.jacobian()


def _closed(node: Node) -> Tensor:
    try:
        return kl_divergence(node.posterior, node.prior)
    except NotImplementedError as error:
        pair = f"KL({law_name(node.posterior)} ‖ {law_name(node.prior)})"
        raise NoClosedForm(f"{pair} has no closed form here; choose the sampled one") from error


def _sum(parts: list[Tensor]) -> Tensor:
    """Their sum, without adding a 0 to one alone."""
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)
