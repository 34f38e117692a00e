"""Numbers in words: so many digits, and a dash for one that is not known."""

from __future__ import annotations

import math

UNKNOWN = "–"


def fixed(value: int | float | None, digits: int) -> str:
    """A number with so many decimals; a dash for None and for what is not finite, which is null in JSON."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def percent(value: int | float | None, digits: int) -> str:
    """A share in percent; a dash for None and for what is not finite."""
    return UNKNOWN if value is None or not math.isfinite(value) else f"{value:.{digits}%}"
