"""What fills in a table: log p of what is there for many latents, and what is missing on average by those that weigh. Loops.

Each row's latents go through the decoder some at a time, as in training (tables.py), and only of missing cells is anything found.
"""

from __future__ import annotations

from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import FAST, after, bare, exp, single, within
from lowerbound.system.compiled.kernels.columns import BOOLEAN, CLASS, COLUMNS, LOG_COUNT, MISSING, SPIKES, TERM, of_numbers, of_terms
from lowerbound.system.compiled.kernels.loop import Longs, Singles, Wholes, loop
from lowerbound.system.compiled.kernels.networks import FIELDS, GIVEN, IN_WIDE, INPUT, OUT_WIDE, SLOPE, copied, forward
from lowerbound.system.compiled.kernels.quadrature import MAP, of_map
from lowerbound.system.compiled.kernels.student import softplus
from lowerbound.system.compiled.layout import APART


@loop(
    parts=int,
    n=int,
    k=int,
    d=int,
    some=int,
    decoder=int,
    layers=Longs,
    z=Singles,
    **COLUMNS,
    units=Singles,
    room=Singles,
    size=int,
    own=int,
    found=Singles,
)
def weigh(
    begin,
    end,
    parts,
    n,
    k,
    d,
    some,
    decoder,
    layers,
    z,
    columns,
    value,
    at,
    base,
    numbers,
    number,
    floor,
    least,
    more,
    terms,
    laws,
    units,
    room,
    size,
    own,
    found,
):
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


@bare(njit(**FAST))
def _number(m, j, n, first, floor, least, more, kind, even, ends, width, output, room):
    """Mean and variance of the j-th number under each of m latents, to the fifth and sixth of the arrays in ``room``."""
    loc, scale, freedom, total = room, after(room, m), after(room, 2 * m), after(room, 3 * m)
    for i in range(m):
        here = i * width + first + j
        softened, _ = softplus(output[here + n])
        tails, _ = softplus(output[here + 2 * n] + more + least)
        loc[i], scale[i], freedom[i] = output[here], floor + softened, least + floor + tails
    of_map(kind, even, m, ends, loc, scale, freedom, total, after(room, 4 * m), after(room, 5 * m))


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
    parts=int,
    n=int,
    k=int,
    d=int,
    some=int,
    decoder=int,
    layers=Longs,
    z=Singles,
    counts=Longs,
    order=Longs,
    share=Singles,
    columns=int,
    at=Wholes,
    numbers=int,
    number=int,
    floor=float,
    least=float,
    more=Singles,
    maps=Longs,
    ends=Singles,
    terms=int,
    laws=Longs,
    units=Singles,
    spikes=Singles,
    most=int,
    room=Singles,
    size=int,
    own=int,
    first=Singles,
    second=Singles,
    classes=Singles,
    wide=int,
)
def expect(
    begin,
    end,
    parts,
    n,
    k,
    d,
    some,
    decoder,
    layers,
    z,
    counts,
    order,
    share,
    columns,
    at,
    numbers,
    number,
    floor,
    least,
    more,
    maps,
    ends,
    terms,
    laws,
    units,
    spikes,
    most,
    room,
    size,
    own,
    first,
    second,
    classes,
    wide,
):
    """Σ share E[x|z] and Σ share E[x²|z] of missing cells, and of classes p, over each row's ``counts`` of latents in ``order``."""
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
                        _number(
                            m,
                            j,
                            numbers,
                            number,
                            floor,
                            least,
                            more[j],
                            maps[2 * j],
                            maps[2 * j + 1],
                            after(ends, MAP * j),
                            width,
                            output,
                            rest,
                        )
                        if has:
                            _beside_spikes(
                                m,
                                laws[TERM * spiked + 3],
                                laws[TERM * spiked + 2],
                                after(spikes, spiked * most),
                                width,
                                output,
                                mean,
                                square,
                            )
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
                                mu = exp(within(units[3 * term] + units[3 * term + 1] * logit[0], low, high))
                                total = exp(within(units[3 * term + 2] + logit[many], low, high))
                                first[row * columns + place] += own_share * mu
                                second[row * columns + place] += own_share * (mu * mu + mu + mu * mu / total)
                    into += many if kind == CLASS else 0
