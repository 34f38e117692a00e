"""The likelihood of bits, and bits drawn: the loops."""

from __future__ import annotations

import numpy as np
from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import FAST, bare, exp, large, leave, read, single, whole
from lowerbound.system.compiled.kernels.loop import Bytes, Either, Larges, Longs, Singles, Wholes, loop

#: this many factors between 1 and 2 have a product that does not overflow single precision
FACTORS = 112


@loop(n=int, size=int, rows=int, logits=Either, value=Singles, found=Singles)
def bits(begin, end, n, size, rows, logits, value, found):
    """Σ (x l − max(l, 0) − log(1 + e^−|l|)), one logarithm per ``FACTORS`` values."""
    for row in range(begin, end):
        here, there = row * size, row % rows * size
        linear, logarithm = single(0), single(0)
        for first in range(0, size, FACTORS):
            product = single(1)
            for place in range(first, min(first + FACTORS, size)):
                logit = read(logits, here + place)
                product *= single(1) + exp(-abs(logit))
                linear += value[there + place] * logit - (single(0) if logit < single(0) else logit)
            logarithm += np.log(product)
        found[row] = linear - logarithm


@loop(n=int, size=int, rows=int, logits=Either, bias=Singles, value=Singles, found=Singles, slope=Either, scale=Singles, stride=int)
def bits_and_slope(begin, end, n, size, rows, logits, bias, value, found, slope, scale, stride):
    """The same for logits + bias, and the slope x − S(l) times each row's ``scale``."""
    for row in range(begin, end):
        here, there = row * size, row % rows * size
        linear, logarithm, weight = single(0), single(0), scale[row * stride]
        for first in range(0, size, FACTORS):
            product = single(1)
            for place in range(first, min(first + FACTORS, size)):
                logit, x = read(logits, here + place) + bias[place], value[there + place]
                e = exp(-abs(logit))
                chance = single(1) / (single(1) + e)
                product *= single(1) + e
                linear += x * logit - (single(0) if logit < single(0) else logit)
                leave(slope, here + place, weight * (x - (chance if logit >= single(0) else e * chance)))
            logarithm += np.log(product)
        found[row] = linear - logarithm


@bare(njit(inline="always", **FAST))
def _mixed(z):
    """The final mixing steps of SplitMix64."""
    z = (z ^ (z >> large(30))) * large(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> large(27))) * large(0x94D049BB133111EB)
    return z ^ (z >> large(31))


@loop(n=int, size=int, stride=int, keys=Larges, chance=Singles, found=Singles)
def drawn(begin, end, n, size, stride, keys, chance, found):
    """Bernoulli draws by each row's key, ``stride`` numbers on from the one before.

    Of each 64 random bits the lower half decides a place of a row's first half, the upper one of its second half.
    """
    half = (size + 1) // 2
    for row in range(begin, end):
        here, key = row * size, keys[row * stride]
        for place in range(half):
            z = _mixed(key + large(place + 1) * large(0x9E3779B97F4A7C15))
            low, c = single(whole(z >> large(8)) & whole(0xFFFFFF)), chance[here + place]
            found[here + place] = (single(1) if low < c * single(2**24) else single(0)) + single(0) * c
        for place in range(half, size):
            z = _mixed(key + large(place - half + 1) * large(0x9E3779B97F4A7C15))
            high, c = single(whole(z >> large(40))), chance[here + place]
            found[here + place] = (single(1) if high < c * single(2**24) else single(0)) + single(0) * c


@loop(
    n=int,
    size=int,
    stride=int,
    rows=Longs,
    unit=float,
    keys=Larges,
    array=Bytes,
    found=Singles,
    places=Wholes,
    values=Singles,
    counts=Wholes,
)
def read_bits(begin, end, n, size, stride, rows, unit, keys, array, found, places, values, counts):
    """The draws of ``drawn`` for bytes of some rows over ``unit``, and where the ones are, as ``nonzeros`` of sparse.py finds them."""
    half = (size + 1) // 2
    for row in range(begin, end):
        here, there, key, count = row * size, rows[row] * size, keys[row * stride], row * size
        for place in range(here, here + size):
            found[place] = single(0)
        for place in range(size):
            byte = array[there + place]
            if byte != 0:  # as most are
                later = place >= half
                z = _mixed(key + large(place - half + 1 if later else place + 1) * large(0x9E3779B97F4A7C15))
                number = single(whole(z >> large(40)) if later else whole(z >> large(8)) & whole(0xFFFFFF))
                if number < single(byte) / unit * single(2**24):
                    found[here + place], places[count], values[count] = single(1), whole(place), single(1)
                    count += 1
        counts[row] = whole(count - here)
