"""The likelihood of a table: each column has a law of its own kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from lowerbound.data.maps import MAPS
from lowerbound.data.schema import Column, Schema
from lowerbound.distributions.double import NegativeBinomial, StudentT
from lowerbound.distributions.mapped import Mapped
from lowerbound.distributions.mixed import Mixed, Nominal
from lowerbound.distributions.spiked import Spiked
from lowerbound.nn.marginal_map import MarginalMap, spikes_of
from lowerbound.vae.likelihoods.base import Likelihood
from lowerbound.vae.likelihoods.scales import positive

LOG_COUNT = (-10.0, 17.0)  # of the mean of counts: far beyond the least and the largest that there are
FAR, WIDE = 15.0, 3.0  # |location| and σ of what is about standard normal, at most: no draw leaves the range of numbers
LOG_TOTAL = 2.0  # where log r begins, the variance of a count being μ + μ²/r: between a Poisson's, r = ∞, and one that says nothing


class Columns(Likelihood):
    """p(x|z) = Π p(xᵢ|z), the values that are missing (NaN) left out: tables, and arrays ``(N, D)`` with holes.

    Numbers and dates are Student-t, or with ``heavy`` False normal, with location, σ and degrees of freedom (above 2) from the decoder; those
    of a column with a ``Marginal`` are so after its map, whose slope is in their density: normal, or where tails stay what they are Student-t
    with degrees of freedom above 4; its spikes have a probability each. Booleans are Bernoulli; counts negative binomial, with log-mean and dispersion from the decoder; categories categorical. ``columns``
    are those of a table's schema; a number of them stands for numbers. The network is ``(N, d) → (N, parameters)``.

    Sources: Mattei and Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", 2019,
    https://arxiv.org/abs/1812.02633; Nazabal et al., "Handling Incomplete Heterogeneous Data using VAEs", 2018,
    https://arxiv.org/abs/1807.03653.
    """

    note = "A density of numbers (one σ of the training data is 1) and a probability of all else, of the cells that are there alone."
    holes = True
    takes = "parameters of its columns before they are bounded"

    def __init__(self, network: nn.Module, columns: Sequence[Column] | int, heavy: bool = True):
        super().__init__(network)
        self.schema = None if isinstance(columns, int) else Schema(tuple(columns))
        columns = _several(columns)
        self.heavy, self.columns = heavy, tuple(columns)
        self.groups = _groups(columns)
        self.maps = nn.ModuleDict({str(at): MarginalMap(group.of(columns)) for at, group in enumerate(self.groups) if group.mapped})
        self.categories = [place for place, column in enumerate(columns) if column.kind == "category"]
        counts = [column for column in columns if column.kind == "count"]
        self.loc: Tensor
        self.scale: Tensor
        self.register_buffer("loc", torch.tensor([column.loc for column in counts]), persistent=False)
        self.register_buffer("scale", torch.tensor([column.scale for column in counts]), persistent=False)

    @classmethod
    def shape(cls, event: Sequence[int], **arguments: Any) -> tuple[tuple[int, ...], int]:
        """All parameters in a row: each kind has another number of them."""
        heavy = arguments.get("heavy", True)
        return (sum(group.width(heavy) for group in _groups(_several(arguments["columns"]))),), 1

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """Laws over the D values."""
        widths = [group.width(self.heavy) for group in self.groups]
        parts = [self._part(at, some) for at, some in enumerate(output.split(widths, -1))]
        return Independent(Mixed(parts, [group.places for group in self.groups]), 1, validate_args=False)

    def _part(self, at: int, output: Float[Tensor, "... parameters"]) -> Distribution:
        group = self.groups[at]
        if group.mapped:
            return self._mapped(at, group, output)
        match group.kind:
            case "number" if self.heavy:
                loc, scale, freedom = output.chunk(3, -1)
                return StudentT(2 + positive(freedom + 2), loc, positive(scale), validate_args=False)
            case "number":
                loc, scale = output.chunk(2, -1)
                return Normal(loc, positive(scale), validate_args=False)
            case "boolean":
                return Bernoulli(logits=output, validate_args=False)
            case "count":
                mean, total = output.chunk(2, -1)
                log_mean = (self.loc + self.scale * mean).clamp(*LOG_COUNT)
                log_total = (LOG_TOTAL + total).clamp(*LOG_COUNT)
                return NegativeBinomial(log_total.exp(), logits=log_mean - log_total, validate_args=False)
            case _:
                return Nominal(output.unsqueeze(-2))

    def _mapped(self, at: int, group: Group, output: Float[Tensor, "... parameters"]) -> Distribution:
        to = self.maps[str(at)]
        assert isinstance(to, MarginalMap)
        logits, numbers = output.split([group.extra, output.shape[-1] - group.extra], -1)
        loc, scale, *freedom = numbers.split(len(group.places), -1)
        loc, scale = loc.clamp(-FAR, FAR), positive(scale).clamp(max=WIDE)
        base = StudentT(4 + positive(freedom[0] + 2), loc, scale, validate_args=False) if freedom else Normal(loc, scale, validate_args=False)
        law = Mapped(base, to)
        if not group.extra:
            return law
        return Spiked(torch.cat([torch.zeros_like(logits[..., :1]), logits], -1).unsqueeze(-2), to.spikes, law, to.back(torch.zeros_like(to.loc)))

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values as they are."""
        return values


def _several(columns: Sequence[Column] | int) -> list[Column]:
    """The columns, or so many of numbers."""
    return [Column(str(place), "number") for place in range(columns)] if isinstance(columns, int) else list(columns)


@dataclass(frozen=True)
class Group:
    """Columns whose laws are made at once: their ``kind``, of a number with a marginal law its map; their places, and what they have more.

    That is the number of classes of a category and of spikes of a number: each of these is alone.
    """

    kind: str
    places: list[int]
    extra: int = 0

    @property
    def mapped(self) -> bool:
        """Whether it has marginal laws."""
        return self.kind in MAPS

    def of(self, columns: Sequence[Column]) -> list[Column]:
        """Its columns."""
        return [columns[place] for place in self.places]

    def width(self, heavy: bool) -> int:
        """How many parameters it has."""
        if self.kind == "category":
            return self.extra
        has_tails = heavy and (MAPS[self.kind].heavy if self.mapped else True)
        return self.extra + {"boolean": 1, "count": 2}.get(self.kind, 3 if has_tails else 2) * len(self.places)


def _groups(columns: Sequence[Column]) -> list[Group]:
    """The groups of some columns, of one kind each, and then those that are alone."""

    def kind(place: int) -> str:
        column = columns[place]
        return column.marginal.law if column.marginal is not None else {"date": "number"}.get(column.kind, column.kind)

    def extra(place: int) -> int:
        return len(columns[place].levels) if kind(place) == "category" else len(spikes_of(columns[place]))

    alone = [Group(kind(place), [place], extra(place)) for place in range(len(columns)) if extra(place)]
    others = sorted((place for place in range(len(columns)) if not extra(place)), key=kind)
    return [Group(name, list(places)) for name, places in groupby(others, kind)] + alone
