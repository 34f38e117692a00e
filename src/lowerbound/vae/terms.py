"""What an objective is made of: log p(x|z), log p(z) and log q(z|x) of K draws for each of B examples, in nats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from lowerbound.errors import NoClosedForm, RecipeError, law_name
from lowerbound.nn.jacobian import contraction


@dataclass
class Terms:
    """The parts of the bound for K draws of each of B data, kept apart, in nats.

    ``log_likelihood`` is log p(x|z) ``(K, B)``; ``z`` is ``(K, B, *latent)``; the two laws are
    p(z) and q(z|x), and ``encoder`` and ``x`` are what the second was made of. ``weights`` are those of the draws in a mean over them
    where they are not all alike: q(z|x) itself, where z are all the values that there are. What an objective does not ask for is never
    computed.
    """

    log_likelihood: Float[Tensor, "K B"]
    z: Float[Tensor, "K B *latent"]
    prior: Distribution
    posterior: Distribution
    encoder: Callable[[Tensor], Tensor] | None = None
    x: Float[Tensor, "B *event"] | None = None
    weights: Float[Tensor, "K B"] | None = None

    def mean(self, values: Float[Tensor, "K B"]) -> Float[Tensor, " B"]:
        """E_q of what depends on z, by these draws."""
        return values.mean(0) if self.weights is None else (self.weights * values).sum(0)

    @cached_property
    def log_prior(self) -> Float[Tensor, "K B"]:
        """log p(z)."""
        return self.prior.log_prob(self.z)

    @cached_property
    def log_posterior(self) -> Float[Tensor, "K B"]:
        """log q(z|x)."""
        return self.posterior.log_prob(self.z)

    @cached_property
    def log_weight(self) -> Float[Tensor, "K B"]:
        """log w = log p(z) + log p(x|z) − log q(z|x); E_q[w] = p(x). Errors: RecipeError for draws that are weighted already."""
        if self.weights is not None:
            raise RecipeError("importance weights are those of draws, and these values are listed; choose another estimator")
        return self.log_prior + self.log_likelihood - self.log_posterior

    @cached_property
    def divergence(self) -> Float[Tensor, " B"]:
        """KL(q(z|x) ‖ p(z)) in closed form. Errors: NoClosedForm, naming the pair."""
        try:
            return kl_divergence(self.posterior, self.prior)
        except NotImplementedError as error:
            pair = f"KL({law_name(self.posterior)} ‖ {law_name(self.prior)})"
            raise NoClosedForm(f"{pair} has no closed form here; choose the sampled one") from error

    @cached_property
    def contraction(self) -> Float[Tensor, " B"]:
        """‖∂h/∂x‖² of the encoder's output h. Errors: RecipeError where the terms came without their encoder."""
        if self.encoder is None or self.x is None:
            raise RecipeError("there is no encoder here whose contraction could be had; choose another objective")
        return contraction(self.encoder, self.x)
