"""What a cell's text can be: missing, a number, a truth, a date; and how dates and numbers are written again."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta

#: how a cell says that it holds nothing, besides blanks
MISSING = frozenset({"", "NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "Null"})
#: a false and a true, in any case of letters
TRUTHS = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("0", "1"), ("0.0", "1.0"))
#: formats of dates that are known without being told, as for ``strptime``
FORMATS = (
    "%Y-%m-%d",
    *(f"%Y-%m-%d{mark}{time}{zone}" for mark in "T " for time in ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f") for zone in ("", "Z", "%z")),
    "%Y/%m/%d",
    "%d.%m.%Y",
)
#: those with a time of day, where it is always midnight: programs write days so that have no type for them
MIDNIGHTS = tuple(re.sub("%[HMS]", "00", form).replace("%f", "000000") for form in FORMATS if "%H" in form)
#: what is rounded away where a format does not tell it, in seconds
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
_DIGITS = 17  # of a decimal fraction that are worth keeping


def is_missing(text: str) -> bool:
    """Whether it says that a cell holds nothing."""
    return text in MISSING


def is_number(text: str) -> bool:
    """Whether it is a number as programs write them; 007 is none, it is a name."""
    return _NUMBER.fullmatch(text) is not None


def number(text: str) -> float | None:
    """The number, leading zeros or not; None for what is none, or too large for double precision."""
    value = float(text) if _NUMERIC.fullmatch(text) else math.inf
    return value if math.isfinite(value) else None


def is_whole(text: str) -> bool:
    """Whether it is a whole number; 3.0 is one, as programs write it that have no other way to mark what is missing."""
    return _WHOLE.fullmatch(text) is not None


def bare(text: str) -> str:
    """A whole number without point and zeros after it; whatever else as it is."""
    return text.partition(".")[0] if is_whole(text) else text


def pointed(there: Iterable[str], usual: Sequence[str]) -> tuple[str, ...]:
    """The usual texts, whole numbers with the point and zeros that those among these have, if all have the same and no two become one."""
    ends = {text.removeprefix(bare(text)) for text in there if is_whole(text)}
    new = tuple(bare(text) + "".join(ends) if is_whole(text) else text for text in usual)
    return new if len(ends) == 1 and len({*new}) == len(usual) else tuple(usual)


def integer(text: str) -> int | None:
    """The whole number that a text is, to the last digit; None for what is none."""
    try:
        return int(text)
    except ValueError:
        value = number(text)
        return int(value) if value is not None and value.is_integer() else None


def decimals(texts: Iterable[str]) -> int | None:
    """With how many decimals numbers are written at most; None where one has an exponent."""
    most = 0
    for text in texts:
        if "e" in text or "E" in text:
            return None
        most = max(most, len(text.partition(".")[2]))
    return min(most, _DIGITS)


def truths(distinct: Iterable[str]) -> tuple[str, str] | None:
    """The spellings of false and true, if these are all there are."""
    spelled = {text.casefold(): text for text in sorted(distinct, reverse=True)}
    pair = next((pair for pair in TRUTHS if spelled.keys() == set(pair)), None)
    return None if pair is None else (spelled[pair[0]], spelled[pair[1]])


def spelled(there: Collection[str], usual: Sequence[str]) -> tuple[str, ...]:
    """The spellings of false and true among these texts; of one that is not there in the case of the other, of none the usual."""
    shown = {text.casefold(): text for text in sorted(there, key=lambda text: (text in usual, text))}
    pair = next((pair for pair in TRUTHS if not shown.keys().isdisjoint(pair)), None)
    if pair is None:
        return tuple(usual)
    other = next(shown[word] for word in pair if word in shown)
    cased = str.upper if other.isupper() else str.title if other.istitle() else str
    return tuple(shown.get(word, cased(word)) for word in pair)


def truth(text: str) -> bool | None:
    """What a text says that is a truth, in whichever of the pairs of words; None for what is none."""
    return next((bool(pair.index(text.casefold())) for pair in TRUTHS if text.casefold() in pair), None)


def date_format(texts: Sequence[str], *more: str) -> str | None:
    """The format in which all these are dates, if there is one: of ``more``, or of those that are known."""
    forms = (*more, *FORMATS)
    return next((form for form in forms if all(moment(text, form) is not None for text in texts)), None) if texts else None


def moment(text: str, form: str) -> float | None:
    """Seconds since 1970, in UTC where no zone is told; None for what is no date of this format."""
    try:
        read = datetime.strptime(text, form)
    except (ValueError, OverflowError):
        return None
    try:
        return ((read.replace(tzinfo=UTC) if read.tzinfo is None else read) - EPOCH).total_seconds()
    except OverflowError:
        return None


def as_datetime(seconds: float, form: str) -> datetime:
    """The moment, to the format's last digit; those that no calendar has are taken to its ends."""
    step = next((step for code, step in STEPS.items() if code in form), DAY)
    nearest = round(min(max(seconds, FIRST), LAST) / step) * step
    return EPOCH + timedelta(seconds=min(max(nearest, FIRST), LAST // step * step))


def as_date(seconds: float, form: str) -> str:
    """The moment in its format."""
    when = as_datetime(seconds, form)
    return when.strftime(form.replace("%Y", f"{when.year:04}"))


def as_number(value: float, places: int | None) -> str:
    """A number with so many decimals, or, where none are told, with those that single precision has."""
    if places is None:
        return f"{value:.9g}"
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if not float(text) else text
