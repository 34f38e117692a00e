"""The bound of data that were not trained on, with its error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Size, Tensor

from lowerbound.data.rows import Rows, rows_at_once
from lowerbound.system.seeding import seeded
from lowerbound.vae.model import VAE
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.semi_supervised import SemiSupervised, reported


@dataclass(frozen=True)
class Score:
    """Mean bound and its parts over ``rows`` data, in nats a datum.

    ``bound_se`` is the standard error of the mean bound over data; ``bits_per_dim`` is
    −bound / (D log 2) for D values a datum, of which those do not count that a context tells already.
    """

    bound: float
    bound_se: float
    log_likelihood_term: float
    kl: float
    bits_per_dim: float
    rows: int


@torch.no_grad()
def score(vae: VAE, data: Rows, *, objective: Objective | None = None, batch: int | None = None, seed: int = 0) -> Score:
    """The bound of ``data``, each row once, with noise that follows from ``seed``: the same at each call.

    ``batch`` is by default what fits (``rows_at_once``). Errors: DataError where the likelihood cannot be a law of these data.
    """
    objective = objective or ELBO()
    parts = []
    with seeded(seed, "evaluation", device=vae.device), vae.evaluating():
        for rows in torch.arange(len(data)).split(batch or rows_at_once(data)):
            vae.likelihood.admit(data[rows])
            part = _bound(vae, data, rows, objective)
            parts.append(part.cpu().double())  # in this order: not every accelerator has doubles
    return _summary(torch.cat(parts, 1))


def _bound(vae: VAE, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, "4 B"]:
    if isinstance(vae, SemiSupervised):  # whose bound is one without labels
        values = data[rows].to(vae.device)
        return torch.cat([reported(vae, values, objective), values_scored(vae, values)[None]])
    given, x = vae.read(data, rows, observe=True)
    posterior = given.posterior(x)
    terms = given.terms(x, posterior, posterior.sample(Size([objective.samples])))
    return torch.stack([objective.bound(terms), terms.log_likelihood.mean(0), objective.kl(terms), values_scored(given, x)])


def values_scored(given: VAE, x: Float[Tensor, "B *event"]) -> Float[Tensor, " B"]:
    """How many values of each datum the bound is of."""
    counted = given.counted(x)
    return torch.full((len(x),), float(x[0].numel()), device=x.device) if counted is None else counted.flatten(1).float().sum(1)


def _summary(parts: Float[Tensor, "4 N"]) -> Score:
    bound, log_likelihood, kl, scored = (float(mean) for mean in parts.mean(1))
    rows = parts.shape[1]
    error = float(parts[0].std()) / math.sqrt(rows) if rows > 1 else math.nan
    return Score(bound, error, log_likelihood, kl, bits_per_dim(bound, scored), rows)


def bits_per_dim(bound: float, dimensions: float) -> float:
    """Nats a datum as bits a dimension: −bound / (D log 2), D the values that are scored; NaN where there are none."""
    return -bound / (dimensions * math.log(2)) if dimensions else math.nan
