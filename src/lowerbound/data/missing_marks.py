"""What looks like a mark of missing cells in a column of numbers, booleans or dates: well-known texts are taken so, others are noted."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from lowerbound.data import cells, dates, spellings
from lowerbound.data.column import OF_CLASSES, Column
from lowerbound.data.column_words import ColumnWords
from lowerbound.data.texts import Texts

#: a column is said to be of numbers but for some texts if at most this share of its cells, and so many texts, are others
SHARE, OTHERS = 0.1, 5
#: numbers that are written where there is none
SENTINELS = [*(sign * (10**digits - 1) for digits in range(2, 8) for sign in (1, -1)), -88, -888, -8888]


def known(texts: Texts, words: ColumnWords, of_text: bool) -> frozenset[str]:
    """The well-known marks among the texts of a column that is specified as numbers, booleans or dates, or all others of which are such."""
    if words.kind in (*OF_CLASSES, "ignore", "constant") or (words.kind is None and of_text):
        return frozenset()
    marks = texts.having(cells.MARKS).difference(words.keep)
    are_meant = marks and (words.kind is not None or _are_regular(texts.without(marks).distinct))
    return marks if are_meant else frozenset()


def _are_regular(texts: Sequence[str]) -> bool:
    ways = (cells.are_numbers, cells.truths, dates.date_format, spellings.recognised, dates.either_first)
    return any(way(texts) for way in ways)


def taken(name: str, texts: Texts, marks: Collection[str]) -> tuple[str, ...]:
    """A note on marks that are taken as missing."""
    if not marks:
        return ()
    number = sum(int(n) for text, n in zip(texts.distinct, texts.counts(), strict=True) if text in marks)
    said = " or ".join(f"'{mark}'" for mark in sorted(marks))
    return (f"column '{name}': {number:,} cells that say {said} are taken as missing; as values: {line(name, 'keep', marks)}",)


def levels(column: Column, elsewhere: Collection[str]) -> tuple[str, ...]:
    """A note on well-known marks that are categories of a column, though they are missing ``elsewhere`` in the table."""
    both = cells.MARKS.intersection(elsewhere, column.levels).difference(column.keep) if column.classes else ()
    if not both:
        return ()
    said = " or ".join(f"'{mark}'" for mark in sorted(both))
    where = f"column '{column.name}': {said} is one of its categories, and missing in other columns"
    return (f"{where}; if it means missing here too: {line(column.name, 'missing', both)}",)


def others(name: str, texts: Texts) -> tuple[str, ...]:
    """A note on the few texts of a column of which all other cells are numbers."""
    strange = np.isnan(cells.numbers(texts.distinct))
    few = [text for text, is_so in zip(texts.distinct, strange, strict=True) if is_so]
    number = int(texts.counts()[strange].sum())
    if not 0 < len(few) <= OTHERS or number > SHARE * texts.there:
        return ()
    said = ", ".join(f"'{text[:40]}'" for text in few)
    return (f"column '{name}': all but {number:,} cells are numbers; if {said} mean missing: {line(name, 'missing', few)}",)


def far(name: str, texts: Texts, values: npt.NDArray[np.float64]) -> tuple[str, ...]:
    """A note on a number such as -999 that is farther from all others than these from one another; ``values`` are those of the texts."""
    notes, such = [], np.isin(values, SENTINELS)
    rest = values[~such]
    for place in np.flatnonzero(such) if len(rest) > 1 else ():
        text, low, high = texts.distinct[place], rest.min(), rest.max()
        if not low - (high - low) <= values[place] <= high + (high - low):
            where = f"column '{name}': {text} ({int(texts.counts()[place]):,} cells) is far from all other values"
            notes.append(f"{where}; if it means missing: {line(name, 'missing', [text])}")
    return tuple(notes)


def line(name: str, key: str, texts: Collection[str]) -> str:
    """What to write in a file of types, of a column's texts."""
    return f"{toml_key(name)} = {{{key} = {json.dumps(sorted(texts), ensure_ascii=False)}}} in a file for --types"


def toml_key(name: str) -> str:
    """A name as a TOML key."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
