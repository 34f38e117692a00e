"""What the descriptions of columns say of numbers, as tensors: maps to what is about standard normal, and values that many rows share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.data.column import Column
from lowerbound.data.maps import MAPS, Ends
from lowerbound.data.marginals import Marginal
from lowerbound.distributions.double import in_double


class MarginalMap(nn.Module):
    """u of n columns, ``(*batch, n)`` in the model's unit: (w(v) − m)/s where there is a marginal law, and v where there is none.

    ``kinds`` are those with one, by the kind of their map; ``light`` says which need a law of u that has a normal's tails.
    """

    def __init__(self, columns: Sequence[Column]):
        super().__init__()
        laws = {place: column.marginal for place, column in enumerate(columns) if column.marginal is not None}
        places = [[place for place, marginal in laws.items() if marginal.law == law] for law in MAPS]
        self.parts = nn.ModuleList(OneMap(columns, some) for some in places if some)
        self.light: Tensor
        light = [place in laws and not MAPS[laws[place].law].heavy for place in range(len(columns))]
        self.register_buffer("light", torch.tensor(light), persistent=False)

    def forward(self, v: Float[Tensor, "*batch n"]) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n"]]:
        """u(v) and log du/dv."""
        slope = torch.zeros_like(v)
        for part in self.kinds:
            u, steep = part(part.of(v))
            v, slope = part.put(v, u), part.put(slope, steep)
        return v, slope

    def back(self, u: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """v(u)."""
        for part in self.kinds:
            u = part.put(u, part.back(part.of(u)))
        return u

    @property
    def kinds(self) -> list[OneMap]:
        """The columns of each kind of map."""
        return [part for part in self.parts if isinstance(part, OneMap)]


class OneMap(nn.Module):
    """Those of n columns that have one kind of map; ``light`` says that their law of u has a normal's tails."""

    def __init__(self, columns: Sequence[Column], places: Sequence[int]):
        super().__init__()
        marginals = [columns[place].marginal or Marginal() for place in places]
        self.map, self.all = MAPS[marginals[0].law], len(places) == len(columns)
        self.light = not self.map.heavy
        self.places: Tensor
        self.ends: Tensor
        self.range: Tensor
        self.loc: Tensor
        self.scale: Tensor
        ends = [columns[place].ends for place in places]
        kept = {
            "places": torch.tensor(places),
            "ends": torch.tensor([[float(getattr(each, side)) for each in ends] for side in ("low", "high", "width")]),
            "range": torch.tensor([[_or(each.bottom, -math.inf) for each in marginals], [_or(each.top, math.inf) for each in marginals]]),
            "loc": torch.tensor([each.loc for each in marginals]),
            "scale": torch.tensor([each.scale for each in marginals]),
        }
        for name, values in kept.items():
            self.register_buffer(name, values, persistent=False)

    def of(self, values: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch m"]:
        """Those of the values that have this map."""
        return values if self.all else values.index_select(-1, self.places)

    def put(self, values: Float[Tensor, "*batch n"], some: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch n"]:
        """The values with others in the places of these."""
        return some if self.all else values.index_copy(-1, self.places, some)

    def forward(self, v: Float[Tensor, "*batch m"]) -> tuple[Float[Tensor, "*batch m"], Float[Tensor, "*batch m"]]:
        """u(v) and log du/dv, found in double precision: w may be near m, and their difference is divided by a small σ."""

        def both(v: Tensor, ends: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
            w, slope = self.map.bend(v, Ends(*ends))
            return torch.stack([(w - loc) / scale, slope - scale.log()])

        u, slope = in_double(both, v, self.ends, self.loc, self.scale)
        return u, slope

    def back(self, u: Float[Tensor, "*batch m"]) -> Float[Tensor, "*batch m"]:
        """v(u)."""
        return self.map.back(self.loc + self.scale * u.clamp(*self.range), Ends(*self.ends))


class MarginalInput(nn.Module):
    """What an encoder is shown of a table's columns: u, 0 at a spike, and of each spike whether a value is at it.

    ``(N, D)`` → ``(N, D)`` and ``(N, V)``, V the spikes of all columns.
    """

    def __init__(self, columns: Sequence[Column]):
        super().__init__()
        self.map = MarginalMap(columns)
        spikes = [(place, spike) for place, column in enumerate(columns) for spike in spikes_of(column)]
        self.spiked: Tensor
        self.spikes: Tensor
        self.register_buffer("spiked", torch.tensor([place for place, _ in spikes], dtype=torch.long), persistent=False)
        self.register_buffer("spikes", torch.tensor([spike for _, spike in spikes]), persistent=False)

    def forward(self, x: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N V"]]:
        """The columns, NaN where a value is missing, and the spikes."""
        u, _ = self.map(x)
        at = (x[:, self.spiked] == self.spikes).to(x.dtype)
        return (u.index_add(1, self.spiked, -at * u[:, self.spiked].nan_to_num()) if len(self.spiked) else u), at


def _or(number: float | None, absent: float) -> float:
    return absent if number is None else number


def spikes_of(column: Column) -> list[float]:
    """The values of a column that many rows share, in the model's unit."""
    return [] if column.marginal is None else [column.in_unit(spike) for spike in column.marginal.spikes]
