"""Processes that draw figures while this one goes on; they import matplotlib while it imports torch.

``lowerbound.figures.worker`` is what they run. Without a second processor, or where matplotlib is there already, there are none, and
whoever asks draws.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

from lowerbound.figures.drawing import Draw, Drawing, at_once
from lowerbound.figures.worker import read, write

MOST = 2  # processes: of more, their imports take longer than they save
RANK = "RANK"  # which torchrun sets; the first process alone draws


@contextmanager
def beside() -> Iterator[Draw]:
    """Who draws, as long as the block lasts."""
    if _processors() < 2 or _can_draw() or os.environ.get(RANK, "0") != "0":
        yield at_once
        return
    idle: SimpleQueue[Any] = SimpleQueue()
    for _ in range(MOST):
        idle.put(_started())
    pool = ThreadPoolExecutor(MOST)

    def draw(drawing: Drawing) -> Future[bytes]:
        return pool.submit(_drawn, idle, drawing)

    try:
        yield draw
    finally:
        pool.shutdown(cancel_futures=True)
        while not idle.empty():
            _ended(idle.get())


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _can_draw() -> bool:
    """Whether this process has imported what draws."""
    return "matplotlib" in sys.modules


def _drawn(idle: SimpleQueue[Any], drawing: Drawing) -> bytes:
    """By a process that is free; by this one where that fails, which then says why."""
    process = idle.get()
    if process is not None and process.poll() is not None:  # it was idle for long, and ended
        _ended(process)
        process = _started()
    if process is None:
        idle.put(None)
        return drawing.content()
    try:
        write(process.stdin, pickle.dumps(drawing))
        content = read(process.stdout)
    except (OSError, EOFError):
        _ended(process)
        process = None
        content = drawing.content()
    finally:
        idle.put(process)
    return content


def _started() -> Any:
    """A process, or None where there can be no more."""
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "lowerbound.figures.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return None


def _ended(process: Any) -> None:
    """Nothing more will be asked of it."""
    if process is not None:
        process.stdin.close()
        process.stdout.close()
        process.kill()
        process.wait()
