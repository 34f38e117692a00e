"""What the text of a cell can be: missing, a number as programs write it, a boolean; and how these are written back."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lowerbound.data.texts import Numbers, Texts

#: texts of a missing cell, after blanks are stripped
MISSING = frozenset({"", "NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "Null"})
#: texts, in small letters, that mean the same where all others of a column are numbers, booleans or dates
MARKS = frozenset({"?", "-", "--", "—", ".", "..", "...", "*", "none", "n/a", "na", "n.a.", "nan", "nat", "nil", "null", "\\n", "missing"})
MARKS |= {"#n/a", "#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!"}
MARKS = MISSING.union(*({mark, mark.upper(), mark.capitalize(), mark.title()} for mark in MARKS))
#: false and true, in upper or lower case
MOST_CASES = 64  # false and true in all mixtures of small and capital letters
TRUTHS = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("0", "1"), ("0.0", "1.0"))

_AS_PROGRAMS = r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?inf(?:inity)?"
_NUMBER = re.compile(_AS_PROGRAMS, re.IGNORECASE)
_NUMBERS = re.compile(rf"(?:(?:{_AS_PROGRAMS})\n)*+", re.IGNORECASE)
_NUMERIC = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.0*)?")
_DIGITS = 17  # of a decimal fraction, at most


@dataclass(frozen=True)
class Marks:
    """Which texts of a column mean that a cell is missing: of a text file the usual ones, and ``missing``; those to ``keep`` are values."""

    missing: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def among(self, texts: Texts, usual: Iterable[str] = MISSING) -> frozenset[str]:
        """Those of the texts that mean so; a number is one however many zeros follow its point."""
        found = texts.having([*usual, *self.missing])
        wholes = tuple({bare(mark) for mark in self.missing if is_whole(mark)})
        if wholes:
            found |= {text for text in texts.distinct if text.startswith(wholes) and bare(text) in wholes}
        return found.difference(self.keep)


def is_missing(text: str) -> bool:
    """Whether the text usually means that the cell is empty."""
    return text in MISSING


def is_number(text: str) -> bool:
    """Whether it is a number as programs write them; 007 is not, it is a name."""
    return _NUMBER.fullmatch(text) is not None


def are_numbers(texts: Sequence[str]) -> bool:
    """Whether each ``is_number``; of many at once, which is quicker than one by one."""
    lines = "\n".join(texts) + "\n"
    return bool(texts) and is_number(texts[0]) and lines.count("\n") == len(texts) and _NUMBERS.fullmatch(lines) is not None


def number(text: str) -> float | None:
    """The number, with or without leading zeros; None for other text, or a number too large for double precision."""
    value = float(text) if _NUMERIC.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def numbers(texts: Sequence[str]) -> Numbers:
    """The ``number`` of each text, NaN where it has none."""
    if are_numbers(texts):
        values = np.fromiter(map(float, texts), np.float64, len(texts))
        values[np.isinf(values)] = np.nan
        return values
    found = map(number, texts)
    return np.array([math.nan if value is None else value for value in found], dtype=np.float64)


def is_whole(text: str) -> bool:
    """Whether it is a whole number; 3.0 is one: programs that have no missing integers write them as floats."""
    return _WHOLE.fullmatch(text) is not None


def bare(text: str) -> str:
    """A whole number without a point and zeros after it; other text unchanged."""
    return text.partition(".")[0] if is_whole(text) else text


def pointed(there: Iterable[str], usual: Sequence[str]) -> tuple[str, ...]:
    """The usual texts, whole numbers written with the point and zeros of those in ``there``, if all agree and no two become equal."""
    ends = {text.removeprefix(bare(text)) for text in there if is_whole(text)}
    new = tuple(bare(text) + "".join(ends) if is_whole(text) else text for text in usual)
    return new if len(ends) == 1 and len({*new}) == len(usual) else tuple(usual)


def integer(text: str) -> int | None:
    """The whole number of a text, exact to the last digit; None for other text."""
    try:
        return int(text)
    except ValueError:
        value = number(text)
        return int(value) if value is not None and value.is_integer() else None


def decimals(texts: Iterable[str]) -> int | None:
    """The most decimals that numbers are written with; None where one has an exponent."""
    written = list(texts)
    if any(mark in "".join(written) for mark in "eE"):
        return None
    return min(max((len(text.partition(".")[2]) for text in written), default=0), _DIGITS)


def places(texts: Sequence[str]) -> tuple[int | None, int]:
    """The ``decimals`` of numbers, and the zeros that all-whole ones are written with: 32.0 has no decimals, and one zero."""
    most = decimals(texts)
    return (0, most) if most and all(map(is_whole, texts)) else (most, 0)


def truths(distinct: Collection[str]) -> tuple[str, str] | None:
    """The spellings of false and true, if the texts are exactly these two."""
    if len(distinct) > MOST_CASES:
        return None
    spelled = {text.casefold(): text for text in sorted(distinct, reverse=True)}
    pair = next((pair for pair in TRUTHS if spelled.keys() == set(pair)), None)
    return None if pair is None else (spelled[pair[0]], spelled[pair[1]])


def spelled(there: Collection[str], usual: Sequence[str]) -> tuple[str, ...]:
    """The spellings of false and true in these texts; if only one occurs, the other in the same case; if none does, the usual ones."""
    shown = {text.casefold(): text for text in sorted(there, key=lambda text: (text in usual, text))}
    pair = next((pair for pair in TRUTHS if not shown.keys().isdisjoint(pair)), None)
    if pair is None:
        return tuple(usual)
    other = next(shown[word] for word in pair if word in shown)
    cased = str.upper if other.isupper() else str.title if other.istitle() else str
    return tuple(shown.get(word, cased(word)) for word in pair)


def truth(text: str) -> bool | None:
    """The boolean that a text means, in any of the known spellings; None for other text."""
    return next((bool(pair.index(text.casefold())) for pair in TRUTHS if text.casefold() in pair), None)


def as_number(value: float, places: int | None) -> str:
    """A number with so many decimals, or, where ``places`` is None, with nine significant digits (single precision)."""
    if places is None:
        return f"{value:.9g}"
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if not float(text) else text
