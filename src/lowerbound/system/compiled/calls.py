"""Calls of loops and of matrix products, laid down once and made again and again without Python between them.

What an accelerator's captured graph is: memory and sizes stay, numbers in memory change, and of arguments those that are changed by name.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from array import array
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.system import threads
from lowerbound.system.compiled.layout import OPENED
from lowerbound.system.compiled.loops import Loop, Loops

loops = Loops("calls")
TURNED = {False: ord("N"), True: ord("T")}
ZERO, ONE = (struct.unpack("i", struct.pack("f", value))[0] for value in (0.0, 1.0))


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


class Laid:
    """A call of a loop that was laid down."""

    def __init__(self, loop: Loop, given: array[int]):
        self._loop, self._given = loop, given

    def change(self, **integers: int) -> None:
        """Call it with another address, whole number or number's bits from now on, by the argument's name."""
        for name, integer in integers.items():
            self._given[OPENED + self._loop.places[name]] = integer


class Calls:
    """Calls in their order; they are made with as many threads as torch had when they were laid down.

    Tensors that were given stay; who gives one other memory meanwhile, or changes an argument's address, sees to it that it is there.
    """

    def __init__(self) -> None:
        self._each: list[int] = []
        self._kept: list[Any] = []  # arrays and tensors whose addresses are known
        self._array: array[int] | None = None

    def loop(self, loop: Loop, numbers: int, *given: Any) -> Laid:
        """A loop over so many numbers."""
        many, packed = threads.shared(numbers, *loop.pack(*given))
        self._add(many, loop.address, packed, given)
        return Laid(loop, packed)

    def product(self, a: Float[Tensor, "m k"], b: Float[Tensor, "k n"], found: Float[Tensor, "m n"]) -> None:
        """``found`` = a b, matrices in single precision, each contiguous or the transpose of one that is."""
        shapes = (a.shape[1], a.shape[0], b.shape[1]) == (b.shape[0], *found.shape)
        if not shapes or any(one.dtype != torch.float32 or not one.is_cpu for one in (a, b, found)) or not found.is_contiguous():
            raise ValueError(f"no product of {tuple(a.shape)} and {tuple(b.shape)} in {tuple(found.shape)}")
        # BLAS has columns in a row: what it finds is (a b)ᵀ = bᵀ aᵀ
        (left, of_left), (right, of_right) = _matrix(b), _matrix(a)
        sizes = found.shape[1], found.shape[0], a.shape[1]
        places = left.data_ptr(), left.shape[1], right.data_ptr(), right.shape[1], ZERO, found.data_ptr(), found.shape[1]
        self._add(0, 0, array("q", (TURNED[of_left], TURNED[of_right], *sizes, ONE, *places)), (a, b, found))

    def make(self) -> None:
        """All of them."""
        if self._array is None:
            self._array = array("q", (0, 0, 1, len(self._each) // 3, threads.starts(), _sgemm(), *self._each))
        threads.ALONE(loops.made.address)(self._array.buffer_info()[0])

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
