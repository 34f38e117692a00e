"""Which of two models of a table says better what its cells are and which of them are missing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.python import Source
from lowerbound.errors import UsageError
from lowerbound.evaluation.log_likelihood import MEMORY, SAMPLES, log_likelihood
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.likelihoods.self_masking import SelfMasking
from lowerbound.vae.model import Model


@dataclass(frozen=True)
class Support:
    """How much more likely values and holes are by one model than by another: ``mean`` nats an example, with its standard error ``se``."""

    mean: float
    se: float

    @property
    def is_clear(self) -> bool:
        """Whether it is more than two standard errors."""
        return abs(self.mean) > 2 * self.se


@torch.no_grad()
def support(one: Model, other: Model, data: Source, samples: int = SAMPLES, *, memory: int = MEMORY, seed: int = 0) -> Support:
    """log p(x, holes) of one model of a table less that of another, of examples that neither has seen.

    One that leaves holes out is given Σ log Bernoulli(hole; rate) besides, missing completely at random by the rates of each column that
    the other one has met: so both are densities of the same. A difference of log p(x) by ``samples`` draws of z.
    Errors: UsageError where neither is of tables with a law of holes, or they are of different tables.
    """
    tables = [model.likelihood for model in (one, other) if isinstance(model.likelihood, Columns)]
    masking = next((table.missingness for table in tables if table.missingness is not None), None)
    if masking is None or len(tables) < 2:
        raise UsageError("neither of these is a model of a table's holes; train one of them with --missingness self")
    if tables[0].columns != tables[1].columns:
        raise UsageError("these are models of different columns; train both on one table")
    x = one.examples(data).rows
    values = x[torch.arange(len(x))]
    first, second = (
        log_likelihood(model, x, samples, memory=memory, seed=seed).log_p
        + (0 if model.likelihood.scores_holes else _at_random(masking, values))
        for model in (one, other)
    )
    difference = first - second
    se = float(difference.std()) / math.sqrt(len(difference)) if len(difference) > 1 else math.nan
    return Support(float(difference.mean()), se)


def _at_random(masking: SelfMasking, values: Float[Tensor, "N D"]) -> Float[Tensor, " N"]:
    """log p(holes) where each cell of a column is missing with one probability."""
    rate, hole = masking.rate.cpu().double(), values.isnan().double()
    return hole @ rate.log() + (1 - hole) @ (-rate).log1p()
