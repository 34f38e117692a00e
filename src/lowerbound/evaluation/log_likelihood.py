"""log p(x) of each datum by importance sampling, with its error.

A datum is encoded once; draws are decoded a few at a time and leave nothing behind but running sums, so
that memory does not grow with their number. The noise of a datum follows from (seed, its row, the tile of draws), tiles
being of one size: neither the batch nor the memory changes a figure, beyond rounding, which the search for modes can
carry to about a hundredth of the standard error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, kl_divergence

from lowerbound.data.rows import Rows
from lowerbound.distributions import Delta
from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.evaluation import proposals
from lowerbound.evaluation.proposals import Mode
from lowerbound.nn.memory import COPIES, bytes_each, how_many
from lowerbound.nn.pruning import near
from lowerbound.system.seeding import seeded
from lowerbound.vae.model import VAE, log_density
from lowerbound.vae.objectives.kl import ClosedKL, kl_of

SAMPLES = 5_000
MEMORY = 2**30
#: draws whose noise is made in one go; part of what a seed means
TILE = 2_500
#: values of x decoded at once: enough for the matrix products, few enough for the processor's cache
VALUES = 2**20
#: draws that a law of z scores at once
TOGETHER = 2**13
#: data encoded, and their modes sought, in one go
ROWS = 64
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
        """Standard error of the mean over draws of z, these data given: √(Σ se²)/N. It shrinks with N, unlike ``bias``."""
        return float(self.se.square().sum().sqrt()) / len(self.se)

    @property
    def bias(self) -> float:
        """By about how much the mean is too low, since E log is below log E: −½ mean se², below 0; more data do not mend it."""
        return -0.5 * float(self.se.square().mean())


@torch.no_grad()
def log_likelihood(vae: VAE, data: Rows, samples: int = SAMPLES, *, memory: int = MEMORY, seed: int = 0) -> Density:
    """log p(x) ≈ log 1/K Σ_k w_k with w = p(x, z)/r(z), for each datum, K = ``samples``; log p(x|c) of a conditional model.

    r is the mixture of ``proposals``: q(z|x), two normals at the mode of p(z|x), and the prior, with fixed numbers of draws
    of each. The mean of w is unbiased for p(x); its logarithm is therefore too low, on average, by about
    ½ se². The error is by the delta method, sd(w)/(√K mean(w)), and can be trusted where ``ess`` is not just a few.
    ``memory`` is in bytes, besides the data and the model. Values are observed (binarized) once a datum.

    Sources: Burda et al., "Importance Weighted Autoencoders", 2015, https://arxiv.org/abs/1509.00519; Owen and Zhou, "Safe and
    Effective Importance Sampling", 2000, https://doi.org/10.1080/01621459.2000.10473909 (the mixture).
    Errors: UsageError for no samples or too little memory; RecipeError where q has no density; DataError where the likelihood
    cannot be a law of these data.
    """
    if samples < 1:
        raise UsageError(f"log p(x) needs 1 sample or more, not {samples}")
    if not len(data):
        raise DataError("there are no data to score")
    with vae.evaluating(), seeded(seed, "density", device=vae.device):
        given, first = observed(vae, data, [0], seed)
        sampler = _Sampler(vae, proposals.shares(given.prior(), samples), seed)
        return _joined(_parts(sampler, data, memory, given, first), len(data), sampler)


# --- rows ------------------------------------------------------------------------------------------


def observed(vae: VAE, data: Rows, rows: Sequence[int], seed: int) -> tuple[VAE, Float[Tensor, "B *event"]]:
    """The model given the contexts of some rows, and these as the likelihood sees them: the same for a row whichever others are with it."""
    vae.likelihood.admit(data[torch.as_tensor(rows)])
    return vae.read(data, torch.as_tensor(rows), observe=True, seed=seed)


def must_have_density(posterior: Distribution) -> None:
    """Raise RecipeError for a point, whose draws cannot be weighted and whose bound is −∞."""
    if isinstance(posterior, Delta):
        raise RecipeError("this posterior has no density, so that its draws cannot be weighted; take a run with another one")


@dataclass(frozen=True)
class _Sampler:
    """What stays the same from row to row."""

    vae: VAE
    counts: dict[str, int]  # how many draws come from where
    seed: int

    @property
    def samples(self) -> int:
        """K."""
        return sum(self.counts.values())

    @property
    def draws(self) -> tuple[int, ...]:
        """The numbers of draws of the curve."""
        most = self.counts["posterior"]
        return (*(k for k in CURVE if k < most), most)


@dataclass(frozen=True)
class _Data:
    """A few data, encoded, and the model given their contexts."""

    rows: list[int]
    vae: VAE
    x: Float[Tensor, "B *event"]
    output: Float[Tensor, "B features"]
    mode: Mode | None

    def laws(self, rows: slice = slice(None)) -> dict[str, Distribution]:
        """The laws of z that draws come from."""
        found = {"posterior": self.vae.posterior.law(self.output[rows], 1), "prior": self.vae.some(rows).prior()}
        if self.mode is not None:
            found |= {"mode": self.mode.law(rows), "wide": self.mode.law(rows, widening=2.0)}
        return found


def _parts(sampler: _Sampler, data: Rows, memory: int, given: VAE, first: Float[Tensor, "1 *event"]) -> Iterator[list[Tensor]]:
    """Encode some rows, then sample as few at a time as make a good matrix product; of rare sizes less, where memory asks for it."""
    z = given.posterior.centre(given.posterior(first))
    decoding = bytes_each(given.likelihood.network, *given.likelihood.inputs(z))
    encoding = bytes_each(given.posterior.network, *given.posterior.inputs(first))
    # the search for modes keeps every layer's output for its gradients and theirs, and tries several lengths of a step at once
    encoded = how_many(memory // 4, max(encoding, 8 * decoding), "encoding a datum", most=ROWS)
    decoded = how_many(memory // 2, decoding, "decoding a draw", most=max(1, VALUES // first.numel()))
    tile = min(TILE, sampler.samples)
    drawn = how_many(memory // 4, tile * z.element_size() * COPIES * (z.numel() + len(sampler.counts)), f"{tile:,} draws of z")
    together = min(drawn, max(1, decoded // tile))
    for rows in torch.arange(len(data)).split(encoded):
        for few in _encoded(sampler, data, rows.tolist(), together):
            yield _of_data(sampler, few, decoded)


def _encoded(sampler: _Sampler, data: Rows, rows: list[int], together: int) -> Iterator[_Data]:
    vae, x = observed(sampler.vae, data, rows, sampler.seed)
    output = vae.posterior.output(x)
    posterior = vae.posterior.law(output, 1)
    must_have_density(posterior)
    mode = None
    if "mode" in sampler.counts:
        prior = vae.prior()
        mode = proposals.find_mode(lambda z: vae.log_likelihood(x, z) + prior.log_prob(z), vae.posterior.centre(posterior))
    for start in range(0, len(rows), together):
        part = slice(start, start + together)
        yield _Data(rows[part], vae.some(part), x[part], output[part], mode and Mode(mode.loc[part], mode.root[part]))


def _of_data(sampler: _Sampler, few: _Data, decoded: int) -> list[Tensor]:
    sums = {name: _Sums(len(few.rows)) for name in sampler.counts}
    own = [few.laws(slice(i, i + 1)) for i in range(len(few.rows))]
    together = few.laws()
    for name, count in sampler.counts.items():
        for tile, start in enumerate(range(0, count, TILE)):
            z = _draw(sampler, name, tile, min(TILE, count - start), few, own)
            log_laws = {source: _log_prob(law, z, decoded) for source, law in together.items()}
            sums[name].add(_log_likelihood(few.vae, few.x, z, decoded), log_laws, sampler)
    of_q = sums["posterior"]
    return [*_estimate(list(sums.values()), sampler), of_q.log_likelihood / of_q.n, _kl(few, of_q), torch.stack(of_q.curve)]


def _log_likelihood(vae: VAE, x: Tensor, z: Float[Tensor, "K B latent"], decoded: int) -> Float[Tensor, "K B"]:
    """log p(x|z), a few draws at a time; the draws of one datum are close to one another, which makes them faster to decode."""
    some = z.split(max(1, decoded // len(x)))
    if len(x) > 1 or vae.likelihood.context is not None:
        return torch.cat([vae.log_likelihood(x, few) for few in some])
    decode, counted = near(vae.likelihood.network, z[:, 0]), vae.counted(x)
    return torch.cat([log_density(vae.likelihood.law(decode(few[:, 0])[:, None], 2), x, counted) for few in some])


def _log_prob(law: Distribution, z: Float[Tensor, "K B latent"], decoded: int) -> Float[Tensor, "K B"]:
    """A few draws at a time: a mixture makes a number for each of its components, a flow hundreds."""
    return torch.cat([law.log_prob(few) for few in z.split(max(1, min(decoded, TOGETHER) // z.shape[1]))])


def _draw(sampler: _Sampler, name: str, tile: int, n: int, few: _Data, own: list[dict[str, Distribution]]) -> Float[Tensor, "K B latent"]:
    drawn = []
    for row, laws in zip(few.rows, own, strict=True):
        with seeded(sampler.seed, name, row, tile, device=few.x.device):
            z = laws[name].sample(Size([n]))
        drawn.append(z if laws[name].batch_shape else z[:, None])
    return torch.cat(drawn, 1)


def _kl(few: _Data, of_q: _Sums) -> Float[Tensor, " B"]:
    posterior, prior = few.vae.posterior.law(few.output, 1), few.vae.prior()
    if kl_of(posterior, prior) == ClosedKL():
        return kl_divergence(posterior, prior).cpu().double()
    return of_q.log_ratio / of_q.n


# --- sums over draws -------------------------------------------------------------------------------


class _Sums:
    """Sums over the draws from one place for B data: of w and w² (as logarithms), of log p(x|z) and of log q − log p."""

    def __init__(self, size: int):
        self.n = 0
        self.log_w = torch.full((size,), -torch.inf, dtype=torch.double)
        self.log_w2 = self.log_w.clone()
        self.alone = self.log_w.clone()  # of p(x, z)/q(z|x)
        self.log_likelihood = torch.zeros(size, dtype=torch.double)
        self.log_ratio = self.log_likelihood.clone()
        self.curve: list[Tensor] = []

    def add(self, log_likelihood: Tensor, log_laws: dict[str, Tensor], sampler: _Sampler) -> None:
        """Take in some draws: log p(x|z), and the logarithms of all laws, each ``(K, B)``."""
        log_likelihood = log_likelihood.cpu().double()
        log_laws = {name: value.cpu().double() for name, value in log_laws.items()}
        log_prior, log_q = log_laws["prior"], log_laws["posterior"]
        self._extend_curve(log_likelihood + log_prior - log_q, sampler)
        parts = [log_laws[name] + math.log(count / sampler.samples) for name, count in sampler.counts.items()]
        log_w = log_likelihood + log_prior - torch.stack(parts).logsumexp(0)
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


def _estimate(sums: list[_Sums], sampler: _Sampler) -> tuple[Tensor, Tensor, Tensor]:
    """log p(x), its standard error and the effective sample size; what differs between the places is no error, their numbers are fixed."""
    total = torch.stack([part.log_w for part in sums]).logsumexp(0)
    square = torch.stack([part.log_w2 for part in sums]).logsumexp(0)
    variance = torch.zeros_like(total)
    for part in sums:
        mean, mean_square = (part.log_w - total).exp() / part.n, (part.log_w2 - 2 * total).exp() / part.n
        variance += (mean_square - mean**2).clamp(min=0) * part.n**2 / (part.n - 1) if part.n > 1 else math.nan
    return total - math.log(sampler.samples), variance.sqrt(), (2 * total - square).exp()


def _joined(parts: Iterator[list[Tensor]], rows: int, sampler: _Sampler) -> Density:
    """The figures of all data, in arrays made beforehand: a small one kept for each datum would come to lie amid the large ones that
    come and go, which then find no place any more, and the memory would grow with the data.
    """
    values: list[Tensor] = []
    done = 0
    for part in parts:
        values = values or [column.new_empty(*column.shape[:-1], rows) for column in part]
        here = slice(done, done + part[0].shape[-1])
        for value, column in zip(values, part, strict=True):
            value[..., here] = column
        done = here.stop
    names = [field.name for field in fields(Density)][: len(values)]
    return Density(**dict(zip(names, values, strict=True)), draws=sampler.draws, samples=sampler.samples)
