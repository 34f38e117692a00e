"""Perceptrons within a loop: all layers forward and backward for some rows, their gradients added to those of the rows before.

``layers`` has ``FIELDS`` whole numbers for each: sizes, addresses of weights, and places in ``room``, the memory of one thread. There
widths are filled up to whole ``WHOLE`` with zeros, and rows are ``APART`` numbers farther apart: of a power of two, all would fall on the
same places of a cache.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from lowerbound.system.compiled.kernels.arithmetic import FAST, after, bare, single, singles
from lowerbound.system.compiled.kernels.products import product
from lowerbound.system.compiled.layout import APART, Field

FIELDS = len(Field)
WEIGHT, BIAS, OF_WEIGHT, OF_BIAS, IN, OUT, IN_WIDE, OUT_WIDE, TRANSPOSED, COPY, SUMS, SUMS_OF_BIAS, INPUT, GIVEN, SLOPE = map(int, Field)


@bare(njit(**FAST))
def copied(layers: Any, first: Any, last: Any, room: Any) -> None:
    """Weights as the products want them, and gradients of 0."""
    for layer in range(first, last):
        at = layer * FIELDS
        rows, columns, weight = layers[at + OUT], layers[at + IN], singles(layers[at + WEIGHT])
        across, along = layers[at + OUT_WIDE] + APART, layers[at + IN_WIDE] + APART
        plain, turned, sums = after(room, layers[at + COPY]), after(room, layers[at + TRANSPOSED]), after(room, layers[at + SUMS])
        for row in range(rows):
            for column in range(columns):
                plain[row * along + column] = weight[row * columns + column]
            for column in range(columns):
                turned[column * across + row] = weight[row * columns + column]
            for column in range(along):
                sums[row * along + column] = single(0)
        for row in range(rows):
            room[layers[at + SUMS_OF_BIAS] + row] = single(0)


@bare(njit(**FAST))
def forward(layers: Any, first: Any, last: Any, rows: Any, room: Any) -> None:
    """The output of each layer from what is in the first one's ``INPUT``, to the next one's, of the last to its ``GIVEN``."""
    for layer in range(first, last):
        at = layer * FIELDS
        width, size, bias = layers[at + OUT_WIDE] + APART, layers[at + OUT], singles(layers[at + BIAS])
        given, turned = after(room, layers[at + INPUT]), after(room, layers[at + TRANSPOSED])
        found = after(room, layers[at + GIVEN])
        product(rows, layers[at + OUT_WIDE], layers[at + IN], given, layers[at + IN_WIDE] + APART, 1, turned, width, found, width, 0)
        for row in range(rows):
            if layer + 1 < last:
                for place in range(size):
                    x = found[row * width + place] + bias[place]
                    found[row * width + place] = x if x > single(0) else single(0)
            else:
                for place in range(size):
                    found[row * width + place] += bias[place]


@bare(njit(**FAST))
def backward(layers: Any, first: Any, last: Any, rows: Any, room: Any, wanted: Any) -> None:
    """From the slope in each layer's output, ``SLOPE``, the gradients of its weights, and the slope in its input; in the first's if wanted.

    The slope in the input of a layer is in the place of the slope in the output of the one before; of the first one where its input is.
    """
    for layer in range(last - 1, first - 1, -1):
        at = layer * FIELDS
        width, apart, size = layers[at + OUT_WIDE] + APART, layers[at + IN_WIDE] + APART, layers[at + OUT]
        slope, given = after(room, layers[at + SLOPE]), after(room, layers[at + INPUT])
        sums, total = after(room, layers[at + SUMS]), after(room, layers[at + SUMS_OF_BIAS])
        product(layers[at + OUT_WIDE], layers[at + IN_WIDE], rows, slope, 1, width, given, apart, sums, apart, 1)
        for row in range(rows):
            for place in range(size):
                total[place] += slope[row * width + place]
        if layer > first or wanted:
            back = after(room, layers[at - FIELDS + SLOPE]) if layer > first else given
            product(rows, layers[at + IN_WIDE], size, slope, width, 1, after(room, layers[at + COPY]), apart, back, apart, 0)
            if layer > first:
                for place in range(rows * apart):
                    g = back[place]  # read in any case, or the compiler makes a branch of it
                    back[place] = g if given[place] > single(0) else single(0)
