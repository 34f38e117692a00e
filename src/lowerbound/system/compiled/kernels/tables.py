"""A training step of a table's model in one loop, from rows and noise to the gradient of all weights: each thread has examples of its own.

Some examples at a time, a few dozen latents, go all the way through the decoder, the laws of the columns and back, and meet no memory but a
core's own. What is added up in the end are gradients, one of each thread.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import FAST, after, bare, exp, single, singles, within
from lowerbound.system.compiled.kernels.columns import COLUMNS, of_numbers, of_terms
from lowerbound.system.compiled.kernels.loop import Longs, Singles, loop
from lowerbound.system.compiled.kernels.networks import (
    FIELDS,
    GIVEN,
    IN,
    IN_WIDE,
    INPUT,
    OF_BIAS,
    OF_WEIGHT,
    OUT,
    OUT_WIDE,
    SLOPE,
    SUMS,
    SUMS_OF_BIAS,
    backward,
    copied,
    forward,
)
from lowerbound.system.compiled.layout import APART

#: a draw's share of an example's gradient that single precision would not notice: half of all draws, where the bound has become tight
SMALL = single(1e-7)


@bare(njit(**FAST))
def _drawn(k, d, low, high, q, noise, width, z, deviation, ratio):
    """z = μ + σ ε of k draws, log p(z)/q(z|x) of each, and KL(q ‖ p), where ``q`` is (μ, log σ²) and p standard normal."""
    logarithms, total = single(0), single(0)
    for j in range(d):
        log = within(q[d + j], low, high)
        variance = exp(log)
        deviation[j] = np.sqrt(variance)
        logarithms += log
        total += q[j] * q[j] + variance - log - single(1)
    for draw in range(k):
        squares = logarithms
        for j in range(d):
            e = noise[draw * d + j]
            drawn = q[j] + deviation[j] * e
            z[draw * width + j] = drawn
            squares += e * e - drawn * drawn
        ratio[draw] = single(0.5) * squares
    return single(0.5) * total


@bare(njit(**FAST))
def _shared(k, n, weighted, kl, log_likelihood, ratio, found):
    """Add an example's bound, log p(x|z) and KL to ``found``; log p(x|z) of each draw becomes its share of the gradient."""
    top, mean, divergence = -np.inf, 0.0, 0.0
    for draw in range(k):
        mean += log_likelihood[draw] / k
        divergence -= ratio[draw] / k
        top = max(top, np.float64(log_likelihood[draw] + ratio[draw]))
    if not weighted:
        for draw in range(k):
            log_likelihood[draw] = single(1.0 / (k * n))
        found[0], found[1], found[2] = found[0] + single(mean - kl), found[1] + single(mean), found[2] + kl
        return
    total = 0.0
    for draw in range(k):
        weight = math.exp(log_likelihood[draw] + ratio[draw] - top)
        log_likelihood[draw] = weight
        total += weight
    for draw in range(k):
        log_likelihood[draw] /= total * n
    found[0] += single(top + math.log(total / k))
    found[1] += single(mean)
    found[2] += single(divergence)


@bare(njit(**FAST))
def _scaled(width, scale, row, found):
    """A row times a number, to a place before it or its own."""
    for place in range(width):
        found[place] = scale * row[place]


@bare(njit(**FAST))
def _moved(layers, first, last, row, to, room):
    """What a row's layers were given, to those of a row before."""
    for layer in range(first, last):
        width = layers[layer * FIELDS + IN_WIDE] + APART
        given = after(room, layers[layer * FIELDS + INPUT])
        if to < row:
            for place in range(width):
                given[to * width + place] = given[row * width + place]


@bare(njit(**FAST))
def _of_latents(k, n, d, low, high, c, e, weighted, q, noise, width, of_z, deviation, share, found):
    """The gradient in μ and log σ², as ``latents.of_latents`` has it, from that in z of the draws that were kept; how many these are."""
    for j in range(2 * d):
        found[j] = single(0)
    kept = 0
    for draw in range(k):
        if share[draw] * n > SMALL:
            own = share[draw] if weighted else single(0)
            for j in range(d):
                drawn = noise[draw * d + j]
                g = of_z[kept * width + j] + own * (q[j] + deviation[j] * drawn)
                found[j] += g
                found[d + j] += g * drawn
            kept += 1
    for j in range(d):
        s, log = deviation[j], q[d + j]
        found[j] += c * q[j]
        slope = single(0.5) * (s * found[d + j] + c * (s * s - single(1)) + e)
        found[d + j] = slope if low <= log <= high else slope * single(0)
    return kept


