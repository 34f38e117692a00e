"""log p(x) of each datum by importance sampling, with its error.

A datum is encoded once; draws are decoded a few at a time and leave nothing behind but running sums, so
that memory does not grow with their number. The noise of a datum follows from (seed, its row, the tile of draws), tiles
being of one size: neither the batch nor the memory changes a figure, beyond the rounding of single precision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution

from lowerbound.errors import NoClosedForm, RecipeError, UsageError
from lowerbound.footprint import bytes_each, how_many
from lowerbound.laws import Delta
from lowerbound.model import VAE, Rows
from lowerbound.objectives import ClosedKL, Terms
from lowerbound.seeding import seeded

SAMPLES = 5_000
MEMORY = 2**30
#: draws whose noise is made in one go; part of what a seed means
TILE = 1_000
#: every so many draws come from the prior instead of q(z|x)
PRIOR_SHARE = 0.1
#: values of x decoded at once: enough for the matrix products, few enough for the processor's cache
VALUES = 2**19
#: numbers of draws at which the curve is kept, besides all
CURVE = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Density:
    """log p(x) of N data, each ``(N,)`` in nats, as doubles on the CPU.

    ``log_p`` is log 1/K Σ w and ``se`` its standard error over draws; ``ess`` is (Σ w)²/Σ w², how many draws of
    p(z|x) itself they are worth. ``log_likelihood_term`` is E_q[log p(x|z)] and ``kl`` KL(q(z|x) ‖ p(z)); the ELBO is
    their difference. ``curve`` ``(C, N)`` are the estimates by the first ``draws`` draws of q(z|x) alone.
    """

    log_p: Float[Tensor, " N"]
    se: Float[Tensor, " N"]
    ess: Float[Tensor, " N"]
    log_likelihood_term: Float[Tensor, " N"]
    kl: Float[Tensor, " N"]
    curve: Float[Tensor, "C N"]
    draws: tuple[int, ...]
    samples: int

    @property
    def elbo(self) -> Float[Tensor, " N"]:
        """E_q[log p(x|z)] − KL(q(z|x) ‖ p(z)), by the same draws of q."""
        return self.log_likelihood_term - self.kl

    @property
    def mean(self) -> float:
        """Mean log p(x)."""
        return float(self.log_p.mean())

    @property
    def se_data(self) -> float:
        """Standard error of the mean as an estimate for other data of the same kind: sd over data / √N; NaN for one."""
        return float(self.log_p.std()) / math.sqrt(len(self.log_p)) if len(self.log_p) > 1 else math.nan

    @property
    def se_samples(self) -> float:
        """Standard error of the mean over draws of z, these data given: √(Σ se²)/N."""
        return float(self.se.square().sum().sqrt()) / len(self.se)


@torch.no_grad()
def log_likelihood(vae: VAE, data: Rows, samples: int = SAMPLES, *, memory: int = MEMORY, seed: int = 0) -> Density:
    """log p(x) ≈ log 1/K Σ_k w_k with w = p(x, z)/r(z), for each datum, K = ``samples``.

    r is q(z|x) for nine draws in ten and the prior for the tenth, together the mixture r = .9 q + .1 p, so that w ≤ 10 p(x|z) where
    q misses a part of p(z|x). The mean of w is unbiased for p(x); its logarithm is therefore too low, on average, by about
    ½ se². The error is by the delta method, sd(w)/(√K mean(w)), and can be trusted where ``ess`` is not just a few.
    ``memory`` is in bytes, besides the data and the model. Values are observed (binarized) once a datum.

    Sources: Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519; Owen and Zhou, "Safe and
    Effective Importance Sampling", 2000, https://doi.org/10.1080/01621459.2000.10473909 (the mixture).
    Errors: UsageError for no samples or too little memory; RecipeError where q has no density; DataError where the likelihood
    cannot be a law of these data.
    """
    if samples < 1:
        raise UsageError(f"log p(x) needs 1 sample or more, not {samples}")
    with vae.evaluating():
        sampler = _Sampler(vae, vae.prior(), samples, memory, seed)
        return _joined(list(_blocks(sampler, data)), sampler)


# --- rows ------------------------------------------------------------------------------------------


def observed(vae: VAE, data: Rows, rows: Sequence[int], seed: int) -> Float[Tensor, "B *event"]:
    """Some rows as the likelihood sees them, on the model's device: the same for a row whichever others are with it."""
    values = data[torch.as_tensor(rows)].to(vae.device)
    vae.likelihood.check(values)
    seen = []
    for row, value in zip(rows, values.split(1), strict=True):
        with seeded(seed, "observed", row, device=vae.device):
            seen.append(vae.likelihood.observe(value))
    return torch.cat(seen)


