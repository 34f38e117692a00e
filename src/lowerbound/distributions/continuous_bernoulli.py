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
        """(x − ½) l − log(sinh u/u), nats; of x = ½ ± ½ written so that nothing cancels where l is large."""
        if self._validate_args:
            self._validate_sample(value)
        size = self.logits.abs()
        far = torch.where(self.logits > 0, 1 - value, value)  # from the end where the mass is
        return _log_height(size) - far * size

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
        """½ + ½ (coth u − 1/u), of l's sign."""
        small, u, square, large = _split(self.logits.abs() / 2)
        series = u * (1 / 3 - square * (1 / 45 - square * (2 / 945 - square * (1 / 4725 - square * (2 / 93555)))))
        bend = torch.where(small, series, large.tanh().reciprocal() - large.reciprocal())
        return 0.5 + 0.5 * self.logits.sign() * bend

    @property
    def variance(self) -> Tensor:
        """¼ (1/u² − 1/sinh² u)."""
        small, _, square, large = _split(self.logits.abs() / 2)
        series = 1 / 3 - square * (1 / 15 - square * (2 / 189 - square * (1 / 675 - square * (2 / 10395))))
        narrow = torch.exp(-2 * large) / torch.expm1(-2 * large).square()  # ¼ of 1/sinh²
        return torch.where(small, series / 4, large.reciprocal().square() / 4 - narrow)


def _split(u: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Which u are small, these and their squares with 0 in the place of others, and the others with 1 in the place of these."""
    small = u < SMALL
    low = torch.where(small, u, 0.0)
    return small, low, low * low, torch.where(small, 1.0, u)


def _log_height(size: Tensor) -> Tensor:
    """log p at the end where the mass is, log(|l|/(1 − e^(−|l|))) = u − log(sinh u/u)."""
    small, u, square, large = _split(size / 2)
    series = square * (1 / 6 - square * (1 / 180 - square * (1 / 2835 - square * (1 / 37800 - square / 467775))))
    return torch.where(small, u - series, (2 * large).log() - torch.log(-torch.expm1(-2 * large)))
