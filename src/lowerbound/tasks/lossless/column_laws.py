"""The laws of a table's columns as weights that are whole numbers, of a decoder's numbers; and what an encoder is shown of values.

Those of ``vae.likelihoods.Columns`` and ``nn.missing.TableInput``, by functions that come out the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from lowerbound.data import dates
from lowerbound.data.column import LOGISTIC, Column
from lowerbound.data.count_choice import INFLATED
from lowerbound.tasks.lossless import functions, laws, maps
from lowerbound.tasks.lossless.cells import Writing
from lowerbound.tasks.lossless.coder import Stack
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Law, Smooth, Whole
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.likelihoods.columns import LOG_COUNT, log_total
from lowerbound.vae.likelihoods.numbers import LIGHT
from lowerbound.vae.likelihoods.ordinal import LOG_SCALE
from lowerbound.vae.likelihoods.scales import FLOOR

WIDE_BITS = 30  # of numbers whose law is asked; what is beyond is as likely as any other
EVEN = 2.0**-16  # of the mass is spread evenly, so that nothing is impossible


@dataclass(frozen=True)
class ColumnLaws:
    """Where each column's parameters are in the decoder's output."""

    columns: tuple[Column, ...]
    heavy: bool
    places: tuple[tuple[int, ...], ...]
    spikes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, likelihood: Columns) -> ColumnLaws:
        """As ``Columns`` lays them out: groups of a kind, of which each parameter of all columns comes before the next."""
        places: dict[int, tuple[int, ...]] = {}
        spikes: dict[int, tuple[int, ...]] = {}
        first = 0
        for (kind, group, classes), width in zip(likelihood.groups, likelihood.widths, strict=True):
            n = len(group)
            parameters = {"category": classes, "number": 3 if likelihood.heavy else 2, "count": 2, INFLATED: 3, "ordinal": 2}.get(kind, 1)
            for index, place in enumerate(group):
                places[place] = tuple(first + index + parameter * n for parameter in range(parameters))
            if kind == "number":
                spikes |= _spikes(likelihood.columns, group, first + parameters * n)
            first += width
        every = range(len(likelihood.columns))
        return cls(likelihood.columns, likelihood.heavy, tuple(places[p] for p in every), tuple(spikes.get(p, ()) for p in every))

    def push(self, stack: Stack, place: int, writing: Writing, output: Array, numbers: Whole) -> None:
        """The numbers ``(n,)`` of a column by the decoder's ``output`` ``(n, parameters)``."""
        if not writing.top and not self.columns[place].classes:
            return
        low = _even_bits(writing.top)
        stack.push(self._law(place, writing, output), numbers >> low)
        if low:
            stack.push_even(low, numbers & ((1 << low) - 1))

    def pop(self, stack: Stack, place: int, writing: Writing, output: Array) -> Whole:
        """The reverse."""
        n, low = len(output), _even_bits(writing.top)
        if not writing.top and not self.columns[place].classes:
            return np.zeros(n, np.int64)
        even = stack.pop_even(low, n) if low else np.zeros(n, np.int64)
        return (stack.pop(self._law(place, writing, output), n) << low) + even

    def costs(self, place: int, writing: Writing, output: Array, numbers: Whole) -> Array:
        """−log p of the numbers, those of their last bits aside that are even."""
        if not writing.top and not self.columns[place].classes:
            return np.zeros(len(output))
        return laws.costs(self._law(place, writing, output), numbers >> _even_bits(writing.top))

    def _law(self, place: int, writing: Writing, output: Array) -> Law:
        column, numbers = self.columns[place], output[:, list(self.places[place])].T
        match column.kind:
            case "boolean":
                return laws.Bernoulli(numbers[0])
            case "category":
                return laws.categorical(numbers)
            case "ordinal":
                return _ordinal(column, *numbers)
            case "count":
                return _count(column, numbers, writing.top)
            case _:
                return self._number(place, writing, numbers, output)

    def _number(self, place: int, writing: Writing, numbers: Array, output: Array) -> Law:
        column, low = self.columns[place], _even_bits(writing.top)
        shares, spikes = _at_spikes(column, writing, output[:, list(self.spikes[place])].T)
        parameters = _of_student(column, numbers) if self.heavy else (numbers[0], FLOOR + functions.softplus(numbers[1]), None)
        written = Written(column, writing, low, parameters)
        top = writing.top >> low
        first, last = (written.below(np.full(numbers.shape[1], k)) for k in (0, top + 1))
        total = sum(shares[1:], shares[0])

        def share_below(k: Whole) -> Array:
            found = shares[0] * ((written.below(k) - first + EVEN * (k / (top + 1))) / (last - first + EVEN))
            for share, spike in zip(shares[1:], spikes, strict=True):
                found = found + share * (spike >> low < k)
            return found / total

        return Smooth(top, share_below)


@dataclass(frozen=True)
class Written:
    """The density of a column's numbers as they are written, their last ``low`` bits aside, by location, σ and degrees of freedom."""

    column: Column
    writing: Writing
    low: int
    parameters: tuple[Array, Array, Array | None]

    def below(self, k: Whole) -> Array:
        """The share below the middle between the least number of k and the one before."""
        edge = (k << self.low).astype(np.float64) - 0.5
        return _cdf(maps.bent(self.writing.values(edge, self.column), self.column), *self.parameters)


def _spikes(columns: Sequence[Column], group: Sequence[int], first: int) -> dict[int, tuple[int, ...]]:
    """Where the logits of each column's spikes are: as many for each that has some as for the one with most."""
    counts = {place: len(maps.spikes_of(columns[place])) for place in group}
    most, spiked = max(counts.values()), [place for place in group if counts[place]]
    return {place: tuple(first + index * most + spike for spike in range(counts[place])) for index, place in enumerate(spiked)}


