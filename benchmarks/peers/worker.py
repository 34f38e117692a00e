"""What all workers have in common: they read a task a line, do it, and answer with one line of JSON.

A task is {"do": NAME, …}; a worker is a module with a function for each NAME that it can. One that is asked for another says so. Data are
a file of greys, uint8 ``(N, 784)``; networks are called by what is in ``NETWORKS``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH = 128
LEARNING_RATE = 1e-3
#: hidden widths, dimensions of z, K
NETWORKS = {
    "lesson": ((512,), 2, 1),
    "latent 20": ((512,), 20, 1),
    "deep": ((200, 200), 50, 1),
    "deep, K = 5": ((200, 200), 50, 5),
    "deep, K = 50": ((200, 200), 50, 50),
}


def known(network: str, most: int = 2**20) -> tuple[tuple[int, ...], int, int] | None:
    """What a network is; None for one that is not fully connected, or has more draws of z than a worker can take."""
    found = NETWORKS.get(network)
    return None if found is None or found[2] > most else found


def greys(path: str, rows: int) -> np.ndarray:
    """The first images, uint8 ``(rows, 784)``."""
    return np.load(path, mmap_mode="r")[:rows].copy()


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    started = time.perf_counter()
    found = run()
    return time.perf_counter() - started, found


def serve(**tasks: Callable[..., dict[str, float]]) -> None:
    """Answer until there is no line left; what a library prints goes to stderr."""
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        words = json.loads(line)
        name = words.pop("do")
        answer = tasks[name](**words) if name in tasks else {"missing": True}
        out.write(json.dumps(answer) + "\n")
        out.flush()
