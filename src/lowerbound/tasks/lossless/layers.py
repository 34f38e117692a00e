"""Layers of whole numbers: sums of products that are exact, and where they are taken.

Numbers are in units of 2⁻¹² (``UNIT``), between ±2¹⁵. Weights are rounded to multiples of a power of two such that every sum of products,
and every part of one, is a whole number below 2⁵³: it is exact in double precision, in whatever order it is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lowerbound.errors import RecipeError
from lowerbound.system import devices
from lowerbound.tasks.lossless.functions import Array

UNIT = 4096.0  # whole numbers of a layer for 1
LARGEST_BITS = 27  # of these numbers
WEIGHT_BITS = 16  # after the point, at most
EXACT_BITS = 52  # of a sum


@dataclass(frozen=True)
class Layer:
    """What is done to ``(N, *in)`` to make ``(N, *out)``; ``words`` and ``numbers`` say which layer it is, for the model's hash."""

    words: str
    apply: Callable[[Array], Array]
    numbers: tuple[Array, ...] = ()


def settled(x: Array) -> Array:
    """Whole numbers within bounds."""
    return np.clip(np.rint(x), -(2.0**LARGEST_BITS), 2.0**LARGEST_BITS)


def settled_sums(x: Array, scale: float, bias: Array) -> Array:
    """The same of x · scale + bias ``(…, n)``, scale being a power of two, in the place of x."""
    loops = devices.exact_loops()
    if loops is None:
        return settled(x * scale + bias)
    loops[1].settle(0, x.size // max(1, len(bias)), len(bias), 2.0**LARGEST_BITS, scale, bias, x)
    return x


@dataclass(frozen=True)
class Weights:
    """Whole numbers ``matrix`` ``(out, in)``, in units of 2^−``bits``, and ``bias`` in those of what they make."""

    matrix: Array
    bias: Array
    bits: int

    @classmethod
    def of(cls, weight: Array, bias: Array | None) -> Weights:
        """With as many bits as keep every sum below 2⁵³. Errors: RecipeError for weights that are not finite or too large."""
        bias = np.zeros(len(weight)) if bias is None else bias
        whole = np.rint(np.abs(weight) * 2.0**WEIGHT_BITS).sum(1) + np.rint(
            np.abs(bias) * 2.0**WEIGHT_BITS
        )  # exact, so the same everywhere
        most = float(whole.max(initial=0.0)) * 2.0**-WEIGHT_BITS
        if not math.isfinite(most):
            raise RecipeError("the model's weights are not finite; train again")
        bits = min(WEIGHT_BITS, EXACT_BITS - 1 - LARGEST_BITS - math.frexp(most)[1])
        if bits < 1:
            raise RecipeError("the model's weights are too large to be computed exactly; train with a smaller learning rate")
        return cls(np.rint(weight * 2.0**bits), np.rint(bias * (2.0**bits * UNIT)), bits)

    def sums(self, x: Array) -> Array:
        """``(…, in)`` → ``(…, out)``."""
        matrix, bias = self._in_units
        return settled_sums(x @ matrix, 1.0, bias)

    @cached_property
    def _in_units(self) -> tuple[Array, Array]:
        """The matrix ``(in, out)`` and the bias times a power of two: sums are as exact."""
        return self.matrix.T * 2.0**-self.bits, self.bias * 2.0**-self.bits

    def layer(self, words: str, apply: Callable[[Array], Array]) -> Layer:
        """The layer that has them."""
        return Layer(f"{words} {self.bits}", apply, (self.matrix, self.bias))


def convolved(
    weights: Weights, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], sides: Sequence[tuple[int, int]], x: Array
) -> Array:
    """The patches of ``(N, C, *space)`` as rows of a matrix, times the weights → ``(N, O, *space)``."""
    x = _padded(x, sides)
    axes = tuple(range(2, x.ndim))
    reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(x, reach, axes)
    places = tuple(slice(None, None, step) for step in stride)
    inside = tuple(slice(None, None, step) for step in dilation)
    windows = np.moveaxis(windows[(slice(None), slice(None), *places, *inside)], 1, 1 + len(axes))
    patches = windows.reshape(*windows.shape[: 1 + len(axes)], -1)
    return np.moveaxis(weights.sums(patches), -1, 1)


def _padded(x: Array, sides: Sequence[tuple[int, int]]) -> Array:
    """With zeros before and after each axis of space; NumPy's own function takes three times as long of small images."""
    if not any(map(sum, sides)):
        return x
    found = np.zeros((*x.shape[:2], *(before + side + after for side, (before, after) in zip(x.shape[2:], sides, strict=True))))
    inside = (slice(before, before + side) for side, (before, _) in zip(x.shape[2:], sides, strict=True))
    found[(slice(None), slice(None), *inside)] = x
    return found


def spread(x: Array, stride: Sequence[int]) -> Array:
    """With zeros between the values of each axis of space."""
    space = [(side - 1) * step + 1 for side, step in zip(x.shape[2:], stride, strict=True)]
    found = np.zeros((*x.shape[:2], *space))
    found[(slice(None), slice(None), *(slice(None, None, step) for step in stride))] = x
    return found
