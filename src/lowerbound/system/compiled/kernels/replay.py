"""Captured calls of loops and of matrix products, one after the other, by their addresses: the loop."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lowerbound.system.compiled.kernels.arithmetic import BITS, bare, longs
from lowerbound.system.compiled.kernels.loop import kept
from lowerbound.system.compiled.layout import OPENED

ADDRESS, VOID = ir.IntType(8).as_pointer(), ir.VoidType()
#: integers of each call, and where the first one's are
EACH, BEGIN = 3, OPENED + 2
#: of a product, in BLAS's order: which arguments it is given as they are, the addresses of matrices; of the others it is given the address
ARGUMENTS, MATRICES = 13, (6, 8, 11)


@bare(intrinsic)
def _by_one(_: Any, function: Any, given: Any) -> Any:
    """Call a loop."""

    def generate(context: Any, b: Any, _: Any, arguments: Any) -> Any:
        function, given = arguments
        b.call(b.inttoptr(function, ir.FunctionType(VOID, [ADDRESS]).as_pointer()), [b.inttoptr(given, ADDRESS)])
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@bare(intrinsic)
def _by_team(_: Any, start: Any, function: Any, given: Any, threads: Any) -> Any:
    """Have a team of threads call it."""

    def generate(context: Any, b: Any, _: Any, arguments: Any) -> Any:
        start, function, given, threads = arguments
        kind = ir.FunctionType(VOID, [ADDRESS, ADDRESS, BITS, BITS]).as_pointer()
        b.call(b.inttoptr(start, kind), [b.inttoptr(function, ADDRESS), b.inttoptr(given, ADDRESS), b.trunc(threads, BITS), BITS(0)])
        return context.get_dummy_value()

    return types.none(*[types.int64] * 4), generate


@bare(intrinsic)
def _product(_: Any, function: Any, given: Any) -> Any:
    """Call a product of BLAS's, all of whose arguments are addresses; the lower half of an integer comes first in memory."""

    def generate(context: Any, b: Any, _: Any, arguments: Any) -> Any:
        function, given = arguments
        places = [b.gep(given, [ir.IntType(64)(at)]) for at in range(ARGUMENTS)]
        each = [b.inttoptr(b.load(place), ADDRESS) if at in MATRICES else b.bitcast(place, ADDRESS) for at, place in enumerate(places)]
        b.call(b.inttoptr(function, ir.FunctionType(VOID, [ADDRESS] * ARGUMENTS).as_pointer()), each)
        return context.get_dummy_value()

    return types.none(types.int64, types.CPointer(types.int64)), generate


@bare(kept)
def replayed(a: Any) -> None:
    """How many there are, and the address of what starts a team; of each its threads, 0 for a product, and two addresses."""
    for at in range(BEGIN, BEGIN + EACH * a[OPENED], EACH):
        threads, function, given = a[at], a[at + 1], a[at + 2]
        if threads == 0:
            _product(function, longs(given))
        elif threads == 1:
            _by_one(function, given)
        else:
            _by_team(a[OPENED + 1], function, given, threads)
