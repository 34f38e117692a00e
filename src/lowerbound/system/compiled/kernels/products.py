"""Products of matrices as small as a table's: tiles that stay in a processor's registers, within a loop, so that nothing is handed over.

A call of torch's product shares the work out, waits for all threads, and leaves its numbers where the next call looks for them; for some
hundred rows of 128 numbers that takes as long as the product. Here rows are some ``stride`` of numbers apart, and widths are whole
``LANES``.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from lowerbound.system.compiled.kernels.arithmetic import FAST, after, bare
from lowerbound.system.compiled.machine_code import processor

#: of each kind of processor the numbers in a register, and the rows of a tile: two registers for each must not fill all that there are
KINDS = {"avx512f": (16, 8), "avx": (8, 4)}
LANES, ROWS = next((size for feature, size in KINDS.items() if f"+{feature}" in processor()[1].split(",")), (4, 8))
REGISTER, WHICH = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)
FUSED = ("contract", "reassoc", "nsz")
Pointer, Place = types.CPointer(types.float32), types.int64


def _tile(registers: int) -> Any:
    """c = Σ_k a_ik b_kj of ROWS rows i and as many columns j as these registers have, or c + Σ where ``add`` is not 0."""

    @bare(intrinsic)
    def tile(_: Any, a: Any, row: Any, step: Any, b: Any, stride: Any, depth: Any, c: Any, width: Any, add: Any) -> Any:
        kinds = Pointer, Place, Place, Pointer, Place, Place, Pointer, Place, Place
        return types.none(*kinds), lambda context, builder, _, given: _made(context, builder, registers, *given)

    return tile


def _made(context: Any, b: Any, registers: int, *given: Any) -> Any:
    """The instructions of a tile. Sums are in memory here; the compiler finds registers for them."""
    left, row, step, right, stride, depth, found, width, add = given
    long, each = ir.IntType(64), [(i, j) for i in range(ROWS) for j in range(registers)]

    def register(pointer: Any, *far: Any) -> Any:
        for part in far:
            pointer = b.gep(pointer, [part])
        return b.bitcast(pointer, REGISTER.as_pointer())

    places = {(i, j): register(found, b.mul(width, long(i)), long(LANES * j)) for i, j in each}
    sums = {place: cgutils.alloca_once(b, REGISTER) for place in each}
    with b.if_else(b.icmp_signed("!=", add, long(0))) as (adding, beginning):
        with adding:
            for place in each:
                b.store(b.load(places[place], align=4), sums[place])
        with beginning:
            for place in each:
                b.store(ir.Constant(REGISTER, None), sums[place])
    rows, nothing = [b.mul(row, long(i)) for i in range(ROWS)], ir.Constant(REGISTER, ir.Undefined)
    with cgutils.for_range(b, depth) as k:
        here, there = b.mul(k.index, step), b.mul(k.index, stride)
        several = [b.load(register(right, there, long(LANES * j)), align=4) for j in range(registers)]
        for i in range(ROWS):
            one = b.insert_element(nothing, b.load(b.gep(b.gep(left, [here]), [rows[i]])), ir.IntType(32)(0))
            spread = b.shuffle_vector(one, nothing, ir.Constant(WHICH, None))
            for j in range(registers):
                b.store(b.fadd(b.fmul(spread, several[j], FUSED), b.load(sums[i, j]), FUSED), sums[i, j])
    for place in each:
        b.store(b.load(sums[place]), places[place], align=4)
    return context.get_dummy_value()


_one, _two = _tile(1), _tile(2)


@bare(njit(**FAST))
def product(m: Any, n: Any, k: Any, a: Any, row: Any, step: Any, b: Any, stride: Any, c: Any, width: Any, add: Any) -> None:
    """c = Σ_k a_ik b_kj ``(m, n)``, or c + Σ where ``add`` is not 0; a_ik is at ``row`` i + ``step`` k, so that it may be transposed.

    n is whole ``layout.WHOLE``; rows of a are read, and of c are written, up to a whole one.
    """
    for j in range(0, n - LANES, 2 * LANES):
        for i in range(0, m, ROWS):
            _two(after(a, row * i), row, step, after(b, j), stride, k, after(c, width * i + j), width, add)
    if n % (2 * LANES):
        for i in range(0, m, ROWS):
            _one(after(a, row * i), row, step, after(b, n - LANES), stride, k, after(c, width * i + n - LANES), width, add)
