"""Laws of counts by mean μ and dispersion θ, as single cells are described: the negative binomial, and the same with more zeros.

log NB(x; μ, θ) = log Γ(x + θ) − log Γ(θ) − log Γ(x + 1) + θ log(θ/(θ + μ)) + x log(μ/(θ + μ)), whose variance is μ + μ²/θ; a Poisson as
θ → ∞. In single precision the Γ's of a large θ differ by less than they are rounded. But nine in ten of such data are 0, and
log NB(0; μ, θ) = −θ log(1 + μ/θ) has no Γ; of most others, which are small, the Γ's are a product of x factors; the few large ones are
scored in double precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import logsigmoid

from lowerbound.distributions.shapes import broadcast_shapes
from lowerbound.system.operations import in_graphs, operation

LISTED = 16  # counts up to this are nearly all that there are


class NegativeBinomial(Distribution):
    """NB(μ, θ), given by log μ and log θ: counts of mean μ and variance μ + μ²/θ. A log μ of −∞ is a count that is always 0.

    Source: Lopez et al., "Deep generative modeling for single-cell transcriptomics", 2018, https://doi.org/10.1038/s41592-018-0229-2.
    """

    arg_constraints = {"log_mean": constraints.real, "log_dispersion": constraints.real}  # noqa: RUF012 - torch's own annotation
    support = constraints.nonnegative_integer

    def __init__(self, log_mean: Tensor, log_dispersion: Tensor):
        self.log_mean, self.log_dispersion = log_mean, log_dispersion
        super().__init__(broadcast_shapes(log_mean.shape, log_dispersion.shape), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> NegativeBinomial:
        """The same law over more batches."""
        return NegativeBinomial(self.log_mean.expand(batch_shape), self.log_dispersion)

    @property
    def mean(self) -> Tensor:
        """The mean μ."""
        return self.log_mean.exp().expand(self.batch_shape)

    @property
    def variance(self) -> Tensor:
        """μ + μ²/θ."""
        return self.mean + (2 * self.log_mean - self.log_dispersion).exp()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """A Poisson draw, whose rate is a draw of a Gamma with mean μ and shape θ."""
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            gamma = torch._standard_gamma(self.log_dispersion.exp().expand(shape).contiguous())
            return torch.poisson(gamma * (self.log_mean - self.log_dispersion).exp())

    def log_prob(self, value: Tensor) -> Tensor:
        """log NB(x; μ, θ), nats."""
        shape = broadcast_shapes(value.shape, self.batch_shape)
        last = shape[len(shape) - self.log_dispersion.dim() :]
        log_dispersion = self.log_dispersion if self.log_dispersion.numel() == 1 else self.log_dispersion.expand(last)
        found: Tensor = _LogProb.apply(value.expand(shape), self.log_mean.expand(shape), log_dispersion)  # type: ignore[no-untyped-call]
        return found


class ZeroInflated(Distribution):
    """A count that with probability π = S(logits), S the logistic function, is 0 whatever ``counts`` says, and else a draw of that.

    log p(0) = log(π + (1 − π) NB(0)), log p(x) = log(1 − π) + log NB(x) of others. Source: as for ``NegativeBinomial``.
    """

    arg_constraints = {"logits": constraints.real}  # noqa: RUF012 - torch's own annotation
    support = constraints.nonnegative_integer

    def __init__(self, counts: Distribution, logits: Tensor):
        self.counts, self.logits = counts, logits
        super().__init__(broadcast_shapes(counts.batch_shape, logits.shape), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> ZeroInflated:
        """The same law over more batches."""
        return ZeroInflated(self.counts.expand(batch_shape), self.logits.expand(batch_shape))

    @property
    def mean(self) -> Tensor:
        """(1 − π) μ."""
        return torch.sigmoid(-self.logits) * self.counts.mean

    @property
    def variance(self) -> Tensor:
        """(1 − π) (σ² + π μ²), of the mean and the variance of ``counts``."""
        return torch.sigmoid(-self.logits) * (self.counts.variance + torch.sigmoid(self.logits) * self.counts.mean.square())

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """A draw of the counts, some of them made 0."""
        drawn = self.counts.sample(sample_shape)
        with torch.no_grad():
            return drawn.masked_fill(torch.rand_like(drawn) < torch.sigmoid(self.logits), 0.0)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x), nats."""
        log_more = logsigmoid(self.logits)
        counted = log_more - self.logits + self.counts.log_prob(value)  # log S(−l) = log S(l) − l
        return torch.where(value == 0, torch.logaddexp(log_more, counted), counted)


class _LogProb(torch.autograd.Function):
    """log NB(x; μ, θ) of x and log μ of one shape and of log θ, of that or of its last axes; differentiable as often as wanted.

    ∂/∂log μ = θ (x − μ)/(θ + μ) and ∂/∂log θ = θ (ψ(x + θ) − ψ(θ) − log(1 + μ/θ) + (μ − x)/(θ + μ)). Both are found along with the value,
    whose Γ's and logarithms they share, and made anew where a derivative of them is wanted too.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
        """log NB of each count."""
        shape = log_mean.shape if any(ctx.needs_input_grad) else (0,)
        slopes = [torch.empty(shape, dtype=log_mean.dtype, device=log_mean.device) for _ in range(2)]
        found = log_prob_of_counts(value, log_mean, log_dispersion, *slopes)
        ctx.save_for_backward(value, log_mean, log_dispersion, *slopes)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The derivatives, times the gradient."""
        value, log_mean, log_dispersion, *slopes = ctx.saved_tensors
        if torch.is_grad_enabled():
            _, *slopes = _of_all(value, log_mean, log_dispersion, True)
        of_mean, of_dispersion = (gradients[0] * slope for slope in slopes)
        return None, of_mean, of_dispersion.sum_to_size(log_dispersion.shape)


