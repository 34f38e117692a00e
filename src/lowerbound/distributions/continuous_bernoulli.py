"""The continuous Bernoulli: the density on [0, 1] that a cross-entropy of greys is, once it has its constant."""

from __future__ import annotations

from typing import Any

import torch
from torch import Size, Tensor
from torch import distributions as td
from torch.distributions import constraints

SMALL = 0.25  # half logits of less: by series, right to 1e-13
LEAST = 1e-6  # of a logit: a law that no draw tells from the uniform


class ContinuousBernoulli(td.Distribution):
    """p(x) = l e^(lx)/(eˡ − 1) on [0, 1], of ``logits`` l ``(*batch,)``; uniform at l = 0.

    torch's law goes by S(l), whose digits end where l is small or large: in single precision its variance at l = .0041 is .25, where 1/12
    is right, and its log p at l = 100 is off by 1.8 nats. Here all is said of l, with u = |l|/2.
    Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli", 2019, https://arxiv.org/abs/1907.06845.
    """

    arg_constraints = {"logits": constraints.real}  # noqa: RUF012 torch's name and kind
    support = constraints.unit_interval
    has_rsample = True

    def __init__(self, logits: Tensor, validate_args: bool | None = None):
        self.logits = logits
        super().__init__(logits.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> ContinuousBernoulli:
        """The same law over more batches."""
        return ContinuousBernoulli(self.logits.expand(batch_shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """(x − ½) l − log(sinh u/u), nats; of a large l by the distance from the end that has the mass."""
        if self._validate_args:
            self._validate_sample(value)
        small, low, square, high = _split(self.logits / 2)
        series = square * (1 / 6 - square * (1 / 180 - square * (1 / 2835 - square * (1 / 37800 - square / 467775))))
        size = 2 * high.abs()
        end = size.log() - torch.log(-torch.expm1(-size))
        far = torch.where(high > 0, 1 - value, value)
        return torch.where(small, (2 * value - 1) * low - series, end - far * size)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws ``(*sample_shape, *batch)``, differentiable in l: F⁻¹(U)."""
        shape = self._extended_shape(sample_shape)
        return self.icdf(torch.rand(shape, dtype=self.logits.dtype, device=self.logits.device))

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008 torch's own default
        """The same, as constants."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def icdf(self, value: Tensor) -> Tensor:
        """F⁻¹(U) = log(1 + U (eˡ − 1))/l."""
        size, up = self.logits.abs().clamp(min=LEAST), self.logits > 0
        rank = torch.where(up, 1 - value, value)
        far = (-torch.log1p(rank * torch.expm1(-size)) / size).clamp(0, 1)
        return torch.where(up, 1 - far, far)

    @property
    def mean(self) -> Tensor:
        """½ + ½ (coth u − 1/u), here of u = l/2."""
        small, low, square, high = _split(self.logits / 2)
        series = low * (1 / 3 - square * (1 / 45 - square * (2 / 945 - square * (1 / 4725 - square * (2 / 93555)))))
        return 0.5 + torch.where(small, series, high.tanh().reciprocal() - high.reciprocal()) / 2

    @property
    def variance(self) -> Tensor:
        """¼ (1/u² − 1/sinh² u)."""
        small, _, square, high = _split(self.logits / 2)
        series = 1 / 3 - square * (1 / 15 - square * (2 / 189 - square * (1 / 675 - square * (2 / 10395))))
        size = 2 * high.abs()
        return torch.where(small, series / 4, size.square().reciprocal() - torch.exp(-size) / torch.expm1(-size).square())


def _split(u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which u are small, these and their squares with 0 in the place of others, and the others with 1 in the place of these."""
    small = u.abs() < SMALL
    low = torch.where(small, u, 0.0)
    return small, low, low * low, torch.where(small, 1.0, u)
