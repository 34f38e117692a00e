"""The likelihood of a table: each column has a law of its own kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent

from lowerbound.data.column import Column
from lowerbound.data.count_choice import INFLATED, POISSON
from lowerbound.data.marginals import Marginal
from lowerbound.data.schema import Schema
from lowerbound.distributions.counts import ZeroInflated
from lowerbound.distributions.double import NegativeBinomial
from lowerbound.distributions.mixed import Mixed, Nominal
from lowerbound.distributions.selection import Selection, selection
from lowerbound.vae.likelihoods.base import Likelihood
from lowerbound.vae.likelihoods.numbers import Numbers
from lowerbound.vae.likelihoods.ordinal import Ordinal
from lowerbound.vae.likelihoods.self_masking import SelfMasking

LOG_COUNT = (-10.0, 17.0)  # of the mean of counts: far beyond the least and the largest that there are
WITH_HOLES = (
    "A density of numbers (one σ of the training data is 1) and a probability of all else, of the cells that are there and of which are "
    "missing: each by its own value."
)
#: of kinds whose values are large or small: the first of the decoder's numbers that stand for a law, whose σ is softplus(0) where it is 1
OF_SIZE: dict[str, list[Callable[[Selection], float]]] = {
    "number": [lambda law: law.loc, lambda law: math.log(math.expm1(math.log(2) * law.scale))],
    "count": [lambda law: law.loc],
}
OF_COUNTS = ("count", INFLATED)
ROUNDING = 1e-5  # of standardized values
#: where log r begins, the variance of a count being μ + μ²/r: between a Poisson's, r = ∞, and one that says nothing; of some laws elsewhere
USUAL, LOG_TOTAL = 2.0, {POISSON: 8.0}


class Columns(Likelihood):
    """p(x|z) = Π p(xᵢ|z), the values that are missing (NaN) left out: tables, and arrays ``(N, D)`` with holes.

    Numbers and dates are Student-t, or with ``heavy`` False normal, with location, σ and degrees of freedom (above 2) from the decoder.
    Those of a column with a ``Marginal`` are so after its map, normal where that is a logarithm, and beside its spikes, which have a
    probability each. Booleans are Bernoulli; counts negative binomial, with log-mean and dispersion from the decoder, and where there are
    more zeros than that has, the logit of those; categories categorical; ordinals have the law of ``Ordinal``. ``columns`` are those of a
    table's schema; a number of them stands for numbers. The network is ``(N, d) → (N, parameters)``; ``shape`` says how many there are.

    This assumes that cells are missing at random: whether one is depends on what is there, not on itself. With a ``missingness`` it
    depends on its own value, p(x, holes|z) = Π p(xᵢ|z)(1 − πᵢ(xᵢ)) Π ∫ p(xᵢ|z) πᵢ(xᵢ) dxᵢ, the second over what is missing; π is learned.

    Sources: Mattei and Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", 2019,
    https://arxiv.org/abs/1812.02633; Nazabal et al., "Handling Incomplete Heterogeneous Data using VAEs", 2018,
    https://arxiv.org/abs/1807.03653.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Columns(torch.nn.Identity(), 2)  # two numbers: 2 locations, 2 σ, 2 degrees of freedom
    >>> vae = lb.VAE(lb.priors.StandardNormal(6), likelihood, lb.posteriors.DiagonalGaussian(lb.nn.mlp(2, 12)))
    >>> x = torch.tensor([[0.5, 0.5], [0.5, torch.nan]])
    >>> both, one = vae.log_likelihood(x, torch.zeros(1, 2, 6))[0].tolist()
    >>> round(both / one, 3)
    2.0
    """

    note = "A density of numbers (one σ of the training data is 1) and a probability of all else, of the cells that are there alone."
    holes = True
    takes = "parameters of its columns before they are bounded"

    def __init__(self, network: nn.Module, columns: Sequence[Column] | int, heavy: bool = True, missingness: SelfMasking | None = None):
        super().__init__(network)
        self.missingness = missingness
        if missingness is not None:
            self.scores_holes, self.note = True, WITH_HOLES
        named, columns = not isinstance(columns, int), _several(columns, missingness is not None)
        self.schema = Schema(tuple(columns)) if named else None
        self.heavy, self.columns = heavy, tuple(columns)
        self.groups, self.widths = _groups(columns), _widths(columns, heavy)
        numbers = [self.columns[place] for kind, places, _ in self.groups for place in places if kind == "number"]
        self.numbers = Numbers(numbers, heavy) if numbers else None
        self.ordinals = nn.ModuleDict({str(place): Ordinal(column) for place, column in enumerate(columns) if column.kind == "ordinal"})
        self.categories = [place for place, column in enumerate(columns) if column.classes]
        counts, inflated = ([columns[place] for kind, places, _ in self.groups for place in places if kind == one] for one in OF_COUNTS)
        self.start: Tensor | None
        self.register_buffer("start", None if missingness is None else torch.zeros(sum(self.widths)))
        self.loc: Tensor
        self.scale: Tensor
        self.register_buffer("loc", torch.tensor([column.loc for column in counts]), persistent=False)
        self.register_buffer("scale", torch.tensor([column.scale for column in counts]), persistent=False)
        self.total: Tensor
        self.register_buffer("total", torch.tensor([log_total(column) for column in counts]), persistent=False)
        self.loc_inflated: Tensor
        self.scale_inflated: Tensor
        self.register_buffer("loc_inflated", torch.tensor([column.loc for column in inflated]), persistent=False)
        self.register_buffer("scale_inflated", torch.tensor([column.scale for column in inflated]), persistent=False)

    @classmethod
    def shape(cls, event: Sequence[int], **arguments: Any) -> tuple[tuple[int, ...], int]:
        """How many parameters the network gives, in a row: each kind of column has another number of them."""
        columns = _several(arguments["columns"], arguments.get("missingness") is not None)
        return (sum(_widths(columns, arguments.get("heavy", True))),), 1

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """The laws of the D values, each by its column's kind."""
        if self.start is not None:
            output = output + self.start
        outputs = output.split(self.widths, -1)
        parts = [self._part(kind, places, some) for (kind, places, _), some in zip(self.groups, outputs, strict=True)]
        law = Mixed(parts, [places for _, places, _ in self.groups])
        if self.missingness is None:
            return Independent(law, 1, validate_args=False)
        return Independent(self.missingness.over(law, [kind for kind, _, _ in self.groups]), 1, validate_args=False)

    def _part(self, kind: str, places: Sequence[int], output: Float[Tensor, "... parameters"]) -> Distribution:
        match kind:
            case "number":
                assert self.numbers is not None
                law: Distribution = self.numbers(output)
                return law
            case "ordinal":
                of_classes: Distribution = self.ordinals[str(places[0])](output)
                return of_classes
            case "boolean":
                return Bernoulli(logits=output, validate_args=False)
            case "count":
                mean, total = output.chunk(2, -1)
                log_mean = (self.loc + self.scale * mean).clamp(*LOG_COUNT)
                log_total = (self.total + total).clamp(*LOG_COUNT)
                return NegativeBinomial(log_total.exp(), logits=log_mean - log_total, validate_args=False)
            case "zero-inflated":
                mean, total, more = output.chunk(3, -1)
                log_mean = (self.loc_inflated + self.scale_inflated * mean).clamp(*LOG_COUNT)
                log_r = (USUAL + total).clamp(*LOG_COUNT)
                return ZeroInflated(NegativeBinomial(log_r.exp(), logits=log_mean - log_r, validate_args=False), more)
            case _:
                return Nominal(output.unsqueeze(-2))

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values as they are ``(B, D)``, NaN where one is missing."""
        return values

    def meet(self, batches: Iterable[Tensor]) -> None:
        """Where holes are scored: take from all batches ``(B, D)`` of data which share of each column is missing, and where to begin.

        That is, of a column of numbers or counts, a normal law and the curve by which its values are missing (``selection``). It is done
        once: what was trained since stands on it.
        """
        if self.missingness is None or self.missingness.has_begun:
            return
        values = torch.cat(list(batches))
        holes = values.isnan()
        link, sign = self.missingness.link, self.missingness.sign
        found: dict[int, Selection] = {}
        assert self.start is not None
        for (kind, places, _), start in zip(self.groups, self.start.split(self.widths), strict=True):
            if kind in OF_SIZE:
                gone = holes[:, places].sum(0).tolist()
                seen = self._seen(kind, values[:, places])
                room = [has_room(self.columns[place], values[:, place], sign) for place in places]
                several = [selection(u, n, link, sign, some) for u, n, some in zip(seen, gone, room, strict=True)]
                begin = [decoded(each) for decoded in OF_SIZE[kind] for each in several]
                start[: len(begin)] = torch.tensor(begin)
                found |= dict(zip(places, several, strict=True))
        self.missingness.begin(((holes.sum(0) + 0.5) / (len(values) + 1)).to(self.start), found)

    def _seen(self, kind: str, values: Tensor) -> list[Float[Tensor, " some"]]:
        """What is there of each column of numbers or counts, as the encoder sees it."""
        if kind == "number":
            assert self.numbers is not None
            return self.numbers.seen(values)
        return [one[~one.isnan()] for one in ((values.log1p() - self.loc) / self.scale).T]

    def of_rows(self) -> Columns:
        """The likelihood of values alone, its network shared: for rows of which some cells are not asked for, and none is known missing."""
        plain = Columns(self.network, self.schema.columns if self.schema else len(self.columns), self.heavy)
        plain.context, plain.start = self.context, self.start
        return plain.train(self.training).to(self.loc.device)


def has_room(column: Column, values: Float[Tensor, " N"], sign: int) -> bool:
    """Whether a value of the column may be larger than all of these, NaN where missing; where ``sign`` is −1, smaller."""
    if column.kind == "count":
        return sign > 0 or bool(values.nan_to_num(1.0).min() > 0)
    marginal = column.marginal or Marginal()
    bound = marginal.greatest if sign > 0 else marginal.least
    farthest = (sign * values).nan_to_num(-math.inf).max()
    return bound is None or bool(farthest < sign * column.in_unit(bound) - ROUNDING)


def log_total(column: Column) -> float:
    """Where log r of a column of counts begins."""
    return LOG_TOTAL.get(column.law, USUAL)


def _several(columns: Sequence[Column] | int, plain: bool = False) -> list[Column]:
    """The columns, or so many of numbers; where holes have a law of their own, that knows no counts with more zeros."""
    if isinstance(columns, int):
        return [Column(str(place), "number") for place in range(columns)]
    return [replace(column, law="") if plain and column.law == INFLATED else column for column in columns]


def _widths(columns: Sequence[Column], heavy: bool) -> list[int]:
    """How many parameters each group has."""

    def width(kind: str, places: Sequence[int], classes: int) -> int:
        if kind == "number":
            return Numbers.width([columns[place] for place in places], heavy)
        return {"category": classes, "ordinal": 2, "count": 2 * len(places), INFLATED: 3 * len(places)}.get(kind, len(places))

    return [width(*group) for group in _groups(columns)]


def _groups(columns: Sequence[Column]) -> list[tuple[str, list[int], int]]:
    """The kind of each group of columns, their places, and of what has classes, which is alone, how many."""

    def kind(place: int) -> str:
        column = columns[place]
        return INFLATED if column.law == INFLATED else {"date": "number"}.get(column.kind, column.kind)

    alone = [(column.kind, [place], column.classes) for place, column in enumerate(columns) if column.classes]
    others = sorted((place for place, column in enumerate(columns) if not column.classes), key=kind)
    return [(name, list(places), 0) for name, places in groupby(others, kind)] + alone