@operation(
    "log_prob_of_counts(Tensor value, Tensor log_mean, Tensor log_dispersion, Tensor(a!) of_mean, Tensor(b!) of_dispersion) -> Tensor"
)
def log_prob_of_counts(
    value: Float[Tensor, "*shape"],
    log_mean: Float[Tensor, "*shape"],
    log_dispersion: Float[Tensor, "*event"],
    of_mean: Float[Tensor, "*some"],
    of_dispersion: Float[Tensor, "*some"],
) -> Float[Tensor, "*shape"]:
    """log NB, and into the last two, where they are not empty, its derivatives in log μ and log θ."""
    found, *slopes = _of_all(value, log_mean, log_dispersion, of_mean.numel() > 0)
    for place, slope in zip((of_mean, of_dispersion), slopes, strict=False):
        place.copy_(slope)
    return found


@in_graphs("log_prob_of_counts")
def _(value: Tensor, log_mean: Tensor, log_dispersion: Tensor, *_: Tensor) -> Tensor:
    """Of all as of large counts."""
    return _of_large(False, *(each.double() for each in (value, log_mean, log_dispersion)))[0].to(log_mean.dtype)


def _of_all(value: Tensor, log_mean: Tensor, log_dispersion: Tensor, wanted: bool) -> tuple[Tensor, ...]:
    """log NB, and where ``wanted`` its derivatives in log μ and log θ: of all as if they were 0, and then of the others."""
    some = _places(value.reshape(-1) != 0)
    mean, theta = log_mean.exp(), log_dispersion.exp()
    ratio = mean / theta
    log_ratio = torch.log1p(ratio)  # log((θ + μ)/θ)
    found = log_ratio * -theta  # of a 0
    slopes: tuple[Tensor, ...] = ()
    if wanted:
        slope = (value - mean) / (1 + ratio)
        slopes = slope, found - slope
    counts, log_means, log_ratios, *now = _at(some, value, log_mean, log_ratio, found, *slopes)
    places, large = some % theta.numel(), _places((counts > LISTED) | (counts != counts.round()))
    gammas = _listed(counts, theta.reshape(-1), places, wanted)
    now[::2] = [before + more for before, more in zip(now[::2], gammas, strict=True)]
    now[0] = now[0] + counts * (log_means - log_ratios)
    some_large = *_at(large, counts, log_means), *_at(_at(large, places)[0], log_dispersion)
    few = _of_large(wanted, *(part.double() for part in some_large))
    now = [_put(all_of_them, large, part) for all_of_them, part in zip(now, few, strict=True)]
    return _put(found, some, now[0]), *(_put(each, some, part) for each, part in zip(slopes, now[1:], strict=True))


def _listed(value: Float[Tensor, " n"], theta: Float[Tensor, " G"], places: Int64[Tensor, " n"], wanted: bool) -> list[Tensor]:
    """log Γ(x + θ)/(Γ(θ) Γ(x + 1) θˣ), and where ``wanted`` θ (ψ(x + θ) − ψ(θ)), of counts up to ``LISTED``, θ being at those places.

    They are sums over i < x, of log((1 + i/θ)/(1 + i)) and of 1/(1 + i/θ), and are looked up.
    """
    i = torch.arange(LISTED, dtype=theta.dtype, device=theta.device)[:, None]
    share = 1 + i / theta
    sums = [(share / (1 + i)).log().cumsum(0), *([share.reciprocal().cumsum(0)] if wanted else [])]
    return _at((value.clamp(1, LISTED).long() - 1) * len(theta) + places, *sums)


def _of_large(wanted: bool, value: Tensor, log_mean: Tensor, log_theta: Tensor) -> tuple[Tensor, ...]:
    """log NB, and where ``wanted`` its derivatives in log μ and log θ, of any counts, in double precision."""
    theta, mean = log_theta.exp(), log_mean.exp()
    log_ratio, both = torch.log1p(mean / theta), value + theta
    gammas = torch.lgamma(both) - torch.lgamma(theta) - torch.lgamma(value + 1)
    found = gammas - both * log_ratio + value * (log_mean - log_theta)
    if not wanted:
        return (found,)
    slope = (value - mean) / (theta + mean)
    return found, theta * slope, theta * (torch.digamma(both) - torch.digamma(theta) - log_ratio - slope)


def _at(places: Int64[Tensor, " n"], *tensors: Tensor) -> list[Tensor]:
    """What tensors have at some places, counted through all their axes."""
    return [tensor.reshape(-1).index_select(0, places) for tensor in tensors]


def _put(values: Tensor, some: Int64[Tensor, " n"], found: Float[Tensor, " n"]) -> Tensor:
    """The values, those at some places others; in their own memory where nothing else is made of them."""
    flat, found = values.reshape(-1), found.to(values.dtype)
    return (flat.index_copy(0, some, found) if torch.is_grad_enabled() else flat.index_copy_(0, some, found)).view(values.shape)


def _places(true: Bool[Tensor, " n"]) -> Int64[Tensor, " m"]:
    """Where it is true; in CPU memory by NumPy, in a third of torch's time."""
    return torch.from_numpy(np.flatnonzero(true.numpy())) if true.device.type == "cpu" else true.nonzero()[:, 0]
