"""Torch's own threads, lent to loops that torch does not know: with a team of their own, two threads would want each core."""

from __future__ import annotations

import ctypes
import os
from array import array
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

#: numbers that are worth a thread of their own
GRAIN = 2**14
ALONE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@cache
def _team() -> tuple[Callable[..., None], int, int] | None:
    """OpenMP's start of a team, and where it tells a thread's number and how many there are, of the library that torch has loaded.

    None where there is none: one thread does all.
    """
    folders = (Path(torch.__file__).parent / "lib", Path(torch.__file__).parent.parent / "torch.libs")
    names = ["libgomp.so.1", *(str(path) for folder in folders for path in sorted(folder.glob("libgomp*.so*")))]
    for name in names:
        try:
            library = ctypes.CDLL(name, mode=os.RTLD_NOLOAD)
            start: Any = library.GOMP_parallel
            number, size = (
                ctypes.cast(function, ctypes.c_void_p).value for function in (library.omp_get_thread_num, library.omp_get_num_threads)
            )
        except (OSError, AttributeError):  # not loaded; or a system without such a mode, or such a start
            continue
        start.argtypes, start.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
        return start, int(number or 0), int(size or 0)
    return None


def is_plain(tensor: Tensor | None, *kinds: torch.dtype) -> bool:
    """Whether a loop can read it: single precision or one of ``kinds``, number after number in this machine's memory."""
    return tensor is not None and tensor.is_cpu and tensor.dtype in (torch.float32, *kinds) and tensor.is_contiguous()


def are_to_be_had() -> bool:
    """Whether a loop has as many threads as torch."""
    return torch.get_num_threads() == 1 or _team() is not None


def run(loop: Any, numbers: int, *arguments: int) -> None:
    """A loop over so many numbers; what it is given are where it learns which thread it is and of how many, the parts, ``arguments``."""
    threads = min(torch.get_num_threads(), 1 + numbers // GRAIN)
    team = _team() if threads > 1 else None
    if team is None:
        given = array("q", (0, 0, 1, *arguments))
        ALONE(loop.address)(given.buffer_info()[0])
    else:
        start, number, size = team
        given = array("q", (number, size, threads, *arguments))
        start(loop.address, given.buffer_info()[0], threads, 0)
