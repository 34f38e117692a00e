"""log p(x) of a model that has the label as a latent: over all labels."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.rows import Rows, rows_at_once
from lowerbound.evaluation import log_likelihood as density
from lowerbound.evaluation.log_likelihood import MEMORY, SAMPLES, Density
from lowerbound.vae.model import VAE
from lowerbound.vae.semi_supervised.m2 import SemiSupervised


def log_likelihood(vae: VAE, data: Rows, samples: int = SAMPLES, *, memory: int = MEMORY, seed: int = 0) -> Density:
    """log p(x) of each datum, as ``density.log_likelihood``; of M2 log 1/C Σ_y p(x|y), by as many draws for each of the C labels.

    The draws for all labels have the same noise, so that their errors may add up: the standard error is then at most what is said.
    The labels of the data are not looked at. Errors: as for ``density.log_likelihood``.
    """
    if not isinstance(vae, SemiSupervised):
        return density.log_likelihood(vae, data, samples, memory=memory, seed=seed)
    each = [density.log_likelihood(one, data, samples, memory=memory, seed=seed) for one in vae.of_each_class()]
    return _over_labels(each, _log_classifier(vae, data, seed))


def _log_classifier(vae: SemiSupervised, data: Rows, seed: int) -> Float[Tensor, "classes N"]:
    """log q(y|x) of data as the likelihood sees them, the same as those whose density is told."""
    parts = torch.arange(len(data)).split(rows_at_once(data))
    return torch.cat([vae.log_classify(density.observed(vae, data, rows.tolist(), seed)[1]).cpu().double() for rows in parts]).T


def _over_labels(each: list[Density], log_q: Float[Tensor, "classes N"]) -> Density:
    """Sums over labels; rate and bound are with q(y|x), KL(q(y|x) ‖ p(y)) a part of the rate."""
    uniform = -math.log(len(each))
    log_p = torch.stack([one.log_p for one in each])
    total = log_p.logsumexp(0)
    share, q = (log_p - total).exp(), log_q.exp()
    return Density(
        log_p=total + uniform,
        se=(share * torch.stack([one.se for one in each])).sum(0),
        ess=1 / (share**2 / torch.stack([one.ess for one in each])).sum(0),
        log_likelihood_term=(q * torch.stack([one.log_likelihood_term for one in each])).sum(0),
        kl=(q * (torch.stack([one.kl for one in each]) + log_q - uniform)).sum(0),
        curve=torch.stack([one.curve for one in each]).logsumexp(0) + uniform,
        draws=each[0].draws,
        samples=len(each) * each[0].samples,
    )
