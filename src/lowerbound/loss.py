"""The page where the parts meet: draw → terms → bound → what is descended."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from lowerbound.estimators import Estimator
from lowerbound.model import VAE
from lowerbound.objectives import Objective


@dataclass(frozen=True)
class Loss:
    """A batch's loss, and the bound and its two parts for each of the B data, in nats.

    ``value`` is what is descended; ``bound`` is what is reported, and = log_likelihood − kl, where
    log_likelihood estimates E_q[log p(x|z)] and kl is KL(q(z|x) ‖ p(z)).
    """

    value: Float[Tensor, ""]
    bound: Float[Tensor, " B"]
    log_likelihood: Float[Tensor, " B"]
    kl: Float[Tensor, " B"]


def loss(vae: VAE, values: Float[Tensor, "B *event"], objective: Objective, estimator: Estimator) -> Loss:
    """The negative bound of a batch of raw values, ready for ``backward``."""
    x = vae.likelihood.observe(values)
    posterior = vae.posterior(x)
    z = estimator.draw(posterior, objective.samples)
    terms = vae.terms(x, posterior, z)
    bound = objective.bound(terms)
    return Loss(-bound.mean(), bound, terms.log_likelihood.mean(0), objective.kl(terms))
