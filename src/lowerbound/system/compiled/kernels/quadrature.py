"""Mean and variance of Student-t's after the maps of a table's columns, by the quadrature of distributions/mapped.py: many at once."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import FAST, after, bare, exp, log1p, single, within
from lowerbound.system.compiled.kernels.student import softplus

NODES, REACH, TAIL = 33, 9.0, 4.6
#: of a column's map: low end, high end, width, bottom, top, location, scale
MAP = 7
MOST = 3e38  # an end above it is none
#: kinds in the order of data/maps.py's MAPS, and none
NONE, LINEAR, SOFT, LOG, ASINH, LOG_BELOW, LOGIT = range(-1, 6)


def _moments(back: Any) -> Any:
    """The function of mean and variance of m Student-t's after a map by a quadrature about v(loc), where ``back`` is the map's.

    The last two arrays are where they are left; nodes are ``even`` for a normal's tails, else ever farther apart.
    """

    @bare(njit(**FAST))
    def moments(
        m: Any,
        even: Any,
        low: Any,
        high: Any,
        width: Any,
        bottom: Any,
        top: Any,
        at: Any,
        by: Any,
        loc: Any,
        scale: Any,
        freedom: Any,
        total: Any,
        mean: Any,
        square: Any,
    ) -> None:
        """Mean and variance of each, to ``mean`` and ``square``."""
        middle = after(square, m)
        for i in range(m):
            total[i], mean[i], square[i] = single(0), single(0), single(0)
            middle[i] = back(at + by * within(loc[i], bottom, top), low, high, width)
        for node in range(NODES):
            far = 2.0 * node / (NODES - 1) - 1.0
            t, step = single(REACH * far if even else math.sinh(TAIL * far)), single(1.0 if even else math.cosh(TAIL * far))
            for i in range(m):
                nu = freedom[i]
                weight = step * exp(single(-0.5) * (nu + single(1)) * log1p(t * t / nu))
                away = back(at + by * within(loc[i] + t * scale[i], bottom, top), low, high, width) - middle[i]
                total[i] += weight
                mean[i] += weight * away
                square[i] += weight * away * away
        for i in range(m):
            first = mean[i] / total[i]
            variance = square[i] / total[i] - first * first
            mean[i] = middle[i] + first
            square[i] = variance if variance > single(0) else single(0)

    return moments


@bare(njit(inline="always", **FAST))
def _linear(w, low, high, width):
    return w


@bare(njit(inline="always", **FAST))
def _soft(w, low, high, width):
    below, _ = softplus((low - w) / width)
    above, _ = softplus((w - high) / width)
    return within(w + width * (below - above), low, high)


@bare(njit(inline="always", **FAST))
def _soft_from(w, low, high, width):
    below, _ = softplus((low - w) / width)
    above = w + width * below
    return above if above > low else low


@bare(njit(inline="always", **FAST))
def _log(w, low, high, width):
    return low + exp(within(w, single(-87), single(88)))


@bare(njit(inline="always", **FAST))
def _log_below(w, low, high, width):
    return high - exp(within(-w, single(-87), single(88)))


@bare(njit(inline="always", **FAST))
def _logit(w, low, high, width):
    e = exp(-abs(w))
    return low + (high - low) * (single(1) if w >= single(0) else e) / (single(1) + e)


@bare(njit(inline="always", **FAST))
def _asinh(w, low, high, width):
    e = exp(within(abs(w), single(0), single(88)))
    sinh = single(0.5) * (e - single(1) / e)
    return width * (sinh if w > single(0) else -sinh)


_of_linear, _of_soft, _of_soft_from, _of_log = map(_moments, (_linear, _soft, _soft_from, _log))
_of_log_below, _of_logit, _of_asinh = map(_moments, (_log_below, _logit, _asinh))


@bare(njit(**FAST))
def of_map(kind, even, m, ends, loc, scale, freedom, total, mean, square):
    """Mean and variance after the map of that kind."""
    low, high, width, bottom, top, at, by = ends[0], ends[1], ends[2], ends[3], ends[4], ends[5], ends[6]
    if kind == NONE:
        for i in range(m):
            mean[i], square[i] = loc[i], scale[i] * scale[i] * freedom[i] / (freedom[i] - single(2))
    elif kind == SOFT and high > single(MOST):
        _of_soft_from(m, even, low, high, width, bottom, top, at, by, loc, scale, freedom, total, mean, square)
    elif kind == SOFT:
        _of_soft(m, even, low, high, width, bottom, top, at, by, loc, scale, freedom, total, mean, square)
    elif kind == LOG:
        _of_log(m, even, low, high, width, bottom, top, at, by, loc, scale, freedom, total, mean, square)
    elif kind == LOG_BELOW:
        _of_log_below(m, even, low, high, width, bottom, top, at, by, loc, scale, freedom, total, mean, square)
    elif kind == LOGIT:
        _of_logit(m, even, low, high, width, bottom, top, at, by, loc, scale, freedom, total, mean, square)
    elif kind == ASINH:
        _of_asinh(m, even, low, high, width, bottom, top, at, by, loc, scale, freedom, total, mean, square)
    else:
        _of_linear(m, even, low, high, width, bottom, top, at, by, loc, scale, freedom, total, mean, square)
