"""Laws of counts by mean μ and dispersion θ, as single cells are described: the negative binomial, and the same with more zeros.

log NB(x; μ, θ) = log Γ(x + θ) − log Γ(θ) − log Γ(x + 1) + θ log(θ/(θ + μ)) + x log(μ/(θ + μ)), whose variance is μ + μ²/θ; a Poisson as
θ → ∞. In single precision the Γ's of a large θ differ by less than they are rounded, so that counts above 0 are scored in double. Of such
data nine in ten are 0, and log NB(0; μ, θ) = −θ log(1 + μ/θ) needs neither a Γ nor more digits.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import logsigmoid


class NegativeBinomial(Distribution):
    """NB(μ, θ), given by log μ and log θ: counts of mean μ and variance μ + μ²/θ. A log μ of −∞ is a count that is always 0.

    Source: Lopez et al., "Deep generative modeling for single-cell transcriptomics", 2018, https://doi.org/10.1038/s41592-018-0229-2.
    """

    arg_constraints = {"log_mean": constraints.real, "log_dispersion": constraints.real}  # noqa: RUF012 - torch's own annotation
    support = constraints.nonnegative_integer

    def __init__(self, log_mean: Tensor, log_dispersion: Tensor):
        self.log_mean, self.log_dispersion = log_mean, log_dispersion
        super().__init__(torch.broadcast_shapes(log_mean.shape, log_dispersion.shape), validate_args=False)

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
        shape = torch.broadcast_shapes(value.shape, self.batch_shape)
        whole = shape or (1,)  # a number alone has no places
        found: Tensor = _LogProb.apply(value.expand(whole), self.log_mean.expand(whole), self.log_dispersion)  # type: ignore[no-untyped-call]
        return found.view(shape)


class ZeroInflated(Distribution):
    """A count that with probability π = S(logits), S the logistic function, is 0 whatever ``counts`` says, and else a draw of that.

    log p(0) = log(π + (1 − π) NB(0)), log p(x) = log(1 − π) + log NB(x) of others. Source: as for ``NegativeBinomial``.
    """

    arg_constraints = {"logits": constraints.real}  # noqa: RUF012 - torch's own annotation
    support = constraints.nonnegative_integer

    def __init__(self, counts: NegativeBinomial, logits: Tensor):
        self.counts, self.logits = counts, logits
        super().__init__(torch.broadcast_shapes(counts.batch_shape, logits.shape), validate_args=False)

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
        counted = logsigmoid(-self.logits) + self.counts.log_prob(value)
        return torch.where(value == 0, torch.logaddexp(logsigmoid(self.logits), counted), counted)


class _LogProb(torch.autograd.Function):
    """log NB(x; μ, θ) of x and log μ of one shape and of log θ, which may be smaller; differentiable as often as wanted.

    ∂/∂log μ = θ (x − μ)/(θ + μ) and ∂/∂log θ = θ (ψ(x + θ) − ψ(θ) − log(1 + μ/θ) + (μ − x)/(θ + μ)).
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
        """log NB of each count."""
        theta = log_dispersion.exp()
        found = -theta * torch.log1p(log_mean.exp() / theta)
        ctx.some = value.nonzero(as_tuple=True)
        ctx.save_for_backward(value, log_mean, log_dispersion)
        return found.index_put(ctx.some, _of_some(*_doubled(ctx.some, value, log_mean, log_dispersion)).to(found.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The derivatives, times the gradient."""
        value, log_mean, log_dispersion = ctx.saved_tensors
        mean, theta = log_mean.exp(), log_dispersion.exp()
        slope = theta * (value - mean) / (theta + mean)
        of_theta = None
        if ctx.needs_input_grad[2]:
            each = -theta * torch.log1p(mean / theta) - slope  # of a 0
            each = each.index_put(ctx.some, _slope_of_some(*_doubled(ctx.some, value, log_mean, log_dispersion)).to(each.dtype))
            of_theta = (gradients[0] * each).sum_to_size(log_dispersion.shape)
        return None, gradients[0] * slope, of_theta


def _doubled(some: tuple[Tensor, ...], value: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """These counts, with their log μ and log θ, in double precision."""
    return value[some].double(), log_mean[some].double(), log_dispersion.expand_as(value)[some].double()


def _of_some(value: Float[Tensor, " n"], log_mean: Float[Tensor, " n"], log_dispersion: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    theta = log_dispersion.exp()
    log_both = torch.logaddexp(log_mean, log_dispersion)
    gammas = torch.lgamma(value + theta) - torch.lgamma(theta) - torch.lgamma(value + 1)
    return gammas + theta * (log_dispersion - log_both) + value * (log_mean - log_both)


def _slope_of_some(value: Float[Tensor, " n"], log_mean: Float[Tensor, " n"], log_dispersion: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    mean, theta = log_mean.exp(), log_dispersion.exp()
    gammas = torch.digamma(value + theta) - torch.digamma(theta)
    return theta * (gammas - torch.log1p(mean / theta) + (mean - value) / (theta + mean))
