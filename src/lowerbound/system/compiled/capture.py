"""Calls of loops and of matrix products, captured once and replayed without Python between them: what a CUDA graph is on a processor.

Memory and sizes stay, numbers in memory change, and of arguments those that are changed by name.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from array import array
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.system import threads
from lowerbound.system.compiled.layout import OPENED
from lowerbound.system.compiled.loops import Loop, Loops
from lowerbound.system.compiled.memory import as_wholes, floats
from lowerbound.system.machine import INPUTS, OUTPUTS, ROWS, Question, Ways, choice, numbers

loops = Loops("replay")
TURNED = {False: ord("N"), True: ord("T")}
ZERO, ONE = as_wholes(0.0, 1.0)
#: of BLAS, by the type of what is multiplied
FUNCTIONS = {torch.float32: "SGEMM", torch.bfloat16: "GEMM_BF16BF16F32"}
TORCH, MKL = "torch", "MKL"


def products_are_to_be_had(*kinds: torch.dtype) -> bool:
    """Whether torch's library has functions of BLAS for matrices of these types that can be called by their addresses, and pay."""
    return all(_function(kind) and (kind != torch.bfloat16 or choice(LIBRARY).answer == MKL) for kind in kinds)


@cache
def _function(kind: torch.dtype) -> int:
    """The address of a product in the library that torch has loaded, of Intel's MKL; 0 where there is none. It finds single precision."""
    if sys.platform != "linux" or sys.byteorder != "little" or not torch.backends.mkl.is_available():
        return 0
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"), mode=os.RTLD_NOLOAD)
        return int(ctypes.cast(getattr(library, FUNCTIONS[kind]), ctypes.c_void_p).value or 0)
    except (OSError, AttributeError):  # another build
        return 0


class CapturedLoop:
    """A call of a loop that was captured, whose arguments may be changed."""

    def __init__(self, loop: Loop, given: array[int]):
        self._loop, self._given = loop, given
        self._ways: dict[str, tuple[int, Callable[[Any], tuple[int, ...]]]] = {}
        self._kept: dict[str, Any] = {}  # tensors whose addresses the loop has

    def change(self, **arguments: Any) -> None:
        """Replay it with other arguments from now on, each of one integer: a tensor, a number."""
        for name, value in arguments.items():
            if name not in self._ways:
                self._ways[name] = OPENED + self._loop.place(name), self._loop.pack_one(name)
            place, pack = self._ways[name]
            (self._given[place],) = pack(value)
            self._kept[name] = value


class CapturedCalls:
    """Calls in their order; they are replayed with as many threads as torch had when they were captured.

    Tensors that were given stay; who gives one of them other memory meanwhile is to capture anew.
    """

    def __init__(self) -> None:
        self._each: list[int] = []
        self._kept: list[Any] = []  # arrays and tensors whose addresses are known
        self._array: array[int] | None = None

    def loop(self, loop: Loop, numbers: int, *given: Any) -> CapturedLoop:
        """Capture a loop over so many numbers."""
        many, packed = threads.shared(numbers, *loop.pack(*given))
        self._add(many, loop.address, packed, given)
        return CapturedLoop(loop, packed)

    def product(self, a: Float[Tensor, "m k"], b: Float[Tensor, "k n"], found: Float[Tensor, "m n"]) -> None:
        """Capture ``found`` = a b, in single precision; a and b are both so or both in bfloat16, contiguous or the transpose of such."""
        shapes = (a.shape[1], a.shape[0], b.shape[1]) == (b.shape[0], *found.shape)
        types = a.dtype == b.dtype and a.dtype in FUNCTIONS and found.dtype == torch.float32
        if not (shapes and types and all(one.is_cpu for one in (a, b, found)) and found.is_contiguous()):
            raise ValueError(f"no product of {tuple(a.shape)} and {tuple(b.shape)} in {tuple(found.shape)}")
        # BLAS has columns in a row: what it finds is (a b)ᵀ = bᵀ aᵀ
        (left, of_left), (right, of_right) = _matrix(b), _matrix(a)
        sizes = found.shape[1], found.shape[0], a.shape[1]
        places = left.data_ptr(), left.shape[1], right.data_ptr(), right.shape[1], ZERO, found.data_ptr(), found.shape[1]
        self._add(0, _function(a.dtype), array("q", (TURNED[of_left], TURNED[of_right], *sizes, ONE, *places)), (a, b, found))

    def replay(self) -> None:
        """Make all calls."""
        if self._array is None:
            self._array = array("q", (0, 0, 1, len(self._each) // 3, threads.starts(), *self._each))
        threads.ALONE(loops.replayed.address)(self._array.buffer_info()[0])

    def _add(self, many: int, function: int, given: array[int], tensors: Any) -> None:
        self._each += many, function, given.buffer_info()[0]
        self._kept += given, tensors


def _matrix(x: Tensor) -> tuple[Tensor, bool]:
    """A matrix as it is in memory, and whether it was its transpose. Errors: ValueError for one that has gaps."""
    if x.is_contiguous():
        return x, False
    if not x.t().is_contiguous():
        raise ValueError(f"a matrix of {tuple(x.shape)} whose numbers are not next to each other")
    return x.t(), True


# --- in bfloat16 -----------------------------------------------------------------------------------------


def _of_libraries() -> Ways:
    """A layer's product, and those of both gradients: torch's, whose results are rounded, and MKL's, which some processors emulate."""
    x, weight, slope = (numbers(*shape).bfloat16() for shape in ((ROWS, INPUTS), (OUTPUTS, INPUTS), (ROWS, OUTPUTS)))
    pairs, calls = [(x, weight.t()), (slope, weight), (slope.t(), x)], CapturedCalls()
    if not _function(torch.bfloat16):
        return {TORCH: lambda: None}
    for a, b in pairs:
        calls.product(a, b, floats(a.shape[0], b.shape[1]))
    found = [floats(a.shape[0], b.shape[1], kind=torch.bfloat16) for a, b in pairs]
    return {TORCH: lambda: [torch.mm(*pair, out=one) for pair, one in zip(pairs, found, strict=True)], MKL: calls.replay}


def _library(milliseconds: Mapping[str, float]) -> str:
    """MKL's, unless it is the slower one: its calls need no Python."""
    return MKL if milliseconds.get(MKL, math.inf) <= milliseconds[TORCH] else TORCH


LIBRARY = Question("library", "library of a captured step's products in bfloat16", _of_libraries, _library, lambda: TORCH)
