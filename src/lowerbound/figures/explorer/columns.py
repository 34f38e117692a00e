"""A table's columns as words: what an encoder is shown of each, the law that each has, and what its cells need to be read and written.

``page/columns.js`` has the other half of what is shown and of laws, ``page/maps.js`` that of maps, ``page/cells.js`` that of cells.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lowerbound.data import dates
from lowerbound.data.column import Column
from lowerbound.data.maps import MAPS
from lowerbound.data.marginals import Marginal
from lowerbound.data.schema import Schema
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.networks import Words, layer_words, words_of
from lowerbound.nn.marginal_map import MarginalMap
from lowerbound.nn.missing import TableInput
from lowerbound.vae.likelihoods.columns import LOG_COUNT, USUAL, Columns
from lowerbound.vae.likelihoods.numbers import Numbers
from lowerbound.vae.likelihoods.ordinal import LOG_SCALE, Ordinal
from lowerbound.vae.likelihoods.scales import FLOOR

Floats = npt.NDArray[np.floating[Any]]


# --- what an encoder is shown ------------------------------------------------------------------------


@layer_words.register
def _(module: TableInput, arrays: Arrays) -> Words:
    """A layer of kind "table": of each column its kind and what brings its values to about the size of 1."""
    places = [*module.plain, *(place for place, _ in module.categories)]
    columns: list[Words] = [{"kind": "number", "map": None, "spikes": []} for _ in places]
    for index, loc, scale in zip(module.counts, module.loc.tolist(), module.scale.tolist(), strict=True):
        columns[module.plain[index]] |= {"kind": "count", "loc": loc, "scale": scale}
    for index in module.truths:
        columns[module.plain[index]] |= {"kind": "boolean"}
    for index, scores in zip(module.ordinals, module.scores.tolist(), strict=True):
        columns[module.plain[index]] |= {"kind": "ordinal", "scores": scores}
    for place, classes in module.categories:
        columns[place] |= {"kind": "category", "classes": classes}
    if module.marginals is not None:
        for place, words in _maps(module.marginals.map).items():
            columns[place]["map"] = words
        for place, spike in zip(module.marginals.spiked.tolist(), module.marginals.spikes.tolist(), strict=True):
            columns[place]["spikes"].append(spike)
    return {"kind": "table", "columns": columns, "network": words_of(module.network, arrays)}


def _maps(mapping: MarginalMap) -> dict[int, Words]:
    """Of each place that has a map the word for it, its numbers, and whether a law of u has a normal's tails; None is no end."""
    found = {}
    for part in mapping.kinds:
        word = next(word for word, each in MAPS.items() if each is part.map)
        numbers = {"low": part.ends[0], "high": part.ends[1], "width": part.ends[2], "bottom": part.range[0], "top": part.range[1]}
        numbers |= {"loc": part.loc, "scale": part.scale}
        for index, place in enumerate(part.places.tolist()):
            found[place] = {"law": word, "light": part.light} | {name: _ended(values[index]) for name, values in numbers.items()}
    return found


def _ended(number: Tensor) -> float | None:
    return float(number) if math.isfinite(number) else None


# --- the law of each column --------------------------------------------------------------------------


def columns_words(likelihood: Columns, schema: Schema | None, values: Floats | None = None) -> Words:
    """All columns of a model: names, kinds, laws as places in the decoder's output, and how cells of the ``schema`` are written.

    Without a schema they are numbers. ``values`` ``(N, D)`` are data whose extremes are the ends of a slider. Of a model of which cells are
    missing, ``missingness``, the laws are those of values alone, as ``Columns.of_rows`` has them.
    """
    columns = likelihood.columns if schema is None else schema.modelled
    laws = _laws(likelihood)
    extremes = [None] * len(columns) if values is None else [_extremes(values[:, place]) for place in range(len(columns))]
    return {
        "columns": [
            _cells(column) | {"law": laws[place], "extremes": ends}
            for place, (column, ends) in enumerate(zip(columns, extremes, strict=True))
        ],
        "width": sum(likelihood.widths),
        "start": None if likelihood.start is None else likelihood.start.tolist(),
        "missingness": likelihood.missingness is not None,
    }


def _laws(likelihood: Columns) -> dict[int, Words]:
    """The law of each place, ``outputs`` being which of the decoder's numbers are its own."""
    found: dict[int, Words] = {}
    begin = 0
    for (kind, places, classes), width in zip(likelihood.groups, likelihood.widths, strict=True):
        match kind:
            case "number":
                assert likelihood.numbers is not None
                some = _numbers(likelihood.numbers, begin)
            case "count":
                some = _counts(begin, 2, likelihood.loc, likelihood.scale, likelihood.total)
            case "zero-inflated":
                loc = likelihood.loc_inflated
                some = _counts(begin, 3, loc, likelihood.scale_inflated, torch.full_like(loc, USUAL))
            case "ordinal":
                ordinal = likelihood.ordinals[str(places[0])]
                assert isinstance(ordinal, Ordinal)
                some = [{"outputs": [begin, begin + 1], "cuts": ordinal.cuts.tolist(), "bound": LOG_SCALE}]
            case "category":
                some = [{"outputs": list(range(begin, begin + classes))}]
            case _:
                some = [{"outputs": [at]} for at in range(begin, begin + len(places))]
        found |= dict(zip(places, some, strict=True))
        begin += width
    return found


def _counts(begin: int, each: int, *units: Tensor) -> list[Words]:
    """Of columns of counts: log-mean, log r and, where there are three, the logit of more zeros; location, scale and where log r begins."""
    found: list[Words] = []
    for place, (loc, scale, total) in enumerate(zip(*(unit.tolist() for unit in units), strict=True), begin):
        outputs = [place + len(units[0]) * number for number in range(each)]
        found.append({"outputs": outputs, "bounds": list(LOG_COUNT), "loc": loc, "scale": scale, "total": total})
    return found


def _numbers(numbers: Numbers, begin: int) -> list[Words]:
    """Of columns of numbers: location, σ and, of heavy tails, degrees of freedom; the map; spikes and the places of their logits."""
    n, each = numbers.n, 3 if numbers.heavy else 2
    maps = {} if numbers.map is None else _maps(numbers.map)
    found: list[Words] = []
    for place, more in enumerate(numbers.more.tolist()):
        outputs = [begin + place + n * number for number in range(each)]
        found.append({"outputs": outputs, "floor": FLOOR, "more": more, "map": maps.get(place), "spikes": [], "logits": []})
    for row, place in enumerate(numbers.places.tolist()):
        spikes = [spike for spike in numbers.spikes[row].tolist() if not math.isnan(spike)]
        first = begin + each * n + row * numbers.most
        found[place] |= {"spikes": spikes, "logits": list(range(first, first + len(spikes)))}
    return found


# --- cells -------------------------------------------------------------------------------------------


def _cells(column: Column) -> Words:
    """What reads and writes a cell: as ``Column`` has it, in plain spelling; ``step`` is the finest of a date, in seconds."""
    marginal = column.marginal or Marginal()
    return {
        "name": column.name,
        "kind": column.kind,
        "levels": list(column.levels),
        "loc": column.loc,
        "scale": column.scale,
        "decimals": column.decimals,
        "step": dates.step_of(column.format) if column.kind == "date" else None,
        "spikes": list(marginal.spikes),
        "least": marginal.least,
        "greatest": marginal.greatest,
    }


def _extremes(values: Floats) -> list[float] | None:
    """The least and the greatest value that is there; None where none is, or all are the same."""
    there = values[~np.isnan(values)]
    return [float(there.min()), float(there.max())] if len(there) and there.min() < there.max() else None
