"""log p(x) by drawing z from the prior, and by drawing it from q: why the model needs a posterior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Size, Tensor

from lowerbound.errors import RecipeError
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
    """Two curves against K, the best estimate of log p(x) for each datum ``(B,)`` and how many draws it took."""

    draws: tuple[int, ...]
    prior: Curve
    posterior: Curve
    best: Float[Tensor, " B"]
    best_draws: int


@torch.no_grad()
def evidence(vae: VAE, values: Float[Tensor, "B *event"], draws: tuple[int, ...] = DRAWS, seed: int = 0) -> Evidence:
    """Estimates log 1/K Σ_k w_k of log p(x), with w = p(x|z) for z ~ p(z) and w = p(x|z) p(z)/q(z|x) for z ~ q(z|x).

    Both means are unbiased for p(x); their logarithms are too low on average, the more the fewer draws count. The error is
    against other draws, ``BEST`` times the greatest K, each of p(z) or of q(z|x) by the toss of a coin and weighted so: where q misses
    a part of p(z|x) no number of its own draws tells, and this mixture's weights are bounded by twice p(x|z) and twice q's.
    Source: Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519 (section 5);
    Owen and Zhou, "Safe and Effective Importance Sampling", 2000, https://doi.org/10.1080/01621459.2000.10473909 (the mixture).
    Errors: RecipeError where q has no density.
    """
    most = max(draws)
    with seeded(seed, "evidence", device=vae.device), vae.evaluating():
        x = vae.likelihood.observe(values.to(vae.device))
        best = _estimates(_log_weights(vae, x, BEST * most, share=0.5), BEST * most)[0]
        if not best.isfinite().all():
            raise RecipeError("this posterior has no density, so that its draws cannot be weighted; take a run with another one")
        prior = _curve(_log_weights(vae, x, most, share=1.0), draws, best)
        posterior = _curve(_log_weights(vae, x, most, share=0.0), draws, best)
    return Evidence(draws, prior, posterior, best, BEST * most)


def _log_weights(vae: VAE, x: Tensor, draws: int, share: float) -> Float[Tensor, "K B"]:
    """log w of draws of ``share`` p(z) + (1 − ``share``) q(z|x), so many a datum, a chunk at a time: only the weights are kept."""
    posterior, prior = vae.posterior(x), vae.prior()
    log_shares = torch.tensor([share, 1 - share], device=x.device).log()
    found = []
    for chunk in torch.arange(draws).split(max(1, VALUES // x.numel())):
        of_prior, z = prior.sample(Size([len(chunk), len(x)])), posterior.sample(Size([len(chunk)]))
        chosen = torch.rand(z.shape[:2], device=z.device) < share
        terms = vae.terms(x, posterior, torch.where(chosen.reshape(*chosen.shape, *[1] * (z.dim() - 2)), of_prior, z))
        proposal = torch.logaddexp(log_shares[0] + terms.log_prior, log_shares[1] + terms.log_posterior)
        found.append((terms.log_likelihood + terms.log_prior - proposal).cpu().double())
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
