"""Products with examples that are mostly zeros, such as images on a black ground: sums over what is not zero, in a processor's registers.

A weight matrix W ``(out, in)``, or its gradient, is held ``TILE`` outputs at a time, turned so that what an input gives to them is next to
each other, and stays in a core's nearest caches while all examples pass by.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from lowerbound.system.compiled.kernels.arithmetic import FAST, after, bare, single, whole
from lowerbound.system.compiled.kernels.loop import Singles, Wholes, loop
from lowerbound.system.compiled.kernels.products import FUSED, LANES
from lowerbound.system.compiled.layout import TILE

REGISTERS = TILE // LANES
REGISTER, WHICH = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)
Number, Place = types.CPointer(types.float32), types.CPointer(types.int32)
LONG = ir.IntType(64)


def _register_of(b: Any, one: Any) -> Any:
    """A register of one number, again and again."""
    nothing = ir.Constant(REGISTER, ir.Undefined)
    return b.shuffle_vector(b.insert_element(nothing, one, ir.IntType(32)(0)), nothing, ir.Constant(WHICH, None))


def _register(b: Any, numbers: Any, place: Any) -> Any:
    """The address of a register's numbers."""
    return b.bitcast(b.gep(numbers, [place]), REGISTER.as_pointer())


def _of_tile(b: Any, numbers: Any, place: Any) -> list[Any]:
    """The addresses of TILE numbers from a place on."""
    return [_register(b, numbers, b.add(place, LONG(LANES * j))) for j in range(REGISTERS)]


def _of_input(b: Any, tile: Any, places: Any, at: Any) -> list[Any]:
    """The addresses of what the input at a place gives to the outputs of a tile."""
    return _of_tile(b, tile, b.mul(b.sext(b.load(b.gep(places, [at])), LONG), LONG(TILE)))


@bare(intrinsic)
def _sum(_: Any, tile: Any, places: Any, values: Any, count: Any, found: Any) -> Any:
    """found = Σ_k values_k tile[places_k], of TILE outputs. Two sums at a time: one need not wait for the other's addition."""

    def generate(context: Any, b: Any, _: Any, given: Any) -> Any:
        """The instructions."""
        tile, places, values, count, found = given
        sums = [[cgutils.alloca_once(b, REGISTER) for _ in range(REGISTERS)] for _ in range(2)]
        for each in (*sums[0], *sums[1]):
            b.store(ir.Constant(REGISTER, None), each)

        def add(at: Any, sums: list[Any]) -> None:
            value = _register_of(b, b.load(b.gep(values, [at])))
            for total, place in zip(sums, _of_input(b, tile, places, at), strict=True):
                b.store(b.fadd(b.fmul(value, b.load(place, align=4), FUSED), b.load(total), FUSED), total)

        with cgutils.for_range(b, b.lshr(count, LONG(1))) as pair:
            at = b.shl(pair.index, LONG(1))
            add(at, sums[0])
            add(b.add(at, LONG(1)), sums[1])
        with b.if_then(b.trunc(count, ir.IntType(1))):
            add(b.sub(count, LONG(1)), sums[0])
        for one, two, to in zip(*sums, _of_tile(b, found, LONG(0)), strict=True):
            b.store(b.fadd(b.load(one), b.load(two)), to, align=4)
        return context.get_dummy_value()

    return types.none(Number, Place, Number, types.int64, Number), generate


@bare(intrinsic)
def _spread(_: Any, tile: Any, places: Any, values: Any, count: Any, given: Any) -> Any:
    """tile[places_k] += values_k given, of TILE outputs."""

    def generate(context: Any, b: Any, _: Any, arguments: Any) -> Any:
        tile, places, values, count, given = arguments
        several = [b.load(place, align=4) for place in _of_tile(b, given, LONG(0))]
        with cgutils.for_range(b, count) as each:
            value = _register_of(b, b.load(b.gep(values, [each.index])))
            for one, place in zip(several, _of_input(b, tile, places, each.index), strict=True):
                b.store(b.fadd(b.fmul(value, one, FUSED), b.load(place, align=4), FUSED), place, align=4)
        return context.get_dummy_value()

    return types.none(Number, Place, Number, types.int64, Number), generate


