"""log p of a table's row under the laws that a decoder gives for several latents, with its slope in all that the decoder gives.

What is missing is left out, and costs nothing. ``output`` and ``slope`` are rows some ``width`` apart, one for each of k latents.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import FAST, after, bare, exp, log1p, logarithm, single, whole, within
from lowerbound.system.compiled.kernels.counts import of_count
from lowerbound.system.compiled.kernels.loop import Longs, Singles, Wholes
from lowerbound.system.compiled.kernels.student import log_probs
from lowerbound.system.compiled.layout import Kind

#: of the terms of a law the whole numbers: kind, place of the value, first of the decoder's numbers, how many of those there are
TERM = 4
LOG_COUNT, double = (-10.0, 17.0), np.float64  # as vae/likelihoods/columns.py has it
#: what a loop is given of a table's rows and of the laws of its columns
COLUMNS: dict[str, Any] = {
    "columns": int,
    "value": Singles,
    "at": Wholes,
    "base": Singles,
    "numbers": int,
    "number": int,
    "floor": float,
    "least": float,
    "more": Singles,
    "terms": int,
    "laws": Longs,
}
MISSING, THERE = -1, 0  # a number above says which of its column's spikes a value is at
SPIKES, BOOLEAN, CLASS, COUNT = map(int, Kind)


@bare(njit(**FAST))
def of_numbers(
    k: Any,
    n: Any,
    first: Any,
    floor: Any,
    least: Any,
    value: Any,
    at: Any,
    more: Any,
    width: Any,
    output: Any,
    slope: Any,
    room: Any,
    found: Any,
) -> None:
    """Add log p of n Student-t's, and leave their slopes. ``room`` is for 4 k n numbers: all in a row, of which many are done at once."""
    from_loc, raw_scale, raw_freedom, each = room, after(room, k * n), after(room, 2 * k * n), after(room, 3 * k * n)
    there = 0
    for j in range(n):
        if at[j] == THERE:
            for draw in range(k):
                here = draw * width + first + j
                from_loc[there] = value[j] - output[here]
                raw_scale[there] = output[here + n]
                raw_freedom[there] = output[here + 2 * n] + more[j]
                there += 1
    log_probs(0, there, floor, least, from_loc, raw_scale, raw_freedom, each)
    there = 0
    for j in range(n):
        if at[j] == THERE:
            for draw in range(k):
                here = draw * width + first + j
                found[draw] += each[there]
                slope[here] = from_loc[there]
                slope[here + n] = raw_scale[there]
                slope[here + 2 * n] = raw_freedom[there]
                there += 1


@bare(njit(**FAST))
def of_terms(k: Any, terms: Any, laws: Any, units: Any, value: Any, at: Any, width: Any, output: Any, slope: Any, found: Any) -> None:
    """The same of all that is no density. ``units`` are of a count location, scale and where log r begins."""
    for term in range(terms):
        kind, place, first, many = laws[TERM * term], laws[TERM * term + 1], laws[TERM * term + 2], laws[TERM * term + 3]
        if at[place] != MISSING:
            for draw in range(k):
                given, left = after(output, draw * width + first), after(slope, draw * width + first)
                if kind == SPIKES:
                    found[draw] += _of_class(at[place], many, given, left, 1)
                elif kind == CLASS:
                    found[draw] += _of_class(whole(value[place]), many, given, left, 0)
                elif kind == BOOLEAN:
                    found[draw] += _of_boolean(value[place], given, left)
                else:
                    found[draw] += _of_counts(value[place], many, units[3 * term], units[3 * term + 1], units[3 * term + 2], given, left)


@bare(njit(**FAST))
def _of_class(one: Any, many: Any, logit: Any, slope: Any, before: Any) -> Any:
    """log p of a class by its logits; with ``before`` there is one of 0 before the first. One below 0 has the p of the least likely one."""
    top = single(0) if before else logit[0]
    for place in range(many):
        top = max(top, logit[place])
    total = exp(-top) if before else single(0)
    for place in range(many):
        slope[place] = exp(logit[place] - top)
        total += slope[place]
    if one < 0:
        one = 0
        for place in range(many):
            one = place if logit[place] < logit[one] else one
    for place in range(many):
        slope[place] = (single(1) if place + before == one else single(0)) - slope[place] / total
    own = single(0) if before and one == 0 else logit[one - before]
    return own - top - logarithm(total)


@bare(njit(**FAST))
def _of_boolean(value: Any, logit: Any, slope: Any) -> Any:
    x = logit[0]
    e = exp(-abs(x))
    slope[0] = value - (single(1) if x >= single(0) else e) / (single(1) + e)
    return value * x - (x if x > single(0) else single(0)) - log1p(e)


@bare(njit(**FAST))
def _of_counts(value: Any, columns: Any, loc: Any, scale: Any, begin: Any, given: Any, slope: Any) -> Any:
    """log p of a count by a standardized log-mean and, as many numbers further on as there are such columns, a log-dispersion."""
    log_mean, log_total = loc + scale * given[0], begin + given[columns]
    low, high = single(LOG_COUNT[0]), single(LOG_COUNT[1])
    found, of_mean, of_total = of_count(double(value), double(within(log_mean, low, high)), double(within(log_total, low, high)))
    slope[0] = scale * single(of_mean) if low <= log_mean <= high else single(0)
    slope[columns] = single(of_total) if low <= log_total <= high else single(0)
    return single(found)
