"""Whole numbers by where a draw of a logistic law falls on a line that is cut into pieces: classes in an order, levels of a pixel.

Source: McCullagh, "Regression Models for Ordinal Data", 1980, https://doi.org/10.1111/j.2517-6161.1980.tb01109.x.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.utils import broadcast_all
from torch.nn.functional import logsigmoid


def of_pieces(loc: Float[Tensor, "*batch"], scale: Float[Tensor, "*batch"], cuts: Float[Tensor, " cuts"]) -> Float[Tensor, "*batch cuts+1"]:
    """log p of each class, nats: P(class ≤ c) = S((cut_c − loc)/scale), S the logistic function, ``cuts`` in ascending order."""
    return OrderedLogistic(loc[..., None], scale[..., None], cuts).log_prob(torch.arange(len(cuts) + 1, dtype=loc.dtype, device=loc.device))


class LogisticPieces(Distribution, ABC):
    """Whole numbers k = 0 … ``top``: P(k ≤ c) = S((cut_c − μ)/s), S the logistic function, μ ``loc`` and s ``scale``."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012 - torch's own annotation
    loc: Tensor
    scale: Tensor
    top: int

    @property
    @abstractmethod
    def cuts(self) -> Float[Tensor, " top"]:
        """Where pieces end and others begin, in ascending order."""

    @abstractmethod
    def around(self, k: Float[Tensor, "*batch"]) -> tuple[Tensor, Tensor]:
        """The cuts below and above each k; any number where there is none."""

    @property
    def support(self) -> Any:
        """0 … top."""
        return constraints.integer_interval(0, self.top)

    @property
    def mean(self) -> Tensor:
        """Σ_k P(x > k)."""
        return self._above().sum(-1)

    @property
    def variance(self) -> Tensor:
        """Σ_k (2k + 1) P(x > k) − mean²."""
        k = torch.arange(self.top, device=self.loc.device, dtype=self.loc.dtype)
        return ((2 * k + 1) * self._above()).sum(-1) - self.mean**2

    def _above(self) -> Float[Tensor, "*batch top"]:
        """P(x > k) for k = 0 … top − 1."""
        return torch.sigmoid((self.loc[..., None] - self.cuts) / self.scale[..., None])

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        """How many cuts are below a logistic draw."""
        eps = torch.finfo(self.loc.dtype).eps
        u = torch.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device).clamp(eps, 1 - eps)
        return torch.searchsorted(self.cuts, self.loc + self.scale * torch.logit(u)).to(self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(k), nats: log S(b) + log S(−a) + log(1 − e^(a − b)) for the scaled cuts a < b, without cancellation; tails at the ends."""
        (low, high), first, last = self.around(value), value <= 0, value >= self.top
        below, above = logsigmoid((high - self.loc) / self.scale), logsigmoid((self.loc - low) / self.scale)
        between = torch.log(-torch.expm1((low - high) / self.scale))
        return below.masked_fill(last, 0.0) + above.masked_fill(first, 0.0) + between.masked_fill(first | last, 0.0)


class DiscretizedLogistic(LogisticPieces):
    """A logistic law, rounded to whole numbers 0 … ``top``: p(k) = S((k + ½ − μ)/s) − S((k − ½ − μ)/s), the ends taking the tails.

    Source: Salimans et al., "PixelCNN++", 2017, https://arxiv.org/abs/1701.05517.
    """

    def __init__(self, loc: Tensor, scale: Tensor, top: int = 255):
        self.loc, self.scale = broadcast_all(loc, scale)
        self.top = top
        super().__init__(self.loc.shape, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> DiscretizedLogistic:
        """The same law over more batches."""
        return DiscretizedLogistic(self.loc.expand(batch_shape), self.scale.expand(batch_shape), self.top)

    @property
    def cuts(self) -> Float[Tensor, " top"]:
        """½, 1½ …"""
        return torch.arange(self.top, device=self.loc.device, dtype=self.loc.dtype) + 0.5

    def around(self, k: Float[Tensor, "*batch"]) -> tuple[Tensor, Tensor]:
        """k ∓ ½."""
        return k - 0.5, k + 0.5


class OrderedLogistic(LogisticPieces):
    """The same with ``cuts`` that are given: levels that occur more often than their neighbours have wider pieces."""

    def __init__(self, loc: Tensor, scale: Tensor, cuts: Float[Tensor, " top"]):
        self.loc, self.scale = broadcast_all(loc, scale)
        self._cuts, self.top = cuts.to(self.loc.dtype), len(cuts)
        super().__init__(self.loc.shape, validate_args=False)

    def expand(self, batch_shape: Any, _instance: Any = None) -> OrderedLogistic:
        """The same law over more batches."""
        return OrderedLogistic(self.loc.expand(batch_shape), self.scale.expand(batch_shape), self.cuts)

    @property
    def cuts(self) -> Float[Tensor, " top"]:
        """As given."""
        return self._cuts

    def around(self, k: Float[Tensor, "*batch"]) -> tuple[Tensor, Tensor]:
        """Looked up; numbers beyond the ends are the ends."""
        ends, at = torch.cat([self.cuts[:1] - 1, self.cuts, self.cuts[-1:] + 1]), k.clamp(0, self.top).long()
        return ends[at], ends[at + 1]