def _exchanged(b: Any, rows: list[Any]) -> list[Any]:
    """The columns of a square of registers as registers: for each bit of a place, rows and lanes exchange it."""
    far = LANES // 2
    while far:
        for i in (i for i in range(LANES) if not i & far):
            one, two = rows[i], rows[i + far]
            low = [lane if not lane & far else LANES + lane - far for lane in range(LANES)]
            high = [lane + far if not lane & far else LANES + lane for lane in range(LANES)]
            rows[i], rows[i + far] = (b.shuffle_vector(one, two, ir.Constant(WHICH, which)) for which in (low, high))
        far //= 2
    return rows


@bare(intrinsic)
def _square(_: Any, given: Any, of: Any, found: Any, to: Any) -> Any:
    """LANES² numbers of a matrix, transposed, in another; rows are ``of`` and ``to`` numbers apart."""

    def generate(context: Any, b: Any, _: Any, arguments: Any) -> Any:
        given, of, found, to = arguments
        rows = _exchanged(b, [b.load(_register(b, given, b.mul(of, LONG(i))), align=4) for i in range(LANES)])
        for i, row in enumerate(rows):
            b.store(row, _register(b, found, b.mul(to, LONG(i))), align=4)
        return context.get_dummy_value()

    return types.none(Number, types.int64, Number, types.int64), generate


@bare(njit(inline="always", **FAST))
def _transposed(m: Any, n: Any, given: Any, found: Any) -> None:
    """A matrix ``(m, n)`` as one ``(n, m)``: by squares, and what is left by numbers."""
    below, right = m - m % LANES, n - n % LANES
    for j in range(0, right, LANES):
        for i in range(0, below, LANES):
            _square(after(given, i * n + j), n, after(found, j * m + i), m)
    for i in range(m):
        for j in range(0 if i >= below else right, n):
            found[j * m + i] = given[i * n + j]


@loop(n=int, size=int, x=Singles, places=Wholes, values=Singles, counts=Wholes)
def nonzeros(begin, end, n, size, x, places, values, counts):
    """Of each example the places of what is not zero, and the numbers there."""
    for row in range(begin, end):
        count = row * size
        for place in range(size):
            value = x[row * size + place]
            places[count] = whole(place)
            values[count] = value
            count += value != single(0)
        counts[row] = whole(count - row * size)


@loop(tiles=int, n=int, size=int, width=int, weight=Singles, places=Wholes, values=Singles, counts=Wholes, room=Singles, found=Singles)
def times_weights(begin, end, tiles, n, size, width, weight, places, values, counts, room, found):
    """x Wᵀ of n examples; the last tile overlaps the one before where the width is not whole."""
    tile = after(room, begin * size * TILE)
    for number in range(begin, end):
        first = min(number * TILE, width - TILE)
        _transposed(TILE, size, after(weight, first * size), tile)
        for row in range(n):
            _sum(tile, after(places, row * size), after(values, row * size), counts[row], after(found, row * width + first))


@loop(tiles=int, n=int, size=int, width=int, gradient=Singles, places=Wholes, values=Singles, counts=Wholes, room=Singles, found=Singles)
def of_weights(begin, end, tiles, n, size, width, gradient, places, values, counts, room, found):
    """Σ over examples of gradient × x, as W is; its tiles are those of ``times_weights``."""
    tile = after(room, begin * size * TILE)
    for number in range(begin, end):
        first = min(number * TILE, width - TILE)
        for place in range(size * TILE):
            tile[place] = single(0)
        for row in range(n):
            _spread(tile, after(places, row * size), after(values, row * size), counts[row], after(gradient, row * width + first))
        _transposed(size, TILE, tile, after(found, first * size))
