"""How good a model is on data it was not trained on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Size, Tensor

from lowerbound.model import VAE, Rows, rows_at_once
from lowerbound.objectives import ELBO, Objective
from lowerbound.seeding import seeded


@dataclass(frozen=True)
class Score:
    """Mean bound and its parts over ``rows`` data, in nats a datum.

    ``bound_se`` is the standard error of the mean bound over data; ``bits_per_dim`` is
    −bound / (D log 2) for D values a datum.
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
            values = data[rows].to(vae.device)
            vae.likelihood.check(values)
            x = vae.likelihood.observe(values)
            posterior = vae.posterior(x)
            terms = vae.terms(x, posterior, posterior.sample(Size([objective.samples])))
            part = torch.stack([objective.bound(terms), terms.log_likelihood.mean(0), objective.kl(terms)])
            parts.append(part.cpu().double())  # in this order: not every accelerator has doubles
    return _summary(torch.cat(parts, 1), values[0].numel())


@torch.no_grad()
def share_at_floor(vae: VAE, data: Rows) -> float:
    """The share, 0 to 1, of the values of ``data`` whose σ in p(x|z), z the centre of q(z|x), is held up by ``scales.FLOOR`` alone.

    A decoder that predicts some values exactly, constant pixels say, can raise their density without end; the bound on log p(x) is
    then one, but its number says more of FLOOR than of the model.
    """
    shares = []
    with vae.evaluating():
        for rows in torch.arange(len(data)).split(rows_at_once(data)):
            law = vae.likelihood(vae.encode(data[rows].to(vae.device)))
            shares.append(vae.likelihood.at_floor(law).cpu())
    return float(torch.cat(shares).mean())


def _summary(parts: Tensor, dimensions: int) -> Score:
    bound, log_likelihood, kl = (float(mean) for mean in parts.mean(1))
    rows = parts.shape[1]
    error = float(parts[0].std()) / math.sqrt(rows) if rows > 1 else math.nan
    return Score(bound, error, log_likelihood, kl, bits_per_dim(bound, dimensions), rows)


def bits_per_dim(bound: float, dimensions: int) -> float:
    """Nats a datum as bits a dimension: −bound / (D log 2)."""
    return -bound / (dimensions * math.log(2))
