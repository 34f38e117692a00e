"""Rectified layers: the loops."""

from __future__ import annotations

from lowerbound.system.compiled.kernels.arithmetic import leave, read, single
from lowerbound.system.compiled.kernels.loop import Alike, Either, Singles, loop


@loop(n=int, size=int, output=Either, bias=Singles, found=Either)
def rectified(begin, end, n, size, output, bias, found):
    """max(x + bias, 0), from one type to another."""
    for row in range(begin, end):
        for place in range(size):
            x = read(output, row * size + place) + bias[place]
            leave(found, row * size + place, single(0) if x < single(0) else x)


@loop(size=int, n=int, gradient=Either, output=Either, found=Either, sums=Singles, scale=Singles, stride=int)
def through_relu(begin, end, size, n, gradient, output, found, sums, scale, stride):
    """A ReLU's gradient times each row's scale, from one type to another, and its sum over rows: each thread has its own columns."""
    for column in range(begin, end):
        sums[column] = single(0)
    for row in range(n):
        weight = scale[row * stride]
        for place in range(row * size + begin, row * size + end):
            g = read(gradient, place) * weight
            g = g if read(output, place) > single(0) else single(0)
            leave(found, place, g)
            sums[place - row * size] += g


@loop(size=int, n=int, given=Either, found=Singles, scale=Singles, stride=int)
def sums(begin, end, size, n, given, found, scale, stride):
    """Sums over rows, each times its scale: each thread has its own columns."""
    for column in range(begin, end):
        found[column] = single(0)
    for row in range(n):
        weight = scale[row * stride]
        for column in range(begin, end):
            found[column] += read(given, row * size + column) * weight


@loop(n=int, size=int, given=Either, scale=Singles, found=Alike)
def scaled(begin, end, n, size, given, scale, found):
    """Each row times a number."""
    for row in range(begin, end):
        for place in range(row * size, (row + 1) * size):
            leave(found, place, read(given, place) * scale[row])


@loop(n=int, given=Singles, found=Either)
def copied(begin, end, n, given, found):
    """The same numbers, in another type."""
    for place in range(begin, end):
        leave(found, place, given[place])
