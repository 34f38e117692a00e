"""The likelihood of a table: each column has a law of its own kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent

from lowerbound.data.maps import MAPS
from lowerbound.data.marginals import Marginal
from lowerbound.data.schema import Column, Schema
from lowerbound.distributions.double import NegativeBinomial
from lowerbound.distributions.mixed import Mixed, Nominal
from lowerbound.vae.likelihoods.base import Likelihood
from lowerbound.vae.likelihoods.numbers import Numbers

LOG_COUNT = (-10.0, 17.0)  # of the mean of counts: far beyond the least and the largest that there are
LOG_TOTAL = 2.0  # where log r begins, the variance of a count being μ + μ²/r: between a Poisson's, r = ∞, and one that says nothing


class Columns(Likelihood):
    """p(x|z) = Π p(xᵢ|z), the values that are missing (NaN) left out: tables, and arrays ``(N, D)`` with holes.

    Numbers and dates are Student-t, or with ``heavy`` False normal, with location, σ and degrees of freedom (above 2) from the decoder; those
    of a column with a ``Marginal`` are so after its map, whose slope is in their density: normal after a logarithm, and with degrees of
    freedom above 4 after others; its spikes have a probability each. Booleans are Bernoulli; counts negative binomial, with log-mean and dispersion from the decoder; categories categorical. ``columns``
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
        self.groups = _groups(columns, heavy)
        self.numbers = nn.ModuleDict(
            {str(at): Numbers(group.columns, group.tails) for at, group in enumerate(self.groups) if group.kind == "number"}
        )
        self.categories = [place for place, column in enumerate(columns) if column.kind == "category"]
        counts = [column for column in columns if column.kind == "count"]
        self.loc: Tensor
        self.scale: Tensor
        self.register_buffer("loc", torch.tensor([column.loc for column in counts]), persistent=False)
        self.register_buffer("scale", torch.tensor([column.scale for column in counts]), persistent=False)

    @classmethod
    def shape(cls, event: Sequence[int], **arguments: Any) -> tuple[tuple[int, ...], int]:
        """All parameters in a row: each kind has another number of them."""
        return (sum(group.width for group in _groups(_several(arguments["columns"]), arguments.get("heavy", True))),), 1

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """Laws over the D values."""
        outputs = output.split([group.width for group in self.groups], -1)
        parts = [self._part(at, some) for at, some in enumerate(outputs)]
        return Independent(Mixed(parts, [group.places for group in self.groups]), 1, validate_args=False)

    def _part(self, at: int, output: Float[Tensor, "... parameters"]) -> Distribution:
        match self.groups[at].kind:
            case "number":
                law: Distribution = self.numbers[str(at)](output)
                return law
            case "boolean":
                return Bernoulli(logits=output, validate_args=False)
            case "count":
                mean, total = output.chunk(2, -1)
                log_mean = (self.loc + self.scale * mean).clamp(*LOG_COUNT)
                log_total = (LOG_TOTAL + total).clamp(*LOG_COUNT)
                return NegativeBinomial(log_total.exp(), logits=log_mean - log_total, validate_args=False)
            case _:
                return Nominal(output.unsqueeze(-2))

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values as they are."""
        return values


def _several(columns: Sequence[Column] | int) -> list[Column]:
    """The columns, or so many of numbers."""
    return [Column(str(place), "number") for place in range(columns)] if isinstance(columns, int) else list(columns)


@dataclass(frozen=True)
class Group:
    """Columns whose laws are made at once: their ``kind``, their places, and of numbers whether they have a Student-t's ``tails``."""

    kind: str
    tails: bool
    places: list[int]
    columns: list[Column]

    @property
    def width(self) -> int:
        """How many parameters it has."""
        match self.kind:
            case "number":
                return Numbers.width(self.columns, self.tails)
            case "category":
                return len(self.columns[0].levels)
            case _:
                return {"count": 2}.get(self.kind, 1) * len(self.places)


def _groups(columns: Sequence[Column], heavy: bool) -> list[Group]:
    """The groups of some columns: those of one kind, and of numbers of one law, at once; categories alone."""

    def key(place: int) -> tuple[str, bool, bool]:
        column = columns[place]
        kind, law = {"date": "number"}.get(column.kind, column.kind), column.marginal or Marginal()
        return kind, bool(law.spikes), heavy and kind == "number" and MAPS[law.law].heavy

    alone = [place for place, column in enumerate(columns) if column.kind == "category"]
    others = sorted((place for place in range(len(columns)) if place not in alone), key=key)
    together = [list(places) for _, places in groupby(others, key)] + [[place] for place in alone]
    return [Group(key(some[0])[0], key(some[0])[2], some, [columns[place] for place in some]) for some in together]
