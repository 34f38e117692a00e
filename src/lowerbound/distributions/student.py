"""Student-t's by what a network gives for them, scored in one pass: the numbers of tables with holes.

log p(x) = A(ν) − log σ − ½ (ν + 1) log(1 + y²/ν) with y = (x − loc)/σ and A(ν) = log Γ((ν + 1)/2) − log Γ(ν/2) − ½ log πν. In single
precision the Γ's of a large ν differ by less than they are rounded; but A is a smooth function of 1/ν, and a polynomial has all its digits.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import softplus

from lowerbound.distributions.double import in_double
from lowerbound.distributions.shapes import broadcast_shapes
from lowerbound.system.operations import operation


class RawStudentT(Distribution):
    """n laws side by side, of a network's ``output`` ``(*batch, 3n)``: n locations, then n numbers for σ, then n for ν.

    σ = ``floor`` + softplus(s) and ν = ``least`` + ``floor`` + softplus(f + ``more`` + ``least``); from 2 on there is a variance. ``more``
    ``(n,)`` is 0 unless it is said; much more makes a normal.
    """

    arg_constraints = {"output": constraints.real_vector}  # noqa: RUF012 - torch's own annotation
    support = constraints.real

    def __init__(
        self, output: Float[Tensor, "*batch parameters"], floor: float, least: float = 2.0, more: Float[Tensor, " n"] | None = None
    ):
        self.output, self.floor, self.least = output, floor, least
        self.more = output.new_zeros(output.shape[-1] // 3) if more is None else more
        super().__init__(torch.Size([*output.shape[:-1], output.shape[-1] // 3]), validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> RawStudentT:
        """The same laws over more batches."""
        return RawStudentT(self.output.expand(*batch_shape[:-1], self.output.shape[-1]), self.floor, self.least, self.more)

    @property
    def loc(self) -> Tensor:
        """The locations."""
        return self.output.chunk(3, -1)[0]

    @property
    def scale(self) -> Tensor:
        """σ, not the standard deviation."""
        return _of_output(self.output, self.more, self.floor, self.least)[1]

    @property
    def df(self) -> Tensor:
        """The degrees of freedom ν."""
        return _of_output(self.output, self.more, self.floor, self.least)[2]

    @property
    def mean(self) -> Tensor:
        """The location."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """σ² ν/(ν − 2)."""
        _, scale, df = _of_output(self.output, self.more, self.floor, self.least)
        return scale.square() * df / (df - 2)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws, differentiable in the output."""
        loc, scale, df = _of_output(self.output, self.more, self.floor, self.least)
        return torch.distributions.StudentT(df, loc, scale, validate_args=False).rsample(sample_shape)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of each value, nats."""
        shape = broadcast_shapes(value.shape, self.batch_shape)
        output = self.output.expand(*shape[:-1], self.output.shape[-1])
        found: Tensor = _LogProb.apply(value.contiguous(), output.contiguous(), self.more, self.floor, self.least)  # type: ignore[no-untyped-call]
        return found


def _of_output(output: Tensor, more: Tensor, floor: float, least: float) -> tuple[Tensor, Tensor, Tensor]:
    """Locations, σ and ν of a network's numbers."""
    loc, scale, freedom = output.chunk(3, -1)
    return loc, floor + softplus(scale), least + floor + softplus(freedom + more + least)


class _LogProb(torch.autograd.Function):
    """log p of values, whose shape may be the last part of the laws'; the slopes are found along with it."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, output: Tensor, more: Tensor, floor: float, least: float) -> Tensor:
        """log p of each value."""
        wanted = any(ctx.needs_input_grad)
        slope = torch.empty(output.shape if wanted else (0,), dtype=output.dtype, device=output.device)
        found = log_prob_of_students(value, output, more, floor, least, slope)
        ctx.save_for_backward(value, output, more, slope)
        ctx.numbers = floor, least
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The slopes times the gradient; made of torch's lines where a derivative of them is wanted too."""
        value, output, more, slope = ctx.saved_tensors
        if torch.is_grad_enabled():
            slope = _slopes(value, output, more, *ctx.numbers)
        n = output.shape[-1] // 3
        of_output = (slope.unflatten(-1, (3, n)) * gradients[0].unsqueeze(-2)).flatten(-2)
        of_value = -of_output[..., :n].sum_to_size(value.shape) if ctx.needs_input_grad[0] else None
        return of_value, of_output, None, None, None


@operation("log_prob_of_students(Tensor value, Tensor output, Tensor more, float floor, float least, Tensor(a!) slope) -> Tensor")
def log_prob_of_students(
    value: Float[Tensor, "*values"],
    output: Float[Tensor, "*batch parameters"],
    more: Float[Tensor, " n"],
    floor: float,
    least: float,
    slope: Float[Tensor, "*some"],
) -> Float[Tensor, "*batch n"]:
    """log p, and into ``slope``, where it is not empty, its derivatives in the network's output."""
    if slope.numel():
        slope.copy_(_slopes(value, output, more, floor, least))

    def log_prob(value: Tensor, output: Tensor, more: Tensor) -> Tensor:
        loc, scale, freedom = _of_output(output, more, floor, least)
        half = (freedom + 1) / 2
        gammas = torch.lgamma(half) - torch.lgamma(freedom / 2) - (math.pi * freedom).log() / 2
        return gammas - scale.log() - half * (((value - loc) / scale).square() / freedom).log1p()

    return in_double(log_prob, value, output, more)


def _slopes(value: Tensor, output: Tensor, more: Tensor, floor: float, least: float) -> Tensor:
    """∂ log p in locations, in the numbers for σ and in those for ν."""

    def slopes(value: Tensor, output: Tensor, more: Tensor) -> Tensor:
        """By ∂ log p/∂σ and ∂ log p/∂ν, and how σ and ν follow their numbers."""
        _, raw_scale, raw_freedom = output.chunk(3, -1)
        loc, scale, freedom = _of_output(output, more, floor, least)
        square = ((value - loc) / scale).square() / freedom
        outside = square / (1 + square)
        of_loc = (freedom + 1) * (value - loc) / (scale.square() * freedom * (1 + square))
        of_scale = ((freedom + 1) * outside - 1) / scale
        gammas = (torch.digamma((freedom + 1) / 2) - torch.digamma(freedom / 2) - 1 / freedom) / 2
        of_freedom = gammas - square.log1p() / 2 + (freedom + 1) / (2 * freedom) * outside
        return torch.cat([of_loc, of_scale * raw_scale.sigmoid(), of_freedom * (raw_freedom + more + least).sigmoid()], -1)

    return in_double(slopes, value, output, more)
