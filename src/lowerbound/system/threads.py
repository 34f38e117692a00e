"""Threads: compiled loops run on torch's own, since those of a second pool would compete with them for each core.

Many small operations one after another gain little by several threads each. Then it is faster to work on several items at once, each by one
thread (``map_in_threads``).
"""

from __future__ import annotations

import ctypes
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")

#: numbers per thread that make another thread worthwhile
GRAIN = 2**14
ALONE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@cache
def _team() -> tuple[Callable[..., None], int, int] | None:
    """OpenMP's function that starts a team of threads, and the addresses of those that give a thread's number and the number of threads.

    They are of the library that torch has loaded. None where there is none: one thread does all the work.
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
        except (OSError, AttributeError):  # not loaded; or a system without this mode or function
            continue
        start.argtypes, start.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
        return start, int(number or 0), int(size or 0)
    return None


def is_plain(tensor: Tensor | None, *kinds: torch.dtype) -> bool:
    """Whether a loop can read it: single precision or one of ``kinds``, contiguous, in CPU memory."""
    return tensor is not None and tensor.is_cpu and tensor.dtype in (torch.float32, *kinds) and tensor.is_contiguous()


def are_to_be_had() -> bool:
    """Whether a loop can use as many threads as torch."""
    return torch.get_num_threads() == 1 or _team() is not None


@contextmanager
def at_most(number: int) -> Iterator[None]:
    """Within the block torch has no more threads than these."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(number, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def map_in_threads(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """What a function, without gradients, gives for each of some items, in order; as many at a time as torch has threads, one for each.

    Fewer than two for each thread come one after the other, each by all threads. The function sees the caller's ``contextvars``. What it
    draws must not come from torch's own generator, which all share. Modes of torch are not seen, and threads that somebody begins meanwhile
    have one thread of torch's each.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(items) < 2 * threads:
        yield from map(torch.no_grad()(function), items)
        return
    pool = ThreadPoolExecutor(threads, "lowerbound-items", initializer=torch.set_num_threads, initargs=(1,))
    try:
        for future in [pool.submit(copy_context().run, torch.no_grad()(function), item) for item in items]:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # which threads that begin later have too


def run(loop: Any, numbers: int, *arguments: int) -> None:
    """Run a loop over so many numbers. It gets the two addresses of ``_team`` (0 for one thread), the number of parts, ``arguments``."""
    threads, given = shared(numbers, *arguments)
    if threads == 1:
        ALONE(loop.address)(given.buffer_info()[0])
    else:
        team = _team()
        assert team is not None
        team[0](loop.address, given.buffer_info()[0], threads, 0)


def shared(numbers: int, *arguments: int) -> tuple[int, array[int]]:
    """How many threads a loop over so many numbers is worth, and what it is given."""
    threads = min(torch.get_num_threads(), 1 + numbers // GRAIN)
    team = _team() if threads > 1 else None
    return (1, array("q", (0, 0, 1, *arguments))) if team is None else (threads, array("q", (*team[1:], threads, *arguments)))


def starts() -> int:
    """The address of the function that starts a team; 0 where there is none, and no loop has several threads."""
    team = _team()
    start: Any = None if team is None else team[0]
    return int(ctypes.cast(start, ctypes.c_void_p).value or 0)
