"""What is maximised: a bound on log p(x), made of the three log densities of a draw.

A bound maps ``Terms`` to ``(B,)``, in nats. A new objective is one class here with ``samples`` (K)
and ``bound``, and one row in the table of ``recipes``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from lowerbound.errors import NoClosedForm, law_name


@dataclass
class Terms:
    """The parts of the bound for K draws of each of B data, kept apart, in nats.

    ``log_likelihood`` is log p(x|z) ``(K, B)``; ``z`` is ``(K, B, *latent)``; the two laws are
    p(z) and q(z|x). What an objective does not ask for is never computed.
    """

    log_likelihood: Float[Tensor, "K B"]
    z: Float[Tensor, "K B *latent"]
    prior: Distribution
    posterior: Distribution

    @cached_property
    def log_prior(self) -> Float[Tensor, "K B"]:
        """log p(z)."""
        return self.prior.log_prob(self.z)

    @cached_property
    def log_posterior(self) -> Float[Tensor, "K B"]:
        """log q(z|x)."""
        return self.posterior.log_prob(self.z)

    @property
    def log_weight(self) -> Float[Tensor, "K B"]:
        """log w = log p(z) + log p(x|z) − log q(z|x); E_q[w] = p(x)."""
        return self.log_prior + self.log_likelihood - self.log_posterior


KL = Callable[[Terms], Float[Tensor, " B"]]


def closed_kl(terms: Terms) -> Float[Tensor, " B"]:
    """KL(q(z|x) ‖ p(z)) exactly; for two Gaussians ½ Σ (μ² + σ² − log σ² − 1), its ½ included.

    Errors: NoClosedForm, naming the pair.
    """
    try:
        return kl_divergence(terms.posterior, terms.prior)
    except NotImplementedError as error:
        pair = f"KL({law_name(terms.posterior)} ‖ {law_name(terms.prior)})"
        raise NoClosedForm(f"{pair} has no closed form here; choose the sampled one") from error


def sampled_kl(terms: Terms) -> Float[Tensor, " B"]:
    """KL(q(z|x) ‖ p(z)) without bias, as the mean of log q(z|x) − log p(z) over the draws."""
    return (terms.log_posterior - terms.log_prior).mean(0)


@runtime_checkable
class Objective(Protocol):
    """The contract of this room."""

    @property
    def samples(self) -> int:
        """K, how many draws of z each datum gets."""

    @property
    def kl(self) -> KL:
        """How the KL is computed."""

    def bound(self, terms: Terms) -> Float[Tensor, " B"]:
        """The bound, one for each datum, in nats."""


@dataclass(frozen=True)
class ELBO:
    """The evidence lower bound, E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)) ≤ log p(x).

    The expectation is the mean over ``samples`` draws; ``kl`` is ``closed_kl`` or ``sampled_kl``.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (equation 3).
    """

    kl: KL = closed_kl
    samples: int = 1

    def bound(self, terms: Terms) -> Float[Tensor, " B"]:
        """The bound, one for each datum, in nats."""
        return terms.log_likelihood.mean(0) - self.kl(terms)
