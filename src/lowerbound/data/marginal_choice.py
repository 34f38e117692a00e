"""Which marginal law a column of numbers has: what is specified, and for the rest what its values say.

Bounds are those that all values keep without exception; a spike is a value that far more rows share than share others; the map is the one
under which values that it was not fitted to are most likely, the simplest where several are as good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.distributions import Normal, StudentT

from lowerbound.data.column import Column
from lowerbound.data.column_words import ColumnWords
from lowerbound.data.maps import MAPS
from lowerbound.data.marginals import ENDS, Marginal
from lowerbound.data.missing_marks import toml_key
from lowerbound.errors import DataError

Numbers = npt.NDArray[np.float64]

FEW = 30  # fewer values say nothing of bounds, spikes or maps
SHARE, ABOVE = 0.05, 10.0  # a spike has this share of the rows at least, and so many times that of the usual value
MOST_SPIKES = 5
FOLDS = 5
MOST = 5_000  # values that a map is chosen by
SURE = 2.0  # standard errors by which a map must be better than a simpler one
SOFT = 0.25  # of σ: where a bound begins to bend the scale
TAILS = (3.0, 6.0, 30.0)  # degrees of freedom of a Student-t that are tried
ROUNDS = 15  # of its fit
BESIDE = 0.01  # of the time between the first and the last date: how far beyond them a law ends
BEYOND = 3.0  # σ beyond the training values, where draws of a logarithm end


@dataclass(frozen=True)
class Others:
    """The values of a column that are no spikes: those to learn from, their bounds, and the ends of their map."""

    values: Numbers
    spikes: tuple[float, ...]
    least: float | None
    greatest: float | None
    low: float | None
    high: float | None


def chosen(column: Column, values: Numbers, rows: npt.NDArray[np.int64], words: ColumnWords) -> Column:
    """The column with the marginal law of its ``values``, NaN where missing: by those of the training ``rows``, in bounds that all keep.

    Errors: DataError for bounds that some value does not keep, or a law that cannot have them.
    """
    train, everywhere = (some[~np.isnan(some)] for some in (values[rows], values))
    few = len(train) < FEW
    spikes = (() if few else _spikes(train)) if words.spike is None else _there(column.name, words.spike, everywhere)
    train, everywhere = (some[~np.isin(some, spikes)] for some in (train, everywhere))
    train = train if _differ(train) else everywhere
    if few and not words.of_law:
        return column
    if not _differ(train):
        return _of_one_value(column, values, everywhere, words)
    others = _others(column, spikes, train, everywhere, words)
    laws = _laws(column.name, others, words)
    best = laws[0]
    if len(train) >= FEW:
        for law in laws[1:]:
            gain = _scores(column, law, others) - _scores(column, best, others)
            best = law if gain.mean() > SURE * gain.std() / math.sqrt(len(gain)) else best
    return column if best == "linear" and not spikes else _fitted(column, best, others, train)


def chosen_of_dates(column: Column, values: Numbers, rows: npt.NDArray[np.int64]) -> Column:
    """The column of dates with the law of its ``values``: about one time, with far ones to both sides, or between two; and spikes.

    A law between two times ends a hundredth beyond the first and the last one that there is.
    """
    train, everywhere = (some[~np.isnan(some)] for some in (values[rows], values))
    if len(train) < FEW:
        return column
    spikes = _spikes(train)
    train, everywhere = (some[~np.isin(some, spikes)] for some in (train, everywhere))
    if len(train) < FEW or not _differ(train):
        return column
    first, last = float(everywhere.min()), float(everywhere.max())
    free = Others(train, spikes, None, None, None, None)
    between = replace(free, low=first - BESIDE * (last - first), high=last + BESIDE * (last - first))
    best, others = "linear", free
    for law, some in (("asinh", free), ("logit", between)):
        gain = _scores(column, law, some) - _scores(column, best, others)
        if gain.mean() > SURE * gain.std() / math.sqrt(len(gain)):
            best, others = law, some
    return column if best == "linear" and not spikes else _fitted(column, best, others, train)


def _there(name: str, spikes: tuple[float, ...], values: Numbers) -> tuple[float, ...]:
    """The spikes that are specified. Errors: DataError for one that no cell has."""
    absent = next((spike for spike in spikes if spike not in values), None)
    if absent is not None:
        raise DataError(f"column '{name}' has no cell that is {absent:.6g}, which is specified as a spike; leave it out")
    return spikes


def _differ(values: Numbers) -> bool:
    return len(values) > 0 and bool(values.min() < values.max())


def _of_one_value(column: Column, values: Numbers, others: Numbers, words: ColumnWords) -> Column:
    """The column of which but one value is no spike, or none: in its bounds. Errors: DataError where spikes leave nothing to learn from."""
    if words.spike:
        levels = ", ".join(f"{level:.15g}" for level in np.unique(values[~np.isnan(values)]))
        key = toml_key(column.name)
        how = f'write {key} = "category", or {key} = {{ordinal = [{levels}]}}'
        raise DataError(f"column '{column.name}': its spikes leave {'one other value' if len(others) else 'no other value'}; {how}")
    bounded = Marginal(least=words.least, greatest=words.max)
    return replace(column, marginal=bounded) if bounded.bounds else column


def _spikes(values: Numbers) -> tuple[float, ...]:
    """Values that at least one row in twenty shares, and ten times as many as share the usual value."""
    distinct, counts = np.unique(values, return_counts=True)
    often = counts >= max(SHARE * len(values), ABOVE * float(np.median(counts)))
    found = tuple(float(value) for value in distinct[often])
    return found if len(found) <= MOST_SPIKES and (~often).sum() >= FEW else ()


def _others(column: Column, spikes: tuple[float, ...], train: Numbers, everywhere: Numbers, words: ColumnWords) -> Others:
    """The training values that are no spikes, in the bounds that are specified, else in those that all keep."""
    least, greatest, name = words.least, words.max, column.name
    first, last = min(float(everywhere.min()), *spikes, math.inf), max(float(everywhere.max()), *spikes, -math.inf)
    if least is not None and (first < least or (words.positive and first <= 0)):
        raise DataError(f"column '{name}' has the value {first:.6g}, which min or positive excludes; specify another min")
    if greatest is not None and last > greatest:
        raise DataError(f"column '{name}' has the value {last:.6g}, above its max, {greatest:.6g}; specify another max")
    if words.law not in ("linear", "asinh") and len(train) >= FEW:
        below = [bound for bound in (*spikes, 0.0) if bound <= everywhere.min()]
        above = [bound for bound in spikes if bound >= everywhere.max()]
        least = max(below) if least is None and below else least
        greatest = min(above) if greatest is None and above else greatest
    step = math.inf if column.decimals is None else 10.0**-column.decimals
    low = None if least is None else least - _margin(everywhere - least, step)
    high = None if greatest is None else greatest + _margin(greatest - everywhere, step)
    least, greatest = None if least is None else min(least, first), None if greatest is None else max(greatest, last)
    return Others(train, spikes, least, greatest, low, high)


def _margin(away: Numbers, step: float) -> float:
    """How far beyond a bound an end is: 0 where no value is at the bound, else half a step, or half the way to the next value."""
    return 0.0 if away.min() > 0 else min(step, float(away[away > 0].min())) / 2


def _laws(name: str, others: Others, words: ColumnWords) -> list[str]:
    """Maps with these ends, the simplest first. Errors: DataError for a specified one that has others."""
    ends = (others.low is not None, others.high is not None)
    log = next((law for law, has in ENDS.items() if has == ends and "log" in law), None)
    if words.law is None:
        return ["linear", "asinh"] if log is None else ["soft", log]
    if words.law in ("log", "soft") and log is None:
        raise DataError(f"column '{name}' has no bound, which law = \"{words.law}\" needs; specify min, max or positive")
    if words.law in ("linear", "asinh") and log is not None:
        raise DataError(f"column '{name}' has bounds, which law = \"{words.law}\" has not; specify soft or log")
    return [log if words.law == "log" and log is not None else words.law]


def _fitted(column: Column, law: str, others: Others, train: Numbers) -> Column:
    """The column with that map, standardized by the training values."""
    where = {"log": others.low, "logit": others.low, "log-below": others.high, "asinh": float(np.median(train))}.get(law)
    column = column if where is None else replace(column, loc=where)
    v = (train - column.loc) / column.scale
    marginal = Marginal(law, others.least, others.greatest, others.spikes, others.low, others.high, _width(law, v))
    w, _ = MAPS[law].bend(torch.from_numpy(v), replace(column, marginal=marginal).ends)
    marginal = replace(marginal, loc=float(w.mean()), scale=float(w.std(correction=0)))
    if not MAPS[law].heavy:
        u = (w - marginal.loc) / marginal.scale
        marginal = replace(marginal, bottom=float(u.min()) - BEYOND, top=float(u.max()) + BEYOND)
    return replace(column, marginal=marginal)


def _width(law: str, v: Numbers) -> float:
    match law:
        case "soft":
            return SOFT * float(v.std())
        case "asinh":
            return float(np.median(np.abs(v))) or 1.0
        case "log" | "log-below":  # half as far from the end as any value
            return float(np.abs(v).min()) / 2
        case _:
            return 1.0


def _scores(column: Column, law: str, others: Others) -> Numbers:
    """log p of values under the map, and a normal or a Student-t, that are fitted to the other folds: the same values for each law.

    It is 0 where all values of the other folds are equal, to which nothing is fitted.
    """
    values = others.values[:: math.ceil(len(others.values) / MOST)]
    fold = np.random.default_rng(0).permutation(len(values)) % FOLDS
    found = np.zeros(len(values))
    for each in range(FOLDS):
        if _differ(values[fold != each]):
            found[fold == each] = _score(column, law, others, values[fold != each], values[fold == each])
    return found


def _score(column: Column, law: str, others: Others, train: Numbers, held: Numbers) -> Numbers:
    made = _fitted(column, law, others, train)
    marginal, some = made.marginal or Marginal(), MAPS[law]
    ends = made.ends
    seen, v = (torch.from_numpy((each - made.loc) / made.scale) for each in (train, held))
    (w, _), (at, slope) = (some.bend(each, ends) for each in (seen, v))
    u, at = ((each - marginal.loc) / marginal.scale for each in (w, at))
    law_of_u = _student(u) if some.heavy else Normal(0.0, 1.0)
    score: Tensor = law_of_u.log_prob(at) + slope - math.log(marginal.scale)  # type: ignore[no-untyped-call]
    return score.numpy()


def _student(u: Tensor) -> StudentT:
    """The most likely Student-t, by EM, of some degrees of freedom."""
    found = []
    for freedom in TAILS:
        loc, scale = u.median(), u.std()
        for _ in range(ROUNDS):
            weight = (freedom + 1) / (freedom + ((u - loc) / scale).square())
            loc = (weight * u).sum() / weight.sum()
            scale = (weight * (u - loc).square()).mean().sqrt()
        found.append(StudentT(freedom, loc, scale))
    return max(found, key=lambda law: float(law.log_prob(u).sum()))