@loop(
    parts=int,
    n=int,
    k=int,
    d=int,
    encoder=int,
    decoder=int,
    some=int,
    weighted=int,
    low=float,
    high=float,
    c=float,
    e=float,
    layers=Longs,
    rows=Longs,
    noise=Singles,
    stride=int,
    shown=Singles,
    **COLUMNS,
    sizes=Singles,
    room=Singles,
    size=int,
    own=int,
    found=Singles,
)
def step(
    begin,
    end,
    parts,
    n,
    k,
    d,
    encoder,
    decoder,
    some,
    weighted,
    low,
    high,
    c,
    e,
    layers,
    rows,
    noise,
    stride,
    shown,
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
    sizes,
    room,
    size,
    own,
    found,
):
    """The gradient of each part of the examples, in its own room, and its sums of bounds, log p(x|z) and KL."""
    first_of_all, last_layer, end_layer = encoder * FIELDS, (encoder - 1) * FIELDS, (encoder + decoder - 1) * FIELDS
    seen, wide, zs = layers[IN], layers[IN_WIDE] + APART, layers[first_of_all + IN_WIDE] + APART
    of_q, width = layers[last_layer + OUT_WIDE] + APART, layers[end_layer + OUT_WIDE] + APART
    for part in range(begin, end):
        mine, means = after(room, part * size), after(found, 3 * part)
        first, last = n * part // parts, n * (part + 1) // parts
        means[0], means[1], means[2] = single(0), single(0), single(0)
        copied(layers, 0, encoder + decoder, mine)
        into = after(mine, layers[INPUT])
        for i in range(first, last):
            for j in range(seen):
                into[(i - first) * wide + j] = shown[rows[i] * seen + j]
        forward(layers, 0, encoder, last - first, mine)
        z, output, slope = (
            after(mine, layers[first_of_all + INPUT]),
            after(mine, layers[end_layer + GIVEN]),
            after(mine, layers[end_layer + SLOPE]),
        )
        deviation, ratio = after(mine, own), after(mine, own + some * d)
        likelihood, rest = after(mine, own + some * (d + k)), after(mine, own + some * (d + 2 * k))
        kls = rest
        rest = after(rest, some)
        for start in range(first, last, some):
            here = min(some, last - start)
            for i in range(here):
                q = after(mine, layers[last_layer + GIVEN] + (start - first + i) * of_q)
                kls[i] = _drawn(
                    k,
                    d,
                    low,
                    high,
                    q,
                    after(noise, (start + i) * stride),
                    zs,
                    after(z, i * k * zs),
                    after(deviation, i * d),
                    after(ratio, i * k),
                )
            forward(layers, encoder, encoder + decoder, here * k, mine)
            for place in range(here * k * width):
                slope[place] = single(0)
            kept = 0
            for i in range(here):
                row, far, each = rows[start + i] * columns, i * k * width, after(likelihood, i * k)
                for draw in range(k):
                    each[draw] = base[rows[start + i]]
                given, left, x, there = after(output, far), after(slope, far), after(value, row), after(at, row)
                if numbers:
                    of_numbers(k, numbers, number, floor, least, x, there, more, width, given, left, rest, each)
                if terms:
                    of_terms(k, terms, laws, sizes, x, there, width, given, left, each)
                _shared(k, n, weighted, kls[i], each, after(ratio, i * k), means)
                for draw in range(k):
                    if each[draw] * n > SMALL:
                        _moved(layers, encoder, encoder + decoder, i * k + draw, kept, mine)
                        _scaled(width, -each[draw], after(slope, (i * k + draw) * width), after(slope, kept * width))
                        kept += 1
            backward(layers, encoder, encoder + decoder, kept, mine, 1)
            kept = 0
            for i in range(here):
                q = after(mine, layers[last_layer + GIVEN] + (start - first + i) * of_q)
                left = after(mine, layers[last_layer + SLOPE] + (start - first + i) * of_q)
                kept += _of_latents(
                    k,
                    n,
                    d,
                    low,
                    high,
                    c,
                    e,
                    weighted,
                    q,
                    after(noise, (start + i) * stride),
                    zs,
                    after(z, kept * zs),
                    after(deviation, i * d),
                    after(likelihood, i * k),
                    left,
                )
        backward(layers, 0, encoder, last - first, mine, 0)


@loop(pieces=int, parts=int, layers=Longs, count=int, room=Singles, size=int, n=int, means=Singles, found=Singles)
def gathered(begin, end, pieces, parts, layers, count, room, size, n, means, found):
    """The gradients of all parts added up, some rows of each weight in each piece, and the means."""
    for layer in range(count):
        at = layer * FIELDS
        rows, columns, apart = layers[at + OUT], layers[at + IN], layers[at + IN_WIDE] + APART
        weight, bias = singles(layers[at + OF_WEIGHT]), singles(layers[at + OF_BIAS])
        for row in range(rows * begin // pieces, rows * end // pieces):
            bias[row] = single(0)
            for part in range(parts):
                mine = after(room, part * size)
                sums = after(mine, layers[at + SUMS] + row * apart)
                bias[row] += mine[layers[at + SUMS_OF_BIAS] + row]
                for column in range(columns):
                    weight[row * columns + column] = sums[column] + (weight[row * columns + column] if part else single(0))
    if begin == 0:
        for place in range(3):
            found[place] = single(0)
            for part in range(parts):
                found[place] += means[3 * part + place] / n
