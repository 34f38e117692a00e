"""A table's rows and the laws of its columns as compiled loops read them: tensors, and which of their numbers stand for what."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from lowerbound.vae.likelihoods.columns import Columns
from lowerbound.vae.likelihoods.numbers import Numbers

#: the terms of a law that are no density, in the order of their numbers in ``compiled.columns``; a group of numbers has one for its spikes
TERMS = ("spikes", "boolean", "category", "count")
KINDS = ("number", *TERMS[1:])


def is_known(likelihood: Columns) -> bool:
    """Whether loops have the law of each column: numbers are Student-t, and holes have no law of their own."""
    return likelihood.heavy and likelihood.missingness is None and all(kind in KINDS for kind, _, _ in likelihood.groups)


@dataclass(frozen=True)
class Cells:
    """Values ``(N, D)`` in the order of a law, numbers after their maps.

    ``at`` is −1 where a value is missing, from 1 on says which spike a number is at, and is 0 elsewhere; ``slope`` is Σ log du/dv of a row.
    """

    values: Float[Tensor, "N D"]
    at: Int32[Tensor, "N D"]
    slope: Float[Tensor, " N"]


@dataclass(frozen=True)
class Law:
    """The columns in the order of the law, n numbers first; and the place of the first of the decoder's numbers for those.

    ``terms`` are, of each that is no density: its kind, the place of its value, that of the first of the decoder's numbers, and how many
    these are, of counts how far the second is from the first. ``units`` are location and scale of a count's
    log-mean, and where its log r begins.
    """

    order: list[int]
    numbers: int
    first: int
    terms: Int64[Tensor, "T 4"]
    units: Float[Tensor, "T 3"]
    more: Float[Tensor, " n"]
    of_numbers: Numbers | None

    @classmethod
    def of(cls, likelihood: Columns) -> Law:
        """That of a likelihood all of whose ``KINDS`` are known."""
        starts = accumulate(likelihood.widths, initial=0)
        groups = sorted(zip(likelihood.groups, starts, strict=False), key=lambda group: group[0][0] != KINDS[0])
        terms, units, order, first = list[tuple[int, ...]](), list[tuple[float, ...]](), list[int](), 0
        for (kind, places, classes), start in groups:
            at, n = range(len(order), len(order) + len(places)), len(places)
            order += places
            if kind == "number":
                first, found = start, _spikes(likelihood.numbers, start)
            elif kind == "category":
                found = [(at[0], start, classes)]
            else:
                found = [(place, start + index, n) for index, place in enumerate(at)]
            terms += [(TERMS.index("spikes" if kind == "number" else kind), *each) for each in found]
            units += _units(likelihood) if kind == "count" else [(0.0, 1.0, 0.0)] * len(found)
        law = likelihood.numbers
        more = torch.zeros(0) if law is None else law.more
        sizes = torch.tensor(terms, dtype=torch.long).view(-1, 4), torch.tensor(units).view(-1, 3)
        return cls(order, 0 if law is None else law.n, first, *sizes, more, law)

    def read(self, x: Float[Tensor, "N D"]) -> Cells:
        """The cells of some rows, NaN where one is missing."""
        x, law = x[:, self.order].contiguous(), self.of_numbers
        at = x.isnan().to(torch.int32).neg_()
        slope = x.new_zeros(len(x))
        if law is not None:
            own = x[:, : self.numbers]
            if law.most:
                hit = own[:, law.places, None] == law.spikes
                at[:, law.places] += (hit * torch.arange(1, law.most + 1)).sum(-1).to(torch.int32)
            if law.map is not None:
                u, steep = law.map(own)
                slope = steep.where(at[:, : self.numbers] == 0, 0.0).sum(1)
                x[:, : self.numbers] = u
        return Cells(x, at, slope)


def _units(likelihood: Columns) -> list[tuple[float, ...]]:
    return list(zip(*(each.tolist() for each in (likelihood.loc, likelihood.scale, likelihood.total)), strict=True))


def _spikes(law: Numbers | None, start: int) -> list[tuple[int, int, int]]:
    """The place of each column with spikes among the numbers, of its first logit, and how many it has."""
    if law is None or not law.most:
        return []
    counts, first = (~law.spikes.isnan()).sum(1).tolist(), start + 3 * law.n
    return [(place, first + index * law.most, count) for index, (place, count) in enumerate(zip(law.places.tolist(), counts, strict=True))]
