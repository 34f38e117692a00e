"""What loops are made of: pointers, bits, numbers in bfloat16, e^x, and the parts of a thread."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

FAST: dict[str, Any] = {"fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy"}  # NaN and infinities are preserved
#: the functions that a loop calls inherit its ``fastmath``; a loop whose bits matter has none
EXACT: dict[str, Any] = {"error_model": "numpy"}
single, whole, large = np.float32, np.int32, np.uint64
BITS = ir.IntType(32)
SIXTEEN = BITS(16)


def bare(make: Any) -> Callable[[Any], Any]:
    """The function without the type checks that tests wrap around it, which numba cannot compile."""
    return lambda function: make(inspect.unwrap(function))


# --- pointers and bits -------------------------------------------------------------------------------


@bare(intrinsic)
def _called(_: Any, address: Any) -> Any:
    """The integer returned by the function without arguments at this address."""

    def generate(_: Any, b: Any, __: Any, given: Any) -> Any:
        return b.sext(b.call(b.inttoptr(given[0], ir.FunctionType(BITS, ()).as_pointer()), ()), ir.IntType(64))

    return types.int64(address), generate


def _pointer(kind: Any) -> Any:
    @bare(intrinsic)
    def to(_: Any, address: Any) -> Any:
        return types.CPointer(kind)(types.int64), lambda context, builder, signature, given: builder.inttoptr(
            given[0], context.get_value_type(signature.return_type)
        )

    return to


singles, halves, wholes, larges = (_pointer(kind) for kind in (types.float32, types.uint16, types.int32, types.uint64))
doubles, longs, words, octets = (_pointer(kind) for kind in (types.float64, types.int64, types.uint32, types.uint8))


@bare(intrinsic)
def after(_: Any, pointer: Any, place: Any) -> Any:
    """The pointer so many numbers on."""
    return pointer(pointer, types.int64), lambda _, b, __, given: b.gep(given[0], [given[1]])


@bare(intrinsic)
def to_single(_: Any, bits: Any) -> Any:
    """The number in single precision with these bits."""
    return types.float32(types.int32), lambda _, b, __, given: b.bitcast(given[0], ir.FloatType())


@bare(intrinsic)
def bits_of(_: Any, number: Any) -> Any:
    """The bits of a number in single precision, as an integer."""
    return types.int32(types.float32), lambda _, b, __, given: b.bitcast(given[0], BITS)


@bare(intrinsic)
def read(_: Any, pointer: Any, place: Any) -> Any:
    """The number at a place of an array in single precision or bfloat16, in single precision."""

    def generate(_: Any, b: Any, __: Any, given: Any) -> Any:
        number = b.load(b.gep(given[0], [given[1]]))
        return number if pointer.dtype == types.float32 else b.bitcast(b.shl(b.zext(number, BITS), SIXTEEN), ir.FloatType())

    return types.float32(pointer, place), generate


@bare(intrinsic)
def leave(_: Any, pointer: Any, place: Any, number: Any) -> Any:
    """Write a number in single precision to a place of such an array, rounded to nearest even for bfloat16."""

    def generate(context: Any, b: Any, __: Any, given: Any) -> Any:
        left = given[2]
        if pointer.dtype != types.float32:
            bits = b.bitcast(left, BITS)
            odd = b.and_(b.lshr(bits, SIXTEEN), BITS(1))
            left = b.trunc(b.lshr(b.add(b.add(bits, BITS(0x7FFF)), odd), SIXTEEN), ir.IntType(16))
        b.store(left, b.gep(given[0], [given[1]]))
        return context.get_dummy_value()

    return types.none(pointer, place, number), generate


# --- numbers -----------------------------------------------------------------------------------------


@bare(njit(inline="always", **FAST))
def own(a: Any) -> Any:
    """The parts of this thread, always the same ones, so that a core finds numbers that it computed in its own cache."""
    if a[0] == 0:
        return range(0, a[2], 1)
    return range(_called(a[0]), a[2], _called(a[1]))


@bare(njit(inline="always", **FAST))
def number(bits: Any) -> Any:
    """The number in single precision with the same bits as this integer."""
    return to_single(whole(bits))


@bare(njit(inline="always", **FAST))
def within(x: Any, low: Any, high: Any) -> Any:
    """x clipped to an interval; NaN stays NaN."""
    return low if x < low else (high if x > high else x)


@bare(njit(inline="always", **FAST))
def exp(x: Any) -> Any:
    """e^x for x ≤ 88, to 2 units in the last place.

    With x = n log 2 + r: 2^n from its exponent bits, e^r for |r| ≤ ½ log 2 by the polynomial of Cephes.
    """
    x = single(-87.0) if x < single(-87.0) else x
    n = np.floor(x * single(1.44269504) + single(0.5))
    r = x - n * single(0.693359375) + n * single(2.12194440e-4)
    p = single(1.9875691500e-4) * r + single(1.3981999507e-3)
    p = p * r + single(8.3334519073e-3)
    p = p * r + single(4.1665795894e-2)
    p = p * r + single(1.6666665459e-1)
    p = p * r + single(5.0000001201e-1)
    return (p * r * r + r + single(1)) * to_single((whole(n) + whole(127)) << whole(23))


@bare(njit(inline="always", **FAST))
def add_bias(output: Any, first: Any, bias: Any, size: Any) -> None:
    """Add a layer's bias to one row of its output, which begins at a place, and leave it there."""
    for place in range(size):
        output[first + place] += bias[place]


@bare(njit(inline="always", **FAST))
def sigmoid(x: Any) -> Any:
    """1 / (1 + e^−x)."""
    e = exp(-abs(x))
    chance = single(1) / (single(1) + e)
    return chance if x >= single(0) else e * chance


@bare(njit(inline="always", **FAST))
def log1p(x: Any) -> Any:
    """log(1 + x) of x ≥ 0, to 2 units in the last place.

    With 1 + x = 2^k m, m from √½ to √2: k log 2 + 2 artanh(t/(2 + t)), where t is m − 1, or of k = 0 x itself, of which nothing is lost.
    """
    above = single(1) + x
    k = _exponent(above)
    return _logarithm(k, x if k == whole(0) else to_single(bits_of(above) - (k << whole(23))) - single(1))


@bare(njit(inline="always", **FAST))
def logarithm(x: Any) -> Any:
    """log x of x > 0, to 2 units in the last place but next to 1."""
    k = _exponent(x)
    return _logarithm(k, to_single(bits_of(x) - (k << whole(23))) - single(1))


@bare(njit(inline="always", **FAST))
def _exponent(x: Any) -> Any:
    """k of x = 2^k m, m from √½ to √2."""
    return (bits_of(x) - whole(0x3F3504F3)) >> whole(23)


@bare(njit(inline="always", **FAST))
def _logarithm(k: Any, t: Any) -> Any:
    """k log 2 + log(1 + t), t from √½ − 1 to √2 − 1."""
    s = t / (single(2) + t)
    q = s * s
    p = single(2 / 9) * q + single(2 / 7)
    p = p * q + single(2 / 5)
    p = p * q + single(2 / 3)
    return single(k) * single(0.6931471805599453) + (single(2) * s + s * q * p)
