"""One column of a table: its kind, and with it how cells become numbers and numbers become cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lowerbound.data import cells as kinds
from lowerbound.data import count_choice, dates, spellings
from lowerbound.data.maps import MAPS, Ends
from lowerbound.data.marginals import Marginal
from lowerbound.data.texts import Reader, Texts
from lowerbound.errors import DataError

#: kinds of columns that a model includes, and kinds that it leaves out
MODELLED = ("number", "category", "ordinal", "boolean", "count", "date")
#: those of which a value is one of some classes
OF_CLASSES = ("category", "ordinal")
LEFT_OUT = ("constant", "ignore")
LARGEST_COUNT = 2**24  # single precision is exact for all whole numbers up to this one
MOST_LEVELS = 10_000
MOST_DECIMALS = 20
LOGISTIC = math.pi / math.sqrt(3)  # the standard deviation of a logistic law
UNSEEN = -1.0  # a category that training has not seen: the encoder knows no such class, and distributions.mixed.Nominal none less likely


@dataclass(frozen=True)
class Column:
    """A column: its name, its kind, and what its kind needs.

    ``levels`` are the texts of a category in the order of their numbers, of an ordinal from the least to the greatest, of a boolean those
    of false and true, of a constant the only one. ``shares`` are how frequent an ordinal's are in training.
    Numbers and dates (in seconds) are standardized, (x − ``loc``)/``scale``; for counts k, ``loc`` and ``scale`` are those of log(1 + k),
    and k itself is modelled. Numbers are written with ``decimals`` as 1234.5 is in ``spelling`` (spellings.py), whole ones with ``zeros``
    after a point, as programs do that have no missing integers; dates in their ``format`` and the zone that is their ``spelling``. Cells
    that say one of ``missing`` are missing, those to ``keep`` are not. Numbers with bounds, skew or a value that many share have a
    ``marginal`` law, and dates; counts have a ``law`` (count_choice.py), "" in runs of before: a negative binomial.
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    loc: float = 0.0
    scale: float = 1.0
    decimals: int | None = None
    format: str = ""
    spelling: str = ""
    missing: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    marginal: Marginal | None = None
    shares: tuple[float, ...] = ()
    zeros: int = 0
    law: str = ""

    @classmethod
    def read(cls, words: Any) -> Column:
        """The column from the content of a JSON file. Errors: TypeError, KeyError, ValueError for an invalid description."""
        name, kind, levels = words["name"], words["kind"], words["levels"]
        loc, scale, places, form = float(words["loc"]), float(words["scale"]), words["decimals"], words["format"]
        if not (isinstance(name, str) and kind in (*MODELLED, *LEFT_OUT) and isinstance(form, str)):
            raise ValueError(f"column {name!r}")
        if not (isinstance(levels, list) and all(isinstance(level, str) for level in levels) and len(set(levels)) == len(levels)):
            raise ValueError(f"levels of column {name!r}")
        several = 2 <= len(levels) <= MOST_LEVELS
        if {**dict.fromkeys(OF_CLASSES, several), "boolean": len(levels) == 2, "constant": len(levels) == 1}.get(kind) is False:
            raise ValueError(f"levels of column {name!r}")
        if not (math.isfinite(loc) and 0 < scale < math.inf and (places is None or (type(places) is int and 0 <= places <= MOST_DECIMALS))):
            raise ValueError(f"numbers of column {name!r}")
        if kind == "boolean" and kinds.truths(levels) is None:
            raise ValueError(f"levels of column {name!r}")
        if kind == "date" and dates.moment(dates.as_date(0.0, form), form) is None:
            raise ValueError(f"format of column {name!r}")
        spelling, missing, keep = (words.get(key, usual) for key, usual in (("spelling", ""), ("missing", []), ("keep", [])))  # since 0.2
        if not (isinstance(spelling, str) and all(isinstance(text, str) for text in (*missing, *keep))):
            raise ValueError(f"texts of column {name!r}")
        zeros = words.get("zeros", 0)
        if not (type(zeros) is int and 0 <= zeros <= MOST_DECIMALS):
            raise ValueError(f"zeros of column {name!r}")
        if kind in ("number", "count"):
            spellings.reader(spelling)
        marginal = None if words.get("marginal") is None else Marginal.read(words["marginal"])
        if marginal is not None and kind not in ("number", "date"):
            raise ValueError(f"law of column {name!r}")
        shares = tuple(map(float, words.get("shares", [])))
        if len(shares) != (len(levels) if kind == "ordinal" else 0) or not all(0 < share < 1 for share in shares):
            raise ValueError(f"shares of column {name!r}")
        law = words.get("law", "")
        if law not in ("", *(count_choice.LAWS if kind == "count" else ())):
            raise ValueError(f"law of column {name!r}")
        texts = tuple(missing), tuple(keep)
        return cls(name, kind, tuple(levels), loc, scale, places, form, spelling, *texts, marginal, shares, zeros, law)

    @property
    def is_modelled(self) -> bool:
        """Whether a model includes it."""
        return self.kind in MODELLED

    @property
    def classes(self) -> int:
        """How many classes a category or an ordinal has; 0 for other kinds."""
        return len(self.levels) if self.kind in OF_CLASSES else 0

    @property
    def cuts(self) -> tuple[float, ...]:
        """Where a logistic law of location 0 and scale 1 is cut into classes of an ordinal's shares, the log odds of all up to each."""
        return tuple(math.log(below / (1 - below)) for below in list(accumulate(self.shares))[:-1])

    @property
    def scores(self) -> tuple[float, ...]:
        """The log odds of the middle of each class of an ordinal, by the standard deviation of a logistic law: what an encoder is shown."""
        ends = (0.0, *accumulate(self.shares))
        middles = [(below + above) / 2 for below, above in pairwise(ends)]
        return tuple(math.log(middle / (1 - middle)) / LOGISTIC for middle in middles)

    @property
    def marks(self) -> kinds.Marks:
        """Which of its texts mean that a cell is missing."""
        return kinds.Marks(self.missing, self.keep)

    def like(self, cells: Sequence[str | None]) -> Column:
        """The column in the spelling of another table's cells, where they show one; a constant that has other values there is ignored."""
        there = Texts.of(cells).distinct
        match self.kind:
            case "boolean":
                return replace(self, levels=kinds.spelled(there, self.levels))
            case "number" | "count":
                return self._spelled_like(Texts.of(cells))
            case "date":
                form = dates.date_format(there, *dates.MIDNIGHTS, self.format) or "".join(dates.either_first(there)[:1])
                return replace(self, format=form or self.format, spelling=dates.zone_of(there, form) if there else self.spelling)
            case "constant" if not {*map(kinds.bare, there)} <= {*map(kinds.bare, self.levels)}:
                return replace(self, kind="ignore", levels=())
            case "category" | "ordinal" | "constant":
                return replace(self, levels=kinds.pointed(there, self.levels))
            case _:
                return self

    def _spelled_like(self, texts: Texts) -> Column:
        """The column of numbers in the spelling of other cells: its own, that of programs, or the one that is recognised."""
        if texts.typed:
            return replace(self, spelling="")
        for spelling in (spellings.reader(self.spelling), spellings.PLAIN):
            if texts.first(np.isnan(texts.numbers(spelling))) is None:
                break
        else:
            found = spellings.recognised(texts.distinct)
            spelling = found[0] if len(found) == 1 else spellings.reader(self.spelling)
        spelling = replace(spelling, minus=spellings.minus(texts.distinct) or spelling.minus)
        plain = spelling.plain_texts(texts.distinct)
        zeros = kinds.places(plain)[1] if plain and self.decimals == 0 else self.zeros
        return replace(self, spelling="" if spelling == spellings.PLAIN else spelling.example, zeros=zeros)

    def numbers(self, cells: Sequence[str | None]) -> tuple[npt.NDArray[np.float64], int]:
        """The model's values for these cells, NaN for empty ones, and how many cells have an unknown category.

        An unknown category is ``UNSEEN``. Errors: DataError, naming the row, for a cell that is not of this column's kind.
        """
        texts = Texts.of(cells)
        match self.kind:
            case "category" | "ordinal":
                known = {kinds.bare(level): number for number, level in enumerate(self.levels)}
                known |= {level: number for number, level in enumerate(self.levels)}
                found = [known.get(text, known.get(kinds.bare(text), UNSEEN)) for text in texts.distinct]
                values = texts.spread(np.array(found, dtype=np.float64))
                return values, int((values == UNSEEN).sum())
            case "boolean":
                return self._each(texts, _truths, f"{self.levels[0]} or {self.levels[1]}"), 0
            case "date":
                example = dates.as_date(0.0, self.format, self.spelling)
                raw = self._each(texts, dates.Moments(self.format), f"a date such as {example}")
            case "count":
                return self._each(texts, Counts(spellings.reader(self.spelling)), f"a whole number from 0 to {LARGEST_COUNT:,}"), 0
            case _:
                wanted = f"a number such as {self.spelling}" if self.spelling else "a number below 1.8e308"
                raw = self._within(texts, self._each(texts, spellings.reader(self.spelling), wanted))
        with np.errstate(over="ignore"):
            return (raw - self.loc) / self.scale, 0

    def _each(self, texts: Texts, read: Reader, wanted: str) -> npt.NDArray[np.float64]:
        values = texts.numbers(read)
        row = texts.first(np.isnan(values))
        if row is not None:
            said = f"'{str(texts[row])[:40]}' is not {wanted}, as this {self.kind} column needs"
            raise DataError(f"{texts.where(self.name, row)}: {said}")
        return values

    def _within(self, texts: Texts, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The values, which are within the bounds. Errors: DataError."""
        if self.marginal is not None and self.marginal.bounds:
            row = texts.first(np.abs(np.clip(values, self.marginal.least, self.marginal.greatest) - values) > 0)
            if row is not None:
                said = f"{texts[row]} is not {self.marginal.bounds}, as all values were; empty the cell, or train with another bound"
                raise DataError(f"{texts.where(self.name, row)}: {said}")
        return values

    def text(self, value: float) -> str:
        """The text of the cell for a value given by a model."""
        match self.kind:
            case "category" | "ordinal" | "boolean":
                return self.levels[min(max(round(value), 0), len(self.levels) - 1)]
            case "date":
                return dates.as_date(self._number(value), self.format, self.spelling)
            case "count":
                return self._written(float(max(0, round(value))), self.decimals or 0)
            case "constant":
                return self.levels[0]
            case _:
                return self._written(self._number(value), self.decimals)

    def _number(self, value: float) -> float:
        """The number of a model's value; of one that is a spike to single precision the spike itself."""
        spikes = () if self.marginal is None else self.marginal.spikes
        at = (spike for spike in spikes if np.float32(self.in_unit(spike)) == np.float32(value))
        return next(at, self.loc + self.scale * value)

    def _written(self, value: float, places: int | None) -> str:
        text = kinds.as_number(value, places) if self.marginal is None else self.marginal.written(value, places)
        text += f".{'0' * self.zeros}" if self.zeros else ""
        return spellings.reader(self.spelling).written(text) if self.spelling else text

    def typed(self, texts: Sequence[str | None]) -> list[Any]:
        """The cells as typed values, for files that have types: whole numbers as 64-bit integers where all fit."""
        match self.kind:
            case "number" | "count":
                there = Texts.of(texts)
                plain = there.changed(spellings.reader(self.spelling).plain_texts(there.distinct))
                return _numbers(list(plain), self.kind == "count" or self.decimals == 0)
            case "boolean":
                return [None if text is None else kinds.truth(text) for text in texts]
            case "date":
                return [None if text is None else self._date(text) for text in texts]
            case _:
                return list(texts)

    def _date(self, text: str) -> date | datetime:
        when = dates.as_datetime(dates.moment(text, self.format) or 0.0, self.format)
        if not dates.has_time(self.format):
            return when.date()
        return when if dates.has_zone(self.format) else when.replace(tzinfo=None)

    @property
    def middle(self) -> float:
        """The median of its marginal law, spikes aside."""
        marginal = self.marginal or Marginal()
        w = torch.tensor(marginal.loc, dtype=torch.double)
        return self.loc + self.scale * float(MAPS[marginal.law].back(w, self.ends))

    @property
    def ends(self) -> Ends:
        """The ends and the width of the map of its marginal law, in the model's unit."""
        marginal = self.marginal or Marginal()
        low = -math.inf if marginal.low is None else self.in_unit(marginal.low)
        high = math.inf if marginal.high is None else self.in_unit(marginal.high)
        return Ends(*torch.tensor([low, high, marginal.width], dtype=torch.double))

    def in_unit(self, number: float) -> float:
        """A number of the column in the model's unit, to the bit as ``numbers`` has it."""
        return (number - self.loc) / self.scale

    @property
    def unit(self) -> float:
        """The size of the model's unit in the column's own: σ for numbers, σ in days for dates, else 1."""
        return {"number": self.scale, "date": self.scale / dates.DAY}.get(self.kind, 1.0)


@dataclass(frozen=True)
class Counts:
    """Reads texts as counts in a spelling, NaN for a text that is none."""

    spelling: spellings.Spelling

    def __call__(self, texts: Sequence[str], /) -> npt.NDArray[np.float64]:
        """A whole number for each text."""
        found = self.spelling(texts)
        return np.where((found >= 0) & (found <= LARGEST_COUNT) & (found == np.rint(found)), found, np.nan)


def _truths(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    found = map(kinds.truth, texts)
    return np.array([math.nan if value is None else float(value) for value in found], dtype=np.float64)


def _numbers(texts: Sequence[str | None], whole: bool) -> list[Any]:
    """64-bit integers; floats where one does not fit; the texts where a whole number fits neither."""
    if whole:
        exact = [None if text is None else kinds.integer(text) for text in texts]
        found = [value for value in exact if value is not None]
        if len(found) == sum(text is not None for text in texts) and all(-(2**63) <= value < 2**63 for value in found):
            return exact
        if any(int(float(value)) != value for value in found):
            return list(texts)
    return [None if text is None else float(text) for text in texts]
