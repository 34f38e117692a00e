"""Bytes of some rows as numbers: the loop."""

from __future__ import annotations

from lowerbound.system.compiled.kernels.arithmetic import EXACT, single
from lowerbound.system.compiled.kernels.loop import Bytes, Longs, Singles, loop


@loop(EXACT, n=int, size=int, rows=Longs, unit=float, array=Bytes, found=Singles)
def gathered(begin, end, n, size, rows, unit, array, found):
    """Each byte divided by the unit: the quotient that torch has, to the bit."""
    for row in range(begin, end):
        start = rows[row] * size
        for place in range(size):
            found[row * size + place] = single(array[start + place]) / unit
