"""The maps of columns of numbers (``data.maps``) by functions that come out the same on every machine: v → u, about standard normal."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lowerbound.data.column import Column
from lowerbound.data.maps import MAPS, NEAR, WITHIN
from lowerbound.data.marginals import Marginal
from lowerbound.tasks.lossless import functions
from lowerbound.tasks.lossless.functions import Array

#: of v, the two ends and the width
Bend = Callable[[Array, float, float, float], Array]


def _soft(v: Array, low: float, high: float, width: float) -> Array:
    bent = v
    if low > -math.inf:
        bent = bent + width * _log_inside((v - low) / width)
    if high < math.inf:
        bent = bent - width * _log_inside((high - v) / width)
    return bent


def _log_inside(widths: Array) -> Array:
    """log(1 − e⁻ᵃ)."""
    return functions.log(np.maximum(1 - functions.exp()(-np.clip(widths, *WITHIN)), WITHIN[0]))


def _logit(v: Array, low: float, high: float, width: float) -> Array:
    least = NEAR * (high - low)
    return functions.log(np.maximum(v - low, least)) - functions.log(np.maximum(high - v, least))


def _asinh(v: Array, low: float, high: float, width: float) -> Array:
    size = np.abs(v) / width
    return np.copysign(functions.log(size + np.sqrt(size * size + 1)), v)


BENDS: dict[str, Bend] = {
    "linear": lambda v, low, high, width: v,
    "soft": _soft,
    "log": lambda v, low, high, width: functions.log(np.maximum(v - low, width)),
    "asinh": _asinh,
    "log-below": lambda v, low, high, width: -functions.log(np.maximum(high - v, width)),
    "logit": _logit,
}


def bent(v: Array, column: Column) -> Array:
    """u of values of a column in the model's unit; v itself where it has no marginal law."""
    if column.marginal is None:
        return v
    marginal = column.marginal
    low = -math.inf if marginal.low is None else column.in_unit(marginal.low)
    high = math.inf if marginal.high is None else column.in_unit(marginal.high)
    w = BENDS[marginal.law](v, low, high, marginal.width)
    return (w - marginal.loc) / marginal.scale


def spikes_of(column: Column) -> tuple[float, ...]:
    """The values that many rows share, in the column's own unit."""
    return (column.marginal or Marginal()).spikes


def is_heavy(law: str) -> bool:
    """Whether the law of u has a Student-t's tails."""
    return MAPS[law].heavy
