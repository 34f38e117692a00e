"""Rectified and gated layers, and inputs that are several arrays side by side: the loops."""

from __future__ import annotations

from lowerbound.system.compiled.kernels.arithmetic import leave, read, sigmoid, single
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


@loop(n=int, size=int, output=Singles, bias=Singles, found=Either)
def gated(begin, end, n, size, output, bias, found):
    """a S(c) of ``output`` + bias, which is a and c side by side; it is left as a and S(c)."""
    for row in range(begin, end):
        for place in range(size):
            left, right = 2 * row * size + place, (2 * row + 1) * size + place
            a, c = output[left] + bias[place], output[right] + bias[size + place]
            gate = sigmoid(c)
            output[left], output[right] = a, gate
            leave(found, row * size + place, a * gate)


@loop(size=int, n=int, gradient=Singles, output=Singles, found=Either, sums=Singles)
def through_gates(begin, end, size, n, gradient, output, found, sums):
    """The gradient in a and c, of ``output`` as ``gated`` left it, and its sum over rows: each thread has its own columns."""
    for column in range(begin, end):
        sums[column], sums[size + column] = single(0), single(0)
    for row in range(n):
        back, left, right = row * size, 2 * row * size, (2 * row + 1) * size
        for column in range(begin, end):
            of_a = gradient[back + column] * output[right + column]
            leave(found, left + column, of_a)
            sums[column] += of_a
        for column in range(begin, end):
            gate = output[right + column]
            of_c = gradient[back + column] * output[left + column] * gate * (single(1) - gate)
            leave(found, right + column, of_c)
            sums[size + column] += of_c


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


@loop(n=int, size=int, width=int, place=int, given=Singles, found=Either)
def beside(begin, end, n, size, width, place, given, found):
    """Rows of ``size`` numbers, as a part of wider rows that begins at a place."""
    for row in range(begin, end):
        for each in range(size):
            leave(found, row * width + place + each, given[row * size + each])


@loop(n=int, size=int, width=int, place=int, given=Singles, found=Singles, adds=int)
def part(begin, end, n, size, width, place, given, found, adds):
    """Such a part of wider rows by itself, or added to what is there."""
    for row in range(begin, end):
        for each in range(size):
            before = found[row * size + each] if adds else single(0)
            found[row * size + each] = before + given[row * width + place + each]