def _even_bits(top: int) -> int:
    return max(0, top.bit_length() - WIDE_BITS)


def _of_student(column: Column, numbers: Array) -> tuple[Array, Array, Array]:
    """Location, scale and degrees of freedom."""
    loc, scale, freedom = numbers
    more = LIGHT * (column.marginal is not None and not maps.is_heavy(column.marginal.law))
    return loc, FLOOR + functions.softplus(scale), 2 + FLOOR + functions.softplus(freedom + more + 2)


def _cdf(u: Array, loc: Array, scale: Array, freedom: Array | None) -> Array:
    """Of a normal, or of a Student-t by a normal that has its distribution function to some 10⁻³.

    Source: Hill, "Algorithm 395: Student's t-distribution", 1970, https://doi.org/10.1145/355598.355599.
    """
    t = (u - loc) / scale
    if freedom is not None:
        a = freedom - 0.5
        b = 48 * a * a
        y = a * functions.log(1 + np.minimum(t * t / freedom, 1e100))
        far = (((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b)
        t = np.copysign(((far + y + 3) / b + 1) * np.sqrt(y), t)
    return functions.normal_cdf()(t)


def _at_spikes(column: Column, writing: Writing, logits: Array) -> tuple[list[Array], list[int]]:
    """The shares of what is not at a spike and of each spike that a cell can say, and the numbers of these."""
    n = logits.shape[1]
    numbers = [spike_number(spike, writing) for spike in maps.spikes_of(column)]
    every = np.concatenate([np.zeros((1, n)), logits])
    weights = functions.exp()(every - every.max(0))
    there = [(weight, number) for weight, number in zip(weights[1:], numbers, strict=True) if number is not None]
    return [weights[0], *(weight for weight, _ in there)], [number for _, number in there]


def spike_number(spike: float, writing: Writing) -> int | None:
    """The number of a cell that says the spike, None where none does."""
    number = round(spike / dates.step_of(writing.form) if writing.form else spike * 10.0**writing.decimals) - writing.least
    said = (number + writing.least) * dates.step_of(writing.form) if writing.form else (number + writing.least) / 10.0**writing.decimals
    return number if 0 <= number <= writing.top and abs(said - spike) <= 1e-9 * abs(spike) else None


def _ordinal(column: Column, loc: Array, log_scale: Array) -> Law:
    """Pieces of a line under a logistic law, as ``vae.likelihoods.ordinal`` has them."""
    below = np.array(list(accumulate(column.shares))[:-1])
    cuts = np.concatenate([[0.0], functions.log(below / (1 - below)), [0.0]])  # of 0 and of all classes nothing is asked
    scale = functions.exp()(np.clip(log_scale, -LOG_SCALE, LOG_SCALE))
    return Smooth(column.classes - 1, lambda k: functions.sigmoid()((cuts[np.minimum(k, column.classes)] - loc) / scale))


def _scores(column: Column) -> Array:
    """As ``Column.scores``."""
    ends = (0.0, *accumulate(column.shares))
    middle = np.array([(below + above) / 2 for below, above in pairwise(ends)])
    return functions.log(middle / (1 - middle)) / LOGISTIC


def _count(column: Column, numbers: Array, top: int) -> Law:
    """A negative binomial, with more zeros where there is a third number for them; of counts too large to be listed a gamma of its mean
    and variance, by a normal of its cube root.

    Source: Wilson and Hilferty, "The distribution of chi-square", 1931, https://doi.org/10.1073/pnas.17.12.684.
    """
    log_mean = np.clip(column.loc + column.scale * numbers[0], *LOG_COUNT)
    log_r = np.clip(log_total(column) + numbers[1], *LOG_COUNT)
    total, more = functions.exp()(log_r), functions.sigmoid()(numbers[2]) if len(numbers) > 2 else np.zeros_like(log_r)
    if top <= laws.LONGEST:
        return laws.negative_binomial(total, functions.sigmoid()(log_mean - log_r), top, more)
    mean = functions.exp()(log_mean)
    shape = mean * total / (mean + total)

    def share_below(k: Whole) -> Array:
        root = functions.exp()(functions.log(np.maximum(k - 0.5, 0.25) / mean) / 3)
        below = functions.normal_cdf()((root - 1 + 1 / (9 * shape)) * 3 * np.sqrt(shape))
        below = more * (k > 0) + (1 - more) * below
        return (1 - EVEN) * below + EVEN * (k / (top + 1))

    return Smooth(top, share_below)


def shown(values: Array, columns: Sequence[Column]) -> Array:
    """What the network of an encoder sees of values ``(n, D)``, NaN where there is none: as ``TableInput`` has it."""
    plain, spiked, classes = [], [], []
    for value, column in zip(values.T, columns, strict=True):
        there = ~np.isnan(value)
        known = np.where(there, value, 0.0)
        match column.kind:
            case "category":
                classes += [there & (known == place) for place in range(column.classes)]
            case "ordinal":
                plain.append(there * _scores(column)[known.astype(np.int64)])
            case "boolean":
                plain.append(there * (2 * known - 1))
            case "count":
                plain.append(there * ((functions.log(1 + known) - column.loc) / column.scale))
            case _:
                at = [there & (known == column.in_unit(spike)) for spike in maps.spikes_of(column)]
                spiked += at
                plain.append((there & ~np.any([*at, ~there], 0)) * maps.bent(known, column))
    return np.stack([*plain, *spiked, *classes], 1).astype(np.float64)
