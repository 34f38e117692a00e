"""log p(x) estimated with z from the prior, and with z from q: why the model needs a posterior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution

from lowerbound.evaluation.log_likelihood import log_likelihood
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded
from lowerbound.vae.model import Model

DRAWS = (1, 10, 100, 1_000, 10_000)
VALUES = 2**23  # of x at once: 34 MB for each array of the likelihood
REPEATS = 100  # estimates with K draws per example, at most
BEST = 2  # the best estimate uses this many times the greatest K


@dataclass(frozen=True)
class Curve:
    """For each K: the mean over examples of the estimate with K draws, and its root-mean-square error, in nats."""

    mean: tuple[float, ...]
    error: tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """Two curves against K, the best estimate of log p(x) of each example ``(B,)``, in nats, and its number of draws."""

    draws: tuple[int, ...]
    prior: Curve
    posterior: Curve
    best: Float[Tensor, " B"]
    best_draws: int


@torch.no_grad()
def evidence(vae: Model, values: Float[Tensor, "B *event"], draws: tuple[int, ...] = DRAWS, seed: int = 0) -> Evidence:
    """Estimates log 1/K Σ_k w_k of log p(x), with w = p(x|z) for z ~ p(z) and w = p(x|z) p(z)/q(z|x) for z ~ q(z|x).

    Both means are unbiased for p(x); their logarithms are too low on average, the more so the fewer draws are effective. The error is
    against ``evaluation.log_likelihood`` with ``BEST`` times the greatest K: where q misses a part of p(z|x), draws from q do not show it,
    however many.
    Source: Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519 (section 5).
    Errors: RecipeError where q has no density.
    """
    most = max(draws)
    vae = in_evaluation(vae)
    with seeded(seed, "evidence", device=vae.device):
        x = vae.likelihood.observe(values.to(vae.device))
        best = log_likelihood(vae, x, BEST * most, seed=seed).log_p
        posterior, prior = vae.posterior(x), vae.prior()
        of_prior, of_posterior = (_curve(_log_weights(vae, x, law, prior, most), draws, best) for law in (prior, posterior))
    return Evidence(draws, of_prior, of_posterior, best, BEST * most)


def _log_weights(vae: Model, x: Tensor, law: Distribution, prior: Distribution, draws: int) -> Float[Tensor, "K B"]:
    """log w of this many draws of ``law`` per example, in chunks: only the weights are kept."""
    found = []
    for chunk in torch.arange(draws).split(max(1, VALUES // x.numel())):
        z = law.sample(Size([len(chunk)] if law.batch_shape else [len(chunk), len(x)]))
        found.append((vae.log_likelihood(x, z) + prior.log_prob(z) - law.log_prob(z)).cpu().double())
    return torch.cat(found)


def _estimates(log_weights: Float[Tensor, "N B"], draws: int) -> Float[Tensor, "R B"]:
    """Independent estimates of log p(x) with this many draws each."""
    repeats = min(REPEATS, len(log_weights) // draws)
    return log_weights[: repeats * draws].unflatten(0, (repeats, draws)).logsumexp(1) - math.log(draws)


def _curve(log_weights: Float[Tensor, "N B"], draws: tuple[int, ...], best: Float[Tensor, " B"]) -> Curve:
    estimates = [_estimates(log_weights, k) for k in draws]
    return Curve(
        tuple(float(found.mean()) for found in estimates),
        tuple(float((found - best).square().mean().sqrt()) for found in estimates),
    )
