"""What the text of a cell can be: missing, a number, a boolean, a date; and how dates and numbers are written back."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

#: texts of a missing cell, after blanks are stripped
MISSING = frozenset({"", "NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "Null"})
#: false and true, in upper or lower case
TRUTHS = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("0", "1"), ("0.0", "1.0"))
#: date formats that are recognised without being specified, as for ``strptime``
FORMATS = (
    "%Y-%m-%d",
    *(f"%Y-%m-%d{mark}{time}{zone}" for mark in "T " for time in ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f") for zone in ("", "Z", "%z")),
    "%Y/%m/%d",
    "%d.%m.%Y",
)
#: those with a time of day, at midnight: programs without a type for days write them so
MIDNIGHTS = tuple(re.sub("%[HMS]", "00", form).replace("%f", "000000") for form in FORMATS if "%H" in form)
#: the finest step of a format, in seconds: anything finer is rounded away
STEPS = {"%f": 1e-6, "%S": 1.0, "%M": 60.0, "%H": 3600.0}
DAY = 86_400.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = (
    (moment - EPOCH).total_seconds() for moment in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
)

_NUMBER = re.compile(  # as programs write it
    r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?inf(?:inity)?", re.IGNORECASE
)
_NUMERIC = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?", re.IGNORECASE)
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.0*)?")
_DIGITS = 17  # of a decimal fraction, at most


def is_missing(text: str) -> bool:
    """Whether the text means that the cell is empty."""
    return text in MISSING


def is_number(text: str) -> bool:
    """Whether it is a number as programs write them; 007 is not, it is a name."""
    return _NUMBER.fullmatch(text) is not None


def number(text: str) -> float | None:
    """The number, with or without leading zeros; None for other text, or a number too large for double precision."""
    value = float(text) if _NUMERIC.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


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
    most = 0
    for text in texts:
        if "e" in text or "E" in text:
            return None
        most = max(most, len(text.partition(".")[2]))
    return min(most, _DIGITS)


def truths(distinct: Iterable[str]) -> tuple[str, str] | None:
    """The spellings of false and true, if the texts are exactly these two."""
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


def date_format(texts: Sequence[str], *more: str) -> str | None:
    """The first format in which all texts are dates, of ``more`` or the known ones; None if there is none."""
    forms = (*more, *FORMATS)
    return next((form for form in forms if all(moment(text, form) is not None for text in texts)), None) if texts else None


def moment(text: str, form: str) -> float | None:
    """Seconds since 1970, in UTC where no zone is given; None for a text that is not a date of this format."""
    try:
        read = datetime.strptime(text, form)
    except (ValueError, OverflowError):
        return None
    try:
        return ((read.replace(tzinfo=UTC) if read.tzinfo is None else read) - EPOCH).total_seconds()
    except OverflowError:
        return None


def as_datetime(seconds: float, form: str) -> datetime:
    """The time, to the precision of the format; clipped to the years 1 to 9999."""
    step = next((step for code, step in STEPS.items() if code in form), DAY)
    nearest = round(min(max(seconds, FIRST), LAST) / step) * step
    return EPOCH + timedelta(seconds=min(max(nearest, FIRST), LAST // step * step))


def as_date(seconds: float, form: str) -> str:
    """The time written in its format."""
    when = as_datetime(seconds, form)
    return when.strftime(form.replace("%Y", f"{when.year:04}"))


def as_number(value: float, places: int | None) -> str:
    """A number with so many decimals, or, where ``places`` is None, with nine significant digits (single precision)."""
    if places is None:
        return f"{value:.9g}"
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if not float(text) else text
