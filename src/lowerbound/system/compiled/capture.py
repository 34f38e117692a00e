"""Calls of loops and of matrix products, captured once and replayed without Python between them: what a CUDA graph is on a processor.

Memory and sizes stay, numbers in memory change, and of arguments those that are changed by name.
"""

from __future__ import annotations

import ctypes
import os
import sys
from array import array
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.system import threads
from lowerbound.system.compiled.layout import OPENED
from lowerbound.system.compiled.loops import Loop, Loops
from lowerbound.system.compiled.memory import as_wholes

loops = Loops("replay")
TURNED = {False: ord("N"), True: ord("T")}
ZERO, ONE = as_wholes(0.0, 1.0)


@cache
def products_are_to_be_had() -> bool:
    """Whether torch's library has a function of BLAS for matrices in single precision that can be called by its address."""
    return bool(_sgemm())


@cache
def _sgemm() -> int:
    """The address of SGEMM in the library that torch has loaded, of Intel's MKL; 0 where there is none."""
    if sys.platform != "linux" or sys.byteorder != "little" or not torch.backends.mkl.is_available():
        return 0
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"), mode=os.RTLD_NOLOAD)
        return int(ctypes.cast(library.SGEMM, ctypes.c_void_p).value or 0)
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
        """Capture ``found`` = a b, matrices in single precision, each contiguous or the transpose of one that is."""
        shapes = (a.shape[1], a.shape[0], b.shape[1]) == (b.shape[0], *found.shape)
        if not shapes or any(one.dtype != torch.float32 or not one.is_cpu for one in (a, b, found)) or not found.is_contiguous():
            raise ValueError(f"no product of {tuple(a.shape)} and {tuple(b.shape)} in {tuple(found.shape)}")
        # BLAS has columns in a row: what it finds is (a b)ᵀ = bᵀ aᵀ
        (left, of_left), (right, of_right) = _matrix(b), _matrix(a)
        sizes = found.shape[1], found.shape[0], a.shape[1]
        places = left.data_ptr(), left.shape[1], right.data_ptr(), right.shape[1], ZERO, found.data_ptr(), found.shape[1]
        self._add(0, 0, array("q", (TURNED[of_left], TURNED[of_right], *sizes, ONE, *places)), (a, b, found))

    def replay(self) -> None:
        """Make all calls."""
        if self._array is None:
            self._array = array("q", (0, 0, 1, len(self._each) // 3, threads.starts(), _sgemm(), *self._each))
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
