"""Student's t, torch's law with a log p that is right in single precision, whatever its degrees of freedom."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributions as td

from lowerbound.distributions.stirling import HALF_LOG_TAU, remainder


class StudentT(td.StudentT):
    """Student-t with ``df`` ν > 0, ``loc`` and ``scale`` σ > 0 ``(*batch,)``: p(x) ∝ (1 + y²/ν)^(−(ν+1)/2)/σ with y = (x − loc)/σ.

    torch's Γ's of a large ν differ by less than they are rounded: in single precision .08 nats at ν = 10⁶.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x), nats: log Γ((ν + 1)/2) − log Γ(ν/2) − ½ log(ν/2) by what Stirling's formula leaves of it, near −1/(4ν)."""
        if self._validate_args:
            self._validate_sample(value)
        half = self.df / 2
        gammas = half * (0.5 / half).log1p() - 0.5 + remainder(half + 0.5) - remainder(half)
        y = (value - self.loc) / self.scale
        kernel = (half + 0.5) * torch.log1p(y.square() / self.df)
        return gammas - kernel - self.scale.log() - HALF_LOG_TAU
