"""How likely each value of an example is, given its others: which cell of a row does not fit."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.python import Source
from lowerbound.data.rows import Rows, numbers_of
from lowerbound.evaluation.importance import WeightedSums
from lowerbound.evaluation.log_likelihood import MEMORY, ROWS
from lowerbound.evaluation.weighted_draws import weighted_draws
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.arguments import whole
from lowerbound.system.seeding import seeded
from lowerbound.vae.density import log_density_of_each
from lowerbound.vae.model import Model
from lowerbound.vae.observation import Observation, admit_rows, must_fit, observe
from lowerbound.vae.parts import must_be_model

SAMPLES = 1_000


@torch.no_grad()
def log_p_of_values(vae: Model, data: Source, samples: int = SAMPLES, *, memory: int = MEMORY, seed: int = 0) -> Float[Tensor, "*N_event"]:
    """log p(xᵢ|x_others) of each value, in nats; NaN where a value is missing, or where a context says it already.

    log Σ_k w_k − log Σ_k w_k/p(xᵢ|z_k), with w = p(x|z) p(z)/r(z) of ``samples`` draws of q(z|x) and, one in ten, the prior: the same draws
    weighted as if xᵢ were not there. Of a value that contradicts the others few draws count, and what is said of it is rough. Of a
    likelihood that scores holes it is of the value and that it is there. ``memory`` is in bytes.

    Source: Gelfand, Dey and Chang, "Model determination using predictive distributions", 1992,
    https://doi.org/10.21236/ADA258777 (conditional predictive ordinates).
    Errors: RecipeError where q has no density, or values are not independent given z; DataError for data that the likelihood cannot be of.
    """
    must_be_model(vae, Model)
    samples, examples = whole("the number of samples", samples, 1), vae.examples(data)
    rows = examples.rows
    must_fit(vae, rows)
    vae = in_evaluation(vae)
    found = [_of_some(vae, rows, some, samples, memory, seed) for some in torch.arange(len(rows)).split(ROWS)]
    each = torch.cat(found)
    return each[0] if examples.alone else each


def _of_some(vae: Model, data: Rows, rows: Tensor, samples: int, memory: int, seed: int) -> Float[Tensor, "B *event"]:
    admit_rows(vae, data, rows)
    with seeded(seed, "cells", int(numbers_of(data, rows)[0]), device=vae.device):
        seen = observe(vae, data, rows)
        return _weighed(seen, samples, memory)


def _weighed(seen: Observation, samples: int, memory: int) -> Float[Tensor, "B *event"]:
    x, size = seen.x, len(seen.x)
    counted = torch.ones_like(x, dtype=torch.bool) if seen.counted is None else seen.counted
    all_of_them, without = WeightedSums(size), WeightedSums(x.numel())
    for z, log_ratio in weighted_draws(seen.vae, x, samples, memory).parts():
        each = log_density_of_each(seen.vae.likelihood(z), x, counted).flatten(2).cpu().double()
        log_w = each.sum(-1) + log_ratio.cpu().double()
        all_of_them.add(log_w)
        without.add((log_w[..., None] - each).flatten(1))
    log_p = all_of_them.log_total[:, None] - without.log_total.view(size, -1)
    return log_p.where(seen.compared.cpu().flatten(1), torch.nan).float().view(x.shape)