@dataclass
class _Sampler:
    """What stays the same from row to row."""

    vae: VAE
    prior: Distribution
    samples: int
    memory: int
    seed: int

    @property
    def strata(self) -> tuple[int, int]:
        """How many draws are of q and how many of the prior: none of that where there would be no two, to tell their error."""
        of_prior = round(self.samples * PRIOR_SHARE)
        of_prior = of_prior if of_prior > 1 else 0
        return self.samples - of_prior, of_prior

    @property
    def draws(self) -> tuple[int, ...]:
        """The numbers of draws of the curve."""
        most = self.strata[0]
        return (*(k for k in CURVE if k < most), most)


def _blocks(sampler: _Sampler, data: Rows) -> Iterator[list[Tensor]]:
    """Encode as many rows as fit, then sample as few as make a good matrix product."""
    vae = sampler.vae
    first = observed(vae, data, [0], sampler.seed)
    encoded = how_many(sampler.memory // 2, bytes_each(vae.posterior.network, first), "encoding a datum")
    latents = sampler.prior.sample(Size([1]))
    width = bytes_each(vae.likelihood.network, latents)
    decoded = how_many(sampler.memory // 2, width, "decoding a draw", most=max(1, VALUES // first.numel()))
    together = max(1, decoded // min(TILE, sampler.samples))
    for rows in torch.arange(len(data)).split(min(1000, encoded)):
        x = observed(vae, data, rows.tolist(), sampler.seed)
        output = vae.posterior.output(x)
        for part in torch.arange(len(rows)).split(together):
            yield _of_rows(sampler, x[part], output[part], rows[part].tolist(), decoded)


def _of_rows(sampler: _Sampler, x: Tensor, output: Tensor, rows: list[int], decoded: int) -> list[Tensor]:
    laws = [sampler.vae.posterior.law(one, 1) for one in output.split(1)]
    if isinstance(laws[0], Delta):
        raise RecipeError("this posterior has no density, so that its draws cannot be weighted; take a run with another one")
    of_q, of_prior = _Sums(x), _Sums(x)
    for sums, n, name in zip((of_q, of_prior), sampler.strata, ("q", "prior"), strict=True):
        for tile, start in enumerate(range(0, n, TILE)):
            size = Size([min(TILE, n - start)])
            drawn = []
            for law, row in zip(laws, rows, strict=True):
                with seeded(sampler.seed, name, row, tile, device=x.device):
                    drawn.append(law.sample(size) if sums is of_q else sampler.prior.sample(size)[:, None])
            z = torch.cat(drawn, 1)
            log_q = torch.cat([law.log_prob(one) for law, one in zip(laws, drawn, strict=True)], 1)
            log_likelihood = torch.cat([sampler.vae.log_likelihood(x, few) for few in z.split(max(1, decoded // len(rows)))])
            sums.add(log_likelihood, sampler.prior.log_prob(z), log_q, sampler)
    kl = _kl(sampler, output, of_q)
    return [*_estimate(of_q, of_prior, sampler), of_q.log_likelihood / of_q.n, kl, torch.stack(of_q.curve)]


def _kl(sampler: _Sampler, output: Tensor, of_q: _Sums) -> Float[Tensor, " B"]:
    posterior = sampler.vae.posterior.law(output, 1)
    nothing = output.new_zeros(1, len(output))
    try:
        return ClosedKL().fixed(Terms(nothing, nothing, sampler.prior, posterior)).cpu().double()
    except NoClosedForm:
        return of_q.log_ratio / of_q.n


# --- sums over draws -------------------------------------------------------------------------------


class _Sums:
    """Sums over the draws of one stratum for B data: of w and w² (as logarithms), of log p(x|z) and of log q − log p."""

    def __init__(self, x: Tensor):
        self.n = 0
        self.log_w = torch.full((len(x),), -torch.inf, dtype=torch.double)
        self.log_w2 = self.log_w.clone()
        self.log_likelihood = torch.zeros(len(x), dtype=torch.double)
        self.log_ratio = self.log_likelihood.clone()
        self.alone = self.log_w.clone()  # of p(x, z)/q(z|x)
        self.curve: list[Tensor] = []

    def add(self, log_likelihood: Tensor, log_prior: Tensor, log_q: Tensor, sampler: _Sampler) -> None:
        """Take in some draws, each term ``(K, B)``."""
        log_likelihood, log_prior, log_q = (term.cpu().double() for term in (log_likelihood, log_prior, log_q))
        self._extend_curve(log_likelihood + log_prior - log_q, sampler)
        log_w = log_likelihood + log_prior - _mixed(log_q, log_prior, sampler)
        self.log_w = torch.logaddexp(self.log_w, log_w.logsumexp(0))
        self.log_w2 = torch.logaddexp(self.log_w2, (2 * log_w).logsumexp(0))
        self.log_likelihood = self.log_likelihood + log_likelihood.sum(0)
        self.log_ratio = self.log_ratio + (log_q - log_prior).sum(0)
        self.n += len(log_w)

    def _extend_curve(self, alone: Tensor, sampler: _Sampler) -> None:
        for k in sampler.draws[len(self.curve) :]:
            if k <= self.n + len(alone):
                self.curve.append(torch.logaddexp(self.alone, alone[: k - self.n].logsumexp(0)) - math.log(k))
        self.alone = torch.logaddexp(self.alone, alone.logsumexp(0))


def _mixed(log_q: Tensor, log_prior: Tensor, sampler: _Sampler) -> Tensor:
    """log r(z), the law of all draws together."""
    of_q, of_prior = sampler.strata
    if not of_prior:
        return log_q
    return torch.logaddexp(log_q + math.log(of_q / sampler.samples), log_prior + math.log(of_prior / sampler.samples))


def _estimate(of_q: _Sums, of_prior: _Sums, sampler: _Sampler) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x), its standard error and the effective sample size; what differs between strata is no error, as their sizes are fixed."""
    total = torch.logaddexp(of_q.log_w, of_prior.log_w)
    variance = torch.zeros_like(total)
    for sums in (of_q, of_prior):
        if sums.n > 1:
            mean, square = (sums.log_w - total).exp() / sums.n, (sums.log_w2 - 2 * total).exp() / sums.n
            variance += (square - mean**2).clamp(min=0) * sums.n**2 / (sums.n - 1)
        elif sums.n:
            variance += math.nan
    ess = (2 * total - torch.logaddexp(of_q.log_w2, of_prior.log_w2)).exp()
    return total - math.log(sampler.samples), variance.sqrt(), ess


def _joined(blocks: list[list[Tensor]], sampler: _Sampler) -> Density:
    values = [torch.cat(parts, -1) for parts in zip(*blocks, strict=True)]
    names = [field.name for field in fields(Density)][: len(values)]
    return Density(**dict(zip(names, values, strict=True)), draws=sampler.draws, samples=sampler.samples)
