"""log p(x) by drawing z from the prior, and by drawing it from q: why the model needs a posterior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Size, Tensor

from lowerbound.model import VAE
from lowerbound.seeding import seeded

DRAWS = (1, 10, 100, 1_000, 10_000)
VALUES = 2**23  # of x at once: 34 MB for each array of the likelihood
REPEATS = 100  # estimates with K draws for each datum, at most
BEST = 2  # the best estimate has so many times the greatest K


@dataclass(frozen=True)
class Curve:
    """What K draws give, for each K: the mean estimate over data, and its root-mean-square error over data, in nats."""

    mean: tuple[float, ...]
    error: tuple[float, ...]


@dataclass(frozen=True)
class Evidence:
    """Two curves against K, the best estimate of log p(x) for each datum ``(B,)`` and how many draws of q it took."""

    draws: tuple[int, ...]
    prior: Curve
    posterior: Curve
    best: Float[Tensor, " B"]
    best_draws: int


@torch.no_grad()
def evidence(vae: VAE, values: Float[Tensor, "B *event"], draws: tuple[int, ...] = DRAWS, seed: int = 0) -> Evidence:
    """Estimates log 1/K Σ_k w_k of log p(x), with w = p(x|z) for z ~ p(z) and w = p(x|z) p(z)/q(z|x) for z ~ q(z|x).

    Both means are unbiased for p(x); their logarithms are too low on average, the more the fewer draws count. The error is
    against q with ``BEST`` times the greatest K of other draws.
    Source: Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519 (section 5).
    """
    most = max(draws)
    with seeded(seed, "evidence", device=vae.device), vae.evaluating():
        x = vae.likelihood.observe(values.to(vae.device))
        best = _estimates(_log_weights(vae, x, BEST * most, from_prior=False), BEST * most)[0]
        curves = [_curve(_log_weights(vae, x, most, from_prior), draws, best) for from_prior in (True, False)]
    return Evidence(draws, *curves, best, BEST * most)


def _log_weights(vae: VAE, x: Tensor, draws: int, from_prior: bool) -> Float[Tensor, "K B"]:
    """log w of so many draws for each datum, a chunk at a time: only the weights are kept."""
    posterior, prior = vae.posterior(x), vae.prior()
    found = []
    for chunk in torch.arange(draws).split(max(1, VALUES // x.numel())):
        z = prior.sample(Size([len(chunk), len(x)])) if from_prior else posterior.sample(Size([len(chunk)]))
        terms = vae.terms(x, posterior, z)
        found.append((terms.log_likelihood if from_prior else terms.log_weight).cpu().double())
    return torch.cat(found)


def _estimates(log_weights: Float[Tensor, "N B"], draws: int) -> Float[Tensor, "R B"]:
    """Independent estimates of log p(x) with so many draws each."""
    repeats = min(REPEATS, len(log_weights) // draws)
    return log_weights[: repeats * draws].unflatten(0, (repeats, draws)).logsumexp(1) - math.log(draws)


def _curve(log_weights: Float[Tensor, "N B"], draws: tuple[int, ...], best: Float[Tensor, " B"]) -> Curve:
    estimates = [_estimates(log_weights, k) for k in draws]
    return Curve(
        tuple(float(found.mean()) for found in estimates),
        tuple(float((found - best).square().mean().sqrt()) for found in estimates),
    )
