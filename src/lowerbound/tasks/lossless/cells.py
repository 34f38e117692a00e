"""The cells of a column of a table as whole numbers, and back to the letter.

A column's usual cells are written in one way, and are numbers: the place of a category, a count, a date's number of days, the digits of a
number without its point. What is written in another way, a missing cell say, is named with the file, and counts as missing to the model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from lowerbound.data import dates, spellings
from lowerbound.data.cells import bare
from lowerbound.data.column import OF_CLASSES, Column
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Whole

DECIMALS, LARGEST = 15, 2**50  # of numbers that are coded by their digits
UNUSUAL = 64  # ways that cells of a column may be written in besides the usual one
STYLES: dict[str, Callable[[str], str]] = {
    "all decimals": lambda text: text,
    "no zeros": lambda text: text.rstrip("0").rstrip(".") if "." in text else text,
    "a point": lambda text: text.rstrip("0").rstrip(".") + ".0" * ("." not in text.rstrip("0").rstrip(".")) if "." in text else text + ".0",
}
_PLAIN = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")


@dataclass(frozen=True)
class Writing:
    """How the usual cells of a column are written: texts ``before`` and ``after``, and of numbers how many ``decimals`` in which ``style``.

    Numbers are ``least`` + 0 … ``top``, in units of the last decimal; ``spelling`` is as a ``Column``'s, of a date its zone, and ``form``
    its format. ``levels`` are the cells of categories.
    """

    before: str = ""
    after: str = ""
    least: int = 0
    top: int = 0
    decimals: int = 0
    style: str = "all decimals"
    spelling: str = ""
    form: str = ""
    levels: tuple[str, ...] = ()

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> Writing:
        """From JSON."""
        return cls(**{**words, "levels": tuple(words.get("levels", ()))})

    @cached_property
    def write(self) -> Callable[[int], str]:
        """The cell of a number from 0 to ``top``."""
        if self.levels:
            return lambda number: self.levels[number]
        if self.form:
            step = dates.step_of(self.form)
            return lambda number: self.before + dates.as_date((self.least + number) * step, self.form, self.spelling) + self.after
        style, written = STYLES[self.style], spellings.reader(self.spelling).written if self.spelling else str
        return lambda number: self.before + written(style(_with_point(self.least + number, self.decimals))) + self.after

    def values(self, numbers: Array, column: Column) -> Array:
        """The numbers in the model's unit."""
        raw = (self.least + numbers) * dates.step_of(self.form) if self.form else (self.least + numbers) / 10.0**self.decimals
        return (raw - column.loc) / column.scale if column.kind in ("number", "date") else raw


def _with_point(number: int, decimals: int) -> str:
    if not decimals:
        return str(number)
    whole, part = divmod(abs(number), 10**decimals)
    return f"{'-' * (number < 0)}{whole}.{part:0{decimals}}"


@dataclass(frozen=True)
class Cells:
    """The cells of a column: the writing of the usual ones, and the other ``texts``; ``counts`` are how many are usual, and each text."""

    writing: Writing
    texts: tuple[str, ...]
    counts: tuple[int, ...]

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> Cells:
        """From JSON."""
        return cls(Writing.read(words["writing"]), tuple(words["texts"]), tuple(words["counts"]))

    def written(self, kinds: Whole, numbers: Whole) -> list[str]:
        """The cells of each kind, 0 for the usual ones, and of each number."""
        write = self.writing.write
        known = {number: write(int(number)) for number in np.unique(numbers[kinds == 0])}
        return [self.texts[kind - 1] if kind else known[number] for kind, number in zip(kinds.tolist(), numbers.tolist(), strict=True)]


