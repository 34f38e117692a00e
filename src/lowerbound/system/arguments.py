"""What a person gives as an argument where a number is wanted, or one of a kind: what is none of it is refused in one line."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any, TypeVar

from lowerbound.errors import UsageError, printable

T = TypeVar("T")
SHOWN = 60  # characters of a value in a message


def whole(name: str, value: Any, least: int | None = None) -> int:
    """A whole number, of whatever type has such: ``3``, ``3.0``, ``numpy.int64(3)``. Errors: UsageError for others, and below ``least``."""
    try:
        found = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)
    except TypeError:
        found = None
    if found is None or isinstance(value, bool) or (least is not None and found < least):
        wanted = "a whole number" + ("" if least is None else f" of {least} or more")
        raise UsageError(f"{name} must be {wanted}, not {shown(value)}")
    return found


def number_above(name: str, value: Any, zero: bool = False) -> float:
    """A finite number above 0, or ``zero`` too. Errors: UsageError."""
    try:
        found = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, RuntimeError):
        found = math.nan
    if not (0 < found < math.inf or (zero and found == 0)):
        raise UsageError(f"{name} must be a number {'of 0 or more' if zero else 'above 0'}, not {shown(value)}")
    return found


def is_number(value: Any) -> bool:
    """Whether it is a number of Python's or NumPy's, and no truth."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def one_of(name: str, value: Any, kind: type[T] | Any, example: str) -> T:
    """The value, where it is of a kind. Errors: UsageError, with an example of what is wanted, as ``lb.objectives.ELBO()``."""
    if not isinstance(value, kind):
        raise UsageError(f"{name} must be one like {example}, not {shown(value)}")
    found: T = value
    return found


def shown(value: Any) -> str:
    """A value in a message, on one line."""
    if isinstance(value, type):
        return f"the class {value.__name__} itself; make one, {value.__name__}(…)"
    text = f"{value:g}" if is_number(value) else printable(repr(value))
    return text if len(text) <= SHOWN else f"a {type(value).__name__}"
