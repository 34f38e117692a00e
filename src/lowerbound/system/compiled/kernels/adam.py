"""A step of Adam: the loop. It takes any number of parameters, so that it reads its array of integers itself.

A moment that only decays ends in numbers too small to be normal, and stays there: nine tenths of the smallest one are rounded to itself.
Intel's processors take a hundred times as long for each of them. So moments below ``LEAST`` are 0; of a weight they would move 1e-25.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import FAST, bare, halves, number, own, read, single, singles
from lowerbound.system.compiled.kernels.loop import kept
from lowerbound.system.compiled.layout import OF_ADAM, OF_WEIGHT, OPENED

#: where the first weight's integers are
BEGIN = OPENED + OF_ADAM
LEAST, ROOT = single(2.0**-100), single(2.0**-50)


@bare(njit(inline="always", **FAST))
def _moved(p: Any, g: Any, m: Any, v: Any, numbers: Any) -> Any:
    """The new moments, and p − rate m / (√v / root + ε)."""
    one, two, rest_of_one, rest_of_two, tiny, rate, root = numbers
    g, square = single(0) if abs(g) < LEAST else g, single(0) if abs(g) < ROOT else g * g
    m, v = one * m + rest_of_one * g, two * v + rest_of_two * square
    m, v = single(0) if abs(m) < LEAST else m, single(0) if v < LEAST else v
    return m, v, p - rate * m / (np.sqrt(v) / root + tiny)


@bare(njit(**FAST))
def _descend(begin: Any, end: Any, p: Any, g: Any, m: Any, v: Any, numbers: Any) -> None:
    for place in range(begin, end):
        m[place], v[place], p[place] = _moved(p[place], read(g, place), m[place], v[place], numbers)


@bare(kept)
def adam(a: Any) -> None:
    """A step of Adam: each thread updates a part of each parameter, whose gradient is in single precision or bfloat16."""
    parts, constants = a[2], (number(a[4]), number(a[5]), number(a[6]), number(a[7]), number(a[8]))
    for part in own(a):
        for at in range(BEGIN, BEGIN + OF_WEIGHT * a[OPENED], OF_WEIGHT):
            n, p, m, v = a[at], singles(a[at + 5]), singles(a[at + 7]), singles(a[at + 8])
            begin, end, numbers = n * part // parts, n * (part + 1) // parts, (*constants, number(a[at + 1]), number(a[at + 2]))
            if a[at + 4]:
                _descend(begin, end, p, halves(a[at + 6]), m, v, numbers)
            else:
                _descend(begin, end, p, singles(a[at + 6]), m, v, numbers)
            if part == 0:
                singles(a[at + 9])[0] = number(a[at + 3])
