"""Numbers in fixed point, and tables of functions: the loops, the same bits as NumPy's lines in tasks/lossless/."""

from __future__ import annotations

import numpy as np
from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import EXACT, bare
from lowerbound.system.compiled.kernels.loop import Doubles, loop

double, long = np.float64, np.int64
PER_UNIT = 128.0  # entries of a table
WHOLE = 1.5 * 2.0**52  # a number plus it, less it, is rounded to a whole one, to even where it is between two


@bare(njit(inline="always", **EXACT))
def read_table(x, low, last, entries):
    """A function by its table, as ``functions.Table`` reads it: the last entry is there twice."""
    place = (x - low) * PER_UNIT
    place = 0.0 if place < 0.0 else (last if place > last else place)
    entry = long(place)
    return entries[entry] + (entries[entry + 1] - entries[entry]) * (place - double(entry))


@loop(EXACT, n=int, low=int, last=int, x=Doubles, entries=Doubles, found=Doubles)
def tabled(begin, end, n, low, last, x, entries, found):
    """The function of each number."""
    for i in range(begin, end):
        found[i] = read_table(x[i], double(low), double(last), entries)


@loop(EXACT, rows=int, size=int, most=float, scale=float, bias=Doubles, x=Doubles)
def settle(begin, end, rows, size, most, scale, bias, x):
    """Each number times ``scale``, and its column's bias, as a whole one within bounds, in its place."""
    large, factor = double(most), double(scale)
    for row in range(begin, end):
        for column in range(size):
            found = (x[row * size + column] * factor + bias[column] + WHOLE) - WHOLE
            x[row * size + column] = -large if found < -large else (large if found > large else found)
