"""The page where the parts meet: draw → terms → bound → what is descended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.data.rows import Rows
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.observation import observe
from lowerbound.vae.terms import Terms


@dataclass(frozen=True)
class Loss:
    """A batch's loss; and for each of the B data the bound, its reconstruction term and the KL, in nats.

    ``value`` is what is descended: its gradient is the estimator's, its number means nothing. ``bound``
    is what is reported, never a weighted objective; log_likelihood estimates E_q[log p(x|z)], and for
    every bound but the importance-weighted ones bound = log_likelihood − kl.
    """

    value: Float[Tensor, ""]
    bound: Float[Tensor, " B"]
    log_likelihood: Float[Tensor, " B"]
    kl: Float[Tensor, " B"]


#: of a model (some want one of a kind), data, the rows of a step, objective and estimator
LossFunction = Callable[[Any, Rows, Tensor, Objective, Estimator], "Loss"]


def of_rows(vae: Model, data: Rows, rows: Int64[Tensor, " B"], objective: Objective, estimator: Estimator) -> Loss:
    """The loss of some rows of ``data``, each given its context where the model is given one: what a training step descends."""
    seen = observe(vae, data, rows)
    return of_observed(seen.vae, seen.x, objective, estimator)


def loss(vae: Model, values: Float[Tensor, "B *event"], objective: Objective, estimator: Estimator) -> Loss:
    """The loss of a batch of raw values, ready for ``backward``."""
    return of_observed(vae, vae.likelihood.observe(values), objective, estimator)


def of_observed(vae: Model, x: Float[Tensor, "B *event"], objective: Objective, estimator: Estimator) -> Loss:
    """The loss of a batch of values as the likelihood sees them."""
    return of_terms(vae.terms(x, estimator.sampler(objective.samples)), objective, estimator)


def of_terms(terms: Terms, objective: Objective, estimator: Estimator) -> Loss:
    """The loss of latents that ``estimator`` drew."""
    surrogate = estimator.surrogate(objective, terms)
    return Loss(-surrogate.mean(), objective.bound(terms), terms.mean(terms.log_likelihood), objective.kl(terms))
