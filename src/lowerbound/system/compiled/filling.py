"""What fills in a table: log p of what is there for many latents, and what is missing on average for those that carry the weight. The loops.

Each row's latents go through the decoder some at a time, as in training (tables.py), and only of missing cells is anything found.
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from lowerbound.system.compiled.arithmetic import FAST, after, bare, exp, log1p, single, within
from lowerbound.system.compiled.columns import BOOLEAN, CLASS, LOG_COUNT, LOG_TOTAL, MISSING, SPIKES, TERM, of_numbers, of_terms
from lowerbound.system.compiled.loop import Longs, Singles, Wholes, loop
from lowerbound.system.compiled.networks import APART, FIELDS, GIVEN, IN_WIDE, INPUT, OUT_WIDE, SLOPE, copied, forward
from lowerbound.system.compiled.student import _softplus as softplus

NODES, REACH, TAIL = 33, 9.0, 4.6  # of a quadrature, as distributions/mapped.py has it
#: of a column's map: its kind, and low end, high end, width, bottom, top, location, scale
MAP = 7
MOST = 3e38  # an end above it is none
#: kinds in the order of data/maps.py's MAPS, and none
NONE, LINEAR, SOFT, LOG, ASINH, LOG_BELOW, LOGIT = range(-1, 6)


@loop(
    parts=int, n=int, k=int, d=int, some=int, decoder=int, layers=Longs, z=Singles, columns=int, value=Singles, at=Wholes, base=Singles,
    numbers=int, number=int, floor=float, least=float, more=Singles, terms=int, laws=Longs, units=Singles, room=Singles, size=int, own=int, found=Singles,
)
def weigh(begin, end, parts, n, k, d, some, decoder, layers, z, columns, value, at, base, numbers, number, floor, least, more, terms, laws, units, room, size, own, found):
    """log p(x|z) of k latents for each of n rows, ``z`` ``(k, n, d)``, to ``found`` ``(k, n)``."""
    last = (decoder - 1) * FIELDS
    apart, width = layers[IN_WIDE] + APART, layers[last + OUT_WIDE] + APART
    for part in range(begin, end):
        mine = after(room, part * size)
        copied(layers, 0, decoder, mine)
        given, output, slope = after(mine, layers[INPUT]), after(mine, layers[last + GIVEN]), after(mine, layers[last + SLOPE])
        sums, rest = after(mine, own), after(mine, own + some)
        for row in range(n * part // parts, n * (part + 1) // parts):
            for start in range(0, k, some):
                here = min(some, k - start)
                for draw in range(here):
                    sums[draw] = base[row]
                    for j in range(d):
                        given[draw * apart + j] = z[((start + draw) * n + row) * d + j]
                forward(layers, 0, decoder, here, mine)
                x, there = after(value, row * columns), after(at, row * columns)
                if numbers:
                    of_numbers(here, numbers, number, floor, least, x, there, more, width, output, slope, rest, sums)
                if terms:
                    of_terms(here, terms, laws, units, x, there, width, output, slope, sums)
                for draw in range(here):
                    found[(start + draw) * n + row] = sums[draw]


def _moments(back: Any) -> Any:
    """The function of mean and variance of m Student-t's after a map by a quadrature about v(loc), where ``back`` is the map's.

    The last two arrays are where they are left; nodes are ``even`` for a normal's tails, else ever farther apart.
    """

    @bare(njit(**FAST))
    def moments(m: Any, even: Any, low: Any, high: Any, width: Any, bottom: Any, top: Any, at: Any, by: Any, loc: Any, scale: Any, freedom: Any, total: Any, mean: Any, square: Any) -> None:
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
def _of_map(kind, even, m, ends, loc, scale, freedom, total, mean, square):
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


@bare(njit(**FAST))
def _number(m, j, n, first, floor, least, more, kind, even, ends, width, output, room):
    """Mean and variance of the j-th number under each of m latents, to the fifth and sixth of the arrays in ``room``."""
    loc, scale, freedom, total = room, after(room, m), after(room, 2 * m), after(room, 3 * m)
    for i in range(m):
        here = i * width + first + j
        softened, _ = softplus(output[here + n])
        tails, _ = softplus(output[here + 2 * n] + more + least)
        loc[i], scale[i], freedom[i] = output[here], floor + softened, least + floor + tails
    _of_map(kind, even, m, ends, loc, scale, freedom, total, after(room, 4 * m), after(room, 5 * m))


@bare(njit(**FAST))
def _beside_spikes(m, many, first, spikes, width, output, mean, square):
    """The same of a column with spikes, by that of the rest, in place."""
    for i in range(m):
        logit = after(output, i * width + first)
        top = single(0)
        for place in range(many):
            top = max(top, logit[place])
        total = exp(-top)
        middle = total * mean[i]
        for place in range(many):
            share = exp(logit[place] - top)
            total += share
            middle += share * spikes[place]
        middle /= total
        spread = exp(-top) * (square[i] + (mean[i] - middle) * (mean[i] - middle))
        for place in range(many):
            spread += exp(logit[place] - top) * (spikes[place] - middle) * (spikes[place] - middle)
        mean[i], square[i] = middle, spread / total


@bare(njit(**FAST))
def _of_classes(many, logit, share, found):
    """Add the probabilities of classes times the share."""
    top = logit[0]
    for place in range(many):
        top = max(top, logit[place])
    total = single(0)
    for place in range(many):
        total += exp(logit[place] - top)
    for place in range(many):
        found[place] += share * exp(logit[place] - top) / total


@loop(
    parts=int, n=int, k=int, d=int, some=int, decoder=int, layers=Longs, z=Singles, counts=Longs, order=Longs, share=Singles, columns=int,
    at=Wholes, numbers=int, number=int, floor=float, least=float, more=Singles, maps=Longs, ends=Singles, terms=int, laws=Longs,
    units=Singles, spikes=Singles, most=int, room=Singles, size=int, own=int, first=Singles, second=Singles, classes=Singles, wide=int,
)
def expect(begin, end, parts, n, k, d, some, decoder, layers, z, counts, order, share, columns, at, numbers, number, floor, least, more, maps, ends, terms, laws, units, spikes, most, room, size, own, first, second, classes, wide):
    """Σ share E[x|z] and Σ share E[x²|z] of missing cells, and the shares of classes, over each row's ``counts`` of latents in ``order``."""
    last = (decoder - 1) * FIELDS
    apart, width = layers[IN_WIDE] + APART, layers[last + OUT_WIDE] + APART
    for part in range(begin, end):
        mine = after(room, part * size)
        copied(layers, 0, decoder, mine)
        given, output, rest = after(mine, layers[INPUT]), after(mine, layers[last + GIVEN]), after(mine, own)
        for row in range(n * part // parts, n * (part + 1) // parts):
            for start in range(0, counts[row], some):
                m = min(some, counts[row] - start)
                for i in range(m):
                    for j in range(d):
                        given[i * apart + j] = z[(order[(start + i) * n + row] * n + row) * d + j]
                forward(layers, 0, decoder, m, mine)
                spiked, mean, square = 0, after(rest, 4 * m), after(rest, 5 * m)
                for j in range(numbers):
                    has = spiked < terms and laws[TERM * spiked] == SPIKES and laws[TERM * spiked + 1] == j
                    if at[row * columns + j] == MISSING:
                        _number(m, j, numbers, number, floor, least, more[j], maps[2 * j], maps[2 * j + 1], after(ends, MAP * j), width, output, rest)
                        if has:
                            _beside_spikes(m, laws[TERM * spiked + 3], laws[TERM * spiked + 2], after(spikes, spiked * most), width, output, mean, square)
                        for i in range(m):
                            own_share = share[(start + i) * n + row]
                            first[row * columns + j] += own_share * mean[i]
                            second[row * columns + j] += own_share * (mean[i] * mean[i] + square[i])
                    spiked += 1 if has else 0
                into = 0
                for term in range(spiked, terms):
                    kind, place, at_first, many = laws[TERM * term], laws[TERM * term + 1], laws[TERM * term + 2], laws[TERM * term + 3]
                    if at[row * columns + place] == MISSING:
                        for i in range(m):
                            logit, own_share = after(output, i * width + at_first), share[(start + i) * n + row]
                            if kind == CLASS:
                                _of_classes(many, logit, own_share, after(classes, row * wide + into))
                            elif kind == BOOLEAN:
                                chance = own_share / (single(1) + exp(within(-logit[0], single(-87), single(88))))
                                first[row * columns + place] += chance
                                second[row * columns + place] += chance
                            else:
                                low, high = single(LOG_COUNT[0]), single(LOG_COUNT[1])
                                mu = exp(within(units[2 * term] + units[2 * term + 1] * logit[0], low, high))
                                total = exp(within(single(LOG_TOTAL) + logit[many], low, high))
                                first[row * columns + place] += own_share * mu
                                second[row * columns + place] += own_share * (mu * mu + mu + mu * mu / total)
                    into += many if kind == CLASS else 0
