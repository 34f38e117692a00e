"""Random numbers by row: the loops, whose bits are those of the same operations of torch in system/philox.py.

The three kinds are alike but for what they make of four words; of one loop that is handed a function for it
numba 0.68.1 made other numbers.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lowerbound.system import philox_numbers as philox
from lowerbound.system.compiled.kernels.arithmetic import EXACT, bare, bits_of, large, single, to_single, whole
from lowerbound.system.compiled.kernels.loop import Larges, Singles, Wholes, Word, loop

WORD, FACTOR_0, FACTOR_1, STEP_0, STEP_1 = (large(number) for number in (philox.WORD, *philox.FACTORS, *philox.STEPS))
LOG_0, LOG_1, LOG_2, LOG_3, LOG_4, LOG_5, LOG_6, LOG_7, LOG_8 = (single(number) for number in philox.LOGARITHM)
SINE_0, SINE_1, SINE_2, COSINE_0, COSINE_1, COSINE_2 = (single(number) for number in (*philox.SINE, *philox.COSINE))
ROOT, QUARTER, HIGH_LOG, LOW_LOG = (single(number) for number in (philox.ROOT, philox.QUARTER, *philox.LOG_2))


@bare(njit(inline="always", **EXACT))
def _philox(block, row, call, lane, key):
    """The four words of the counter (block, row, call, lane)."""
    c0, c1, c2, c3, k0, k1 = large(block) & WORD, row & WORD, call & WORD, lane & WORD, key & WORD, key >> large(32)
    for _ in range(philox.ROUNDS):
        p0, p1 = c0 * FACTOR_0, c2 * FACTOR_1
        c0, c1, c2, c3 = (p1 >> large(32)) ^ c1 ^ k0, p1 & WORD, (p0 >> large(32)) ^ c3 ^ k1, p0 & WORD
        k0, k1 = (k0 + STEP_0) & WORD, (k1 + STEP_1) & WORD
    return c0, c1, c2, c3


@bare(njit(inline="always", **EXACT))
def _log(x):
    """log x of 0 < x ≤ 1."""
    bits = bits_of(x)
    mantissa = to_single((bits & whole(0x7FFFFF)) | whole(0x3F000000))
    exponent = single((bits >> whole(23)) - whole(126))
    low = mantissa < ROOT
    y = (mantissa + mantissa if low else mantissa) - single(1)
    e = exponent - single(1) if low else exponent
    square = y * y
    p = y * LOG_0 + LOG_1
    p = p * y + LOG_2
    p = p * y + LOG_3
    p = p * y + LOG_4
    p = p * y + LOG_5
    p = p * y + LOG_6
    p = p * y + LOG_7
    p = p * y + LOG_8
    return y * square * p + e * LOW_LOG - square * single(0.5) + y + e * HIGH_LOG


@bare(njit(inline="always", **EXACT))
def _two_normals(of_radius, of_angle):
    """Two normals of two words (Box and Muller)."""
    radius = np.sqrt(_log((single(of_radius) + single(0.5)) * single(2.0**-32)) * single(-2))
    angle = (single(whole(of_angle >> large(6) & large(0xFFFFFF))) - single(8388607.5)) * QUARTER
    square = angle * angle
    sine = ((square * SINE_0 + SINE_1) * square + SINE_2) * square * angle + angle
    cosine = ((square * COSINE_0 + COSINE_1) * square + COSINE_2) * square * square - square * single(0.5) + single(1)
    mirrored = of_angle >> large(31) != large(0)
    radius = -radius if of_angle >> large(30) & large(1) != large(0) else radius
    return radius * (sine if mirrored else cosine), radius * (cosine if mirrored else sine)


@bare(njit(inline="always", **EXACT))
def _uniform(word):
    return (single(whole(word >> large(9))) + single(0.5)) * single(2.0**-23)


@loop(EXACT, n=int, size=int, rows=Larges, key=Word, call=Word, found=Wholes)
def random_words(begin, end, n, size, rows, key, call, found):
    """Words of Philox4x32-10 for each row, as many as make whole blocks."""
    for row in range(begin, end):
        for block in range(size // 4):
            c0, c1, c2, c3 = _philox(block, rows[row], call, large(0), key)
            here = row * size + 4 * block
            found[here], found[here + 1], found[here + 2], found[here + 3] = whole(c0), whole(c1), whole(c2), whole(c3)


@loop(EXACT, n=int, size=int, rows=Larges, key=Word, call=Word, found=Singles)
def random_uniforms(begin, end, n, size, rows, key, call, found):
    """Numbers uniform on (0, 1), one of each word."""
    for row in range(begin, end):
        for block in range(size // 4):
            c0, c1, c2, c3 = _philox(block, rows[row], call, large(0), key)
            here = row * size + 4 * block
            found[here], found[here + 1], found[here + 2], found[here + 3] = _uniform(c0), _uniform(c1), _uniform(c2), _uniform(c3)


@loop(EXACT, n=int, size=int, rows=Larges, key=Word, call=Word, found=Singles)
def random_normals(begin, end, n, size, rows, key, call, found):
    """Standard normal numbers, two of each two words."""
    for row in range(begin, end):
        for block in range(size // 4):
            c0, c1, c2, c3 = _philox(block, rows[row], call, large(0), key)
            here = row * size + 4 * block
            found[here], found[here + 1] = _two_normals(c0, c1)
            found[here + 2], found[here + 3] = _two_normals(c2, c3)


@loop(EXACT, n=int, rows=Larges, places=Larges, key=Word, call=Word, lane=Word, found=Larges)
def random_blocks(begin, end, n, rows, places, key, call, lane, found):
    """The four words of each of some counters, each with a place and a row of its own."""
    for i in range(begin, end):
        found[i], found[n + i], found[2 * n + i], found[3 * n + i] = _philox(places[i], rows[i], call, lane, key)


@loop(EXACT, n=int, wide=int, outer=int, inner=int, given=Singles, found=Singles)
def placed(begin, end, n, wide, outer, inner, given, found):
    """Numbers of rows, ``wide`` for each of which the first are read, as a draw ``(outer, n, inner)``."""
    for row in range(begin, end):
        for draw in range(outer):
            for place in range(inner):
                found[(draw * n + row) * inner + place] = given[row * wide + draw * inner + place]