def coded(raws: Sequence[str], texts: Sequence[str | None], column: Column) -> tuple[Cells, Whole, Whole] | None:
    """The cells of a column ``(n,)`` as written and as texts: how, the kind of each, and its number, 0 where it has none.

    None where too many are written in ways of their own.
    """
    often, text_of = Counter(raws), dict(zip(raws, texts, strict=True))
    best: tuple[int, Writing, dict[str, int]] | None = None
    for writing, read in _guesses(text_of, often, column):
        found = {raw: number for raw, text in text_of.items() if text is not None and (number := read(text)) is not None}
        writing = _from_least(writing, found, column)
        numbers = {raw: n for raw, number in found.items() if writing.write(n := number - writing.least) == raw}
        usual = sum(often[raw] for raw in numbers)
        if best is None or usual > best[0]:
            best = usual, writing, numbers
    if best is None or not best[0]:
        return None
    usual, writing, numbers = best
    others = {raw: count for raw, count in often.items() if raw not in numbers}
    if len(others) > UNUSUAL:
        return None
    kind = dict.fromkeys(numbers, 0) | {raw: place for place, raw in enumerate(others, start=1)}
    cells = Cells(writing, tuple(others), (usual, *others.values()))
    return cells, np.array([kind[raw] for raw in raws], np.int64), np.array([numbers.get(raw, 0) for raw in raws], np.int64)


Read = Callable[[str], "int | None"]


def _guesses(text_of: Mapping[str, str | None], often: Mapping[str, int], column: Column) -> list[tuple[Writing, Read]]:
    """Ways in which the usual cells of a column may be written, and what reads their texts as numbers."""
    there = {raw: text for raw, text in text_of.items() if text is not None}
    if not there:
        return []
    column, (before, after) = column.like(list(there.values())), _around(there, often)
    if column.kind in (*OF_CLASSES, "boolean"):
        return [_named(there, often, column)]
    if column.kind == "date":
        step = dates.step_of(column.format)
        writing = Writing(before, after, form=column.format, spelling=column.spelling)
        return [(writing, lambda text: None if (when := dates.moment(text, column.format)) is None else round(when / step))]
    plain = spellings.reader(column.spelling).plain if column.spelling else str
    texts = [found for text in there.values() if (found := plain(text)) is not None]
    decimals = 0 if column.kind == "count" else min(DECIMALS, max((len(text.partition(".")[2]) for text in texts), default=0))
    writings = [Writing(before, after, decimals=decimals, style=style, spelling=column.spelling) for style in STYLES]
    return [(writing, lambda text: _digits(plain(text), decimals)) for writing in writings]


def _around(there: Mapping[str, str], often: Mapping[str, int]) -> tuple[str, str]:
    """What stands before and after the texts of most cells, blanks or quotes."""
    found = Counter[tuple[str, str]]({("", ""): 0})
    for raw, text in there.items():
        if text in raw:
            before, _, after = raw.partition(text)
            found[before, after] += often[raw]
    return found.most_common(1)[0][0]


def _named(there: Mapping[str, str], often: Mapping[str, int], column: Column) -> tuple[Writing, Read]:
    """Classes, each as it is written most often."""
    known = {bare(level): place for place, level in enumerate(column.levels)} | {level: k for k, level in enumerate(column.levels)}
    rarest_first = sorted(there, key=lambda raw: often[raw])
    raws = {known.get(there[raw], known.get(bare(there[raw]))): raw for raw in rarest_first}
    levels = tuple(raws.get(place, level) for place, level in enumerate(column.levels))
    return Writing(levels=levels), lambda text: known.get(text, known.get(bare(text)))


def _digits(text: str | None, decimals: int) -> int | None:
    """The number of a text in units of its last decimal."""
    found = None if text is None else _PLAIN.fullmatch(text)
    if found is None:
        return None
    sign, whole, part = found.groups("")
    part = part.rstrip("0")
    if len(part) > decimals:
        return None
    number = int(f"{sign}{whole}{part:0<{decimals}}")
    return number if abs(number) < LARGEST // 2 else None


def _from_least(writing: Writing, found: Mapping[str, int], column: Column) -> Writing:
    """The writing with the range of the numbers; those of counts and categories begin at 0."""
    whole = bool(writing.levels) or column.kind == "count"
    least = 0 if whole else min(found.values(), default=0)
    return replace(writing, least=least, top=max(found.values(), default=0) - least)
