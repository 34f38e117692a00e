"""Dates as texts: the formats that are recognised, the moment that a text means, and a moment written in a format.

A format is that of ``strptime``, or several with ``|`` between them where a column has dates with and without a time: a date is then
written in the shortest that says all of it. Moments are in seconds since 1970, in UTC where no zone is given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np

from lowerbound.data.texts import Numbers

EITHER = "|"
#: forms of ISO 8601
ISO = (
    "%Y-%m-%d",
    *(f"%Y-%m-%d{mark}{time}{zone}" for mark in "T " for time in ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f") for zone in ("", "Z", "%z")),
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
#: date formats that are recognised without being specified
FORMATS = (
    *ISO,
    "%Y/%m/%d",
    *(f"%d.%m.%Y{time}" for time in TIMES[:3]),
    *("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d. %B %Y", "%b %d, %Y", "%B %d, %Y"),
)
#: pairs of which a text may be read by either, the day first or the month
EITHER_FIRST = tuple((f"%d{mark}%m{mark}%Y{time}", f"%m{mark}%d{mark}%Y{time}") for mark in "/-" for time in TIMES)
#: those with a time of day, at midnight: programs without a type for days write them so
MIDNIGHTS = tuple(re.sub("%[HMS]", "00", form).replace("%f", "000000") for form in FORMATS if "%H" in form)
#: the finest step of a format, in seconds: anything finer is rounded away
STEPS = {"%f": 1e-6, "%S": 1.0, "%M": 60.0, "%H": 3600.0}
DAY = 86_400.0
EPOCH, NAIVE_EPOCH = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)
FIRST, LAST = (
    (moment - EPOCH).total_seconds() for moment in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
)
_DIGITS = {"%Y": "[0-9]{4}", "%f": "[0-9]{6}", **dict.fromkeys(("%m", "%d", "%H", "%M", "%S"), "[0-9]{2}")}
_ZONE = re.compile(r"(?:Z|[+-][0-9]{2}:?[0-9]{2})$")


@dataclass(frozen=True)
class Moments:
    """Reads texts as dates of one format: their moments, NaN for a text that is none."""

    form: str

    def __call__(self, texts: Sequence[str], /) -> Numbers:
        """A moment for each text."""
        found = [moment(text, self.form) for text in texts]
        return np.array([np.nan if when is None else when for when in found], dtype=np.float64)


def date_format(texts: Sequence[str], *more: str) -> str | None:
    """The first format in which all texts are dates, of ``more`` or the known ones; else the several of ISO 8601; None if there is none."""
    found = next((form for form in (*more, *FORMATS) if _fits(texts, form)), None) if texts else None
    return found or _several(texts)


def _fits(texts: Sequence[str], form: str) -> bool:
    return all(moment(text, form) is not None for text in texts)


def _several(texts: Sequence[str]) -> str | None:
    """Forms of ISO 8601 in which all texts are dates, all times in zones, in UTC or in none; None if there are none."""
    forms: list[str] = []
    for text in texts:
        if not any(moment(text, form) is not None for form in forms):
            new = next((form for form in ISO if moment(text, form) is not None), None)
            if new is None:
                return None
            forms.append(new)
    zones = {form[-2:] if form.endswith(("Z", "%z")) else "" for form in forms if form != ISO[0]}
    alike = len({bool(zone) for zone in zones}) == 1 and not ("%z" in zones and ISO[0] in forms)  # a day begins at other times in each
    return EITHER.join(forms) if alike else None


def either_first(texts: Sequence[str]) -> tuple[str, ...]:
    """Formats with the day first or the month first in which all texts are dates: both, where no text says which."""
    return next((fit for pair in EITHER_FIRST if (fit := tuple(form for form in pair if _fits(texts, form)))), ()) if texts else ()


def ambiguity(forms: Sequence[str]) -> str:
    """Why dates cannot be read that may be of several formats."""
    return f"its dates may be {' or '.join(forms)}, and no value says which"


def zones(texts: Sequence[str]) -> tuple[str, ...]:
    """The zones that texts end in, as they are written, an offset once."""
    found = {_offset(mark[0]): mark[0] for text in texts if (mark := _ZONE.search(text)) is not None}
    return tuple(found.values())


def zone_of(texts: Sequence[str], form: str) -> str:
    """The zone in which dates of this format are written: theirs, if they have one and the same; else none, for UTC."""
    found = zones(texts) if "%z" in form else ()
    return found[0] if len(found) == 1 else ""


def _offset(zone: str) -> float:
    """Of a zone, in seconds; 0 for UTC, and where none is given."""
    if zone in ("", "Z"):
        return 0.0
    digits = zone[1:].replace(":", "")
    return (-1 if zone[0] == "-" else 1) * (int(digits[:2]) * 3600.0 + int(digits[2:]) * 60.0)


@cache
def _verbatim(form: str) -> re.Pattern[str] | None:
    """What texts of a form of ISO 8601 are to the letter, for which there is a quick reader; None for other forms."""
    if form not in ISO or form.endswith("%z"):
        return None
    return re.compile("".join(_DIGITS.get(part, re.escape(part)) for part in re.split("(%[YmdHMSf])", form)))


def moment(text: str, form: str) -> float | None:
    """The moment of a text; None for a text that is not a date of this format."""
    if EITHER in form:
        return next((when for each in form.split(EITHER) if (when := moment(text, each)) is not None), None)
    verbatim = _verbatim(form)
    try:
        quick = verbatim is not None and verbatim.fullmatch(text) is not None
        read = datetime.fromisoformat(text) if quick else datetime.strptime(text, form)
        return (read - (NAIVE_EPOCH if read.tzinfo is None else EPOCH)).total_seconds()
    except (ValueError, OverflowError):
        return None


def has_time(form: str) -> bool:
    """Whether a format has a time of day."""
    return any(code in form for code in STEPS)


def has_zone(form: str) -> bool:
    """Whether times of a format are those of a zone, UTC among them."""
    return form.endswith(("%z", "Z"))


def step_of(form: str) -> float:
    """The finest step of a format, in seconds."""
    return next((step for code, step in STEPS.items() if code in form), DAY)


def as_datetime(seconds: float, form: str) -> datetime:
    """The time, to the precision of the format; clipped to the years 1 to 9999."""
    step = step_of(form)
    nearest = round(min(max(seconds, FIRST), LAST) / step) * step
    return EPOCH + timedelta(seconds=min(max(nearest, FIRST), LAST // step * step))


def as_date(seconds: float, form: str, zone: str = "") -> str:
    """The time written in its format; of a format with a zone in ``zone``, UTC where that is empty."""
    zone = zone if "%z" in form else ""
    when = as_datetime(seconds + _offset(zone), form)
    if EITHER in form:
        return _shortest(when, form.split(EITHER), zone)
    written = form.replace("%z", zone) if zone else form
    return when.strftime(written.replace("%Y", f"{when.year:04}"))


def _shortest(when: datetime, forms: Sequence[str], zone: str) -> str:
    """The time in the first of the shortest forms that round nothing away."""
    seconds = (when - EPOCH).total_seconds()
    exact = [form for form in sorted(forms, key=step_of, reverse=True) if as_datetime(seconds, form) == when]
    return as_date(seconds - (_offset(zone) if "%z" in exact[0] else 0.0), exact[0], zone)
