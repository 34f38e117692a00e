"""The laws of a table's columns of numbers: Student-t or normal, after the map of their marginal law, beside its spikes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from lowerbound.data.column import Column
from lowerbound.distributions.mapped import Mapped
from lowerbound.distributions.spiked import Spiked
from lowerbound.distributions.student import RawStudentT
from lowerbound.nn.marginal_map import MarginalMap, spikes_of
from lowerbound.vae.likelihoods.scales import FLOOR, positive

LIGHT = 60.0  # more degrees of freedom, where a map allows no tails: those of a normal, all but


class Numbers(nn.Module):
    """p(vᵢ|z) of n columns, from the decoder's numbers ``(*batch, width)``.

    These are n locations, n numbers for σ, if ``heavy`` n for degrees of freedom, which count where a map allows them; and the logits of
    spikes, as many for each column with some as for the one with most.
    """

    def __init__(self, columns: Sequence[Column], heavy: bool):
        super().__init__()
        spikes = [spikes_of(column) for column in columns]
        self.n, self.heavy, self.most = len(columns), heavy, max(map(len, spikes))
        self.map = MarginalMap(columns) if any(column.marginal is not None for column in columns) else None
        places = [place for place, some in enumerate(spikes) if some]
        self.places: Tensor
        self.spikes: Tensor
        self.more: Tensor
        self.register_buffer("places", torch.tensor(places, dtype=torch.long), persistent=False)
        more = torch.zeros(self.n) if self.map is None else LIGHT * self.map.light
        self.register_buffer("more", more, persistent=False)
        padded = [[*spikes[place], *[torch.nan] * (self.most - len(spikes[place]))] for place in places]
        self.register_buffer("spikes", torch.tensor(padded), persistent=False)

    def seen(self, values: Float[Tensor, "N n"]) -> list[Float[Tensor, " some"]]:
        """What is there of each column, after its map, without its spikes."""
        gone = values.isnan()
        if self.most:
            gone = gone.index_copy(1, self.places, gone[:, self.places] | (values[:, self.places, None] == self.spikes).any(-1))
        u = values if self.map is None else self.map(values)[0]
        return [one[~out] for one, out in zip(u.T, gone.T, strict=True)]

    @staticmethod
    def width(columns: Sequence[Column], heavy: bool) -> int:
        """How many numbers it takes."""
        spikes = [len(spikes_of(column)) for column in columns]
        return (3 if heavy else 2) * len(columns) + max(spikes) * sum(each > 0 for each in spikes)

    def forward(self, output: Float[Tensor, "*batch width"]) -> Distribution:
        """Laws over the n values."""
        own = (3 if self.heavy else 2) * self.n
        base = self._base(output if own == output.shape[-1] else output[..., :own])
        if self.map is None:
            return base
        law = Mapped(base, self.map)
        if not self.most:
            return law
        inside = self.map.back(torch.zeros_like(self.map.light, dtype=self.spikes.dtype))[self.places]
        return Spiked(output[..., own:].unflatten(-1, self.spikes.shape), self.spikes, self.places, law, inside)

    def _base(self, numbers: Float[Tensor, "*batch parameters"]) -> Normal | RawStudentT:
        if self.heavy:
            return RawStudentT(numbers, FLOOR, more=self.more)
        loc, scale = numbers.chunk(2, -1)
        return Normal(loc, positive(scale), validate_args=False)
