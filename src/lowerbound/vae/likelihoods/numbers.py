"""The laws of a table's columns of numbers: normal or Student-t, after the map of their marginal law, beside its spikes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, StudentT as TorchStudentT

from lowerbound.data.schema import Column
from lowerbound.distributions.double import StudentT
from lowerbound.distributions.mapped import Mapped
from lowerbound.distributions.spiked import Spiked
from lowerbound.nn.marginal_map import MarginalMap, spikes_of
from lowerbound.vae.likelihoods.scales import positive

FREEDOM, OF_MAPPED = 2.0, 4.0  # degrees of freedom are above it: v has a variance, and after a map one that a quadrature finds
FAR, WIDE = 15.0, 3.0  # |location| and σ of what is about standard normal, at most: no logarithm of a value leaves the range of numbers


class Numbers(nn.Module):
    """p(vᵢ|z) of n columns, from the decoder's numbers ``(*batch, width)``: location, σ, with ``tails`` degrees of freedom, logits of spikes."""

    def __init__(self, columns: Sequence[Column], tails: bool):
        super().__init__()
        self.n, self.tails, self.most = len(columns), tails, _most_spikes(columns)
        self.map = MarginalMap(columns) if any(column.marginal is not None for column in columns) else None
        spikes = [[*spikes_of(column), *[torch.nan] * (self.most - len(spikes_of(column)))] for column in columns]
        self.spikes: Tensor
        self.freedom: Tensor
        self.register_buffer("spikes", torch.tensor(spikes), persistent=False)
        freedom = [FREEDOM if column.marginal is None else OF_MAPPED for column in columns]
        self.register_buffer("freedom", torch.tensor(freedom), persistent=False)

    @staticmethod
    def width(columns: Sequence[Column], tails: bool) -> int:
        """How many numbers it takes."""
        return len(columns) * ((3 if tails else 2) + _most_spikes(columns))

    def forward(self, output: Float[Tensor, "*batch width"]) -> Distribution:
        """Laws over the n values."""
        numbers, logits = output.split([output.shape[-1] - self.n * self.most, self.n * self.most], -1)
        law: Distribution = self._base(numbers)
        if self.map is None:
            return law
        law = Mapped(law, self.map)
        if not self.most:
            return law
        return Spiked(logits.unflatten(-1, (self.n, self.most)), self.spikes, law, self.map.back(torch.zeros_like(self.freedom)))

    def _base(self, numbers: Float[Tensor, "*batch parameters"]) -> Normal | TorchStudentT:
        if self.tails:
            loc, scale, freedom = numbers.chunk(3, -1)
            return StudentT(self.freedom + positive(freedom + 2), loc, positive(scale), validate_args=False)
        loc, scale = numbers.chunk(2, -1)
        if self.map is None:
            return Normal(loc, positive(scale), validate_args=False)
        return Normal(loc.clamp(-FAR, FAR), positive(scale).clamp(max=WIDE), validate_args=False)


def _most_spikes(columns: Sequence[Column]) -> int:
    return max(len(spikes_of(column)) for column in columns)
