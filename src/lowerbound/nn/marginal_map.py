"""What the description of a column says of its values, as tensors: the map to ones that are about standard normal, and its spikes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.data.maps import MAPS, Ends
from lowerbound.data.schema import Column


class MarginalMap(nn.Module):
    """u = (w(v) − m)/s of n columns that have one kind of map: ``(*batch, n)`` in the model's unit → about standard normal.

    ``spikes`` are the values that many rows share, of one column.
    """

    def __init__(self, columns: Sequence[Column]):
        super().__init__()
        marginals = [column.marginal for column in columns if column.marginal is not None]
        self.map = MAPS[marginals[0].law]
        self.low: Tensor
        self.high: Tensor
        self.width: Tensor
        self.loc: Tensor
        self.scale: Tensor
        self.spikes: Tensor
        self._keep("spikes", [spike for column in columns for spike in spikes_of(column)])
        for name, absent in (("low", -math.inf), ("high", math.inf)):
            ends = [getattr(marginal, name) for marginal in marginals]
            self._keep(name, [absent if end is None else column.in_unit(end) for column, end in zip(columns, ends, strict=True)])
        for name in ("width", "loc", "scale"):
            self._keep(name, [getattr(marginal, name) for marginal in marginals])

    def _keep(self, name: str, values: Sequence[float]) -> None:
        self.register_buffer(name, torch.tensor(values), persistent=False)

    @property
    def _ends(self) -> Ends:
        return Ends(self.low, self.high, self.width)

    def forward(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """u(v)."""
        return (self.map.to(v, self._ends) - self.loc) / self.scale

    def back(self, u: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """v(u)."""
        return self.map.back(self.loc + self.scale * u, self._ends)

    def log_slope(self, v: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """log du/dv."""
        return self.map.log_slope(v, self._ends) - self.scale.log()


class MarginalInput(nn.Module):
    """What an encoder is shown of a table's columns: those with a map as u, 0 at a spike, and of each spike whether a value is at it.

    ``(N, D)`` → ``(N, D)`` and ``(N, V)``, V the spikes of all columns.
    """

    def __init__(self, columns: Sequence[Column]):
        super().__init__()
        laws = {place: column.marginal for place, column in enumerate(columns) if column.marginal is not None}
        self.places = [[place for place, marginal in laws.items() if marginal.law == law] for law in MAPS]
        self.places = [places for places in self.places if places]
        self.maps = nn.ModuleList(MarginalMap([columns[place] for place in places]) for places in self.places)
        self.spiked = [place for place, marginal in laws.items() for _ in marginal.spikes]
        self.spikes: Tensor
        self.register_buffer("spikes", torch.tensor([spike for column in columns for spike in spikes_of(column)]), persistent=False)

    def forward(self, x: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N V"]]:
        """The columns, NaN where a value is missing, and the spikes."""
        at = (x[:, self.spiked] == self.spikes).to(x.dtype)
        for places, to in zip(self.places, self.maps, strict=True):
            x = x.index_copy(1, torch.tensor(places, device=x.device), to(x[:, places]))
        spiked = torch.tensor(self.spiked, dtype=torch.long, device=x.device)
        return x * (1 - torch.zeros_like(x).index_add(1, spiked, at)), at


def spikes_of(column: Column) -> list[float]:
    """The values of a column that many rows share, in the model's unit."""
    return [] if column.marginal is None else [column.in_unit(spike) for spike in column.marginal.spikes]
