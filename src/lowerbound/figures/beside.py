"""A process that draws figures while this one goes on; it imports matplotlib while this one imports torch.

``lowerbound.figures.worker`` is what it runs. Without a second processor, or where matplotlib is there already, there is none, and whoever
asks draws. (Two such processes took as long as one: their imports cost what they saved.)
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from lowerbound.figures.drawing import Draw, Drawing, at_once
from lowerbound.figures.worker import read, write
from lowerbound.system import processors

RANK = "RANK"  # which torchrun sets; the first process alone draws


@contextmanager
def beside() -> Iterator[Draw]:
    """Who draws, as long as the block lasts."""
    if processors.available() < 2 or _can_draw() or os.environ.get(RANK, "0") != "0":
        yield at_once
        return
    worker, pool = Worker(), ThreadPoolExecutor(1)
    try:
        yield lambda drawing: pool.submit(worker.draw, drawing)
    finally:
        pool.shutdown(cancel_futures=True)
        worker.end()


def _can_draw() -> bool:
    """Whether this process has imported what draws."""
    return "matplotlib" in sys.modules


class Worker:
    """The process, or none where there can be no more; it is started again when it ended because it was idle for long."""

    def __init__(self) -> None:
        self.process = _started()

    def draw(self, drawing: Drawing) -> bytes:
        """The figure as a file; drawn here where the process fails, so that whoever asked learns why."""
        if self.process is not None and self.process.poll() is not None:
            self.end()
            self.process = _started()
        if self.process is None:
            return drawing.content()
        try:
            write(self.process.stdin, pickle.dumps(drawing))
            return read(self.process.stdout)
        except (OSError, EOFError):
            self.end()
            return drawing.content()

    def end(self) -> None:
        """Ask nothing more of it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                with suppress(OSError):  # what was not written yet cannot be
                    pipe.close()
            self.process = None


def _started() -> Any:
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    paths = os.pathsep.join(path for path in sys.path if path and os.pathsep not in path)  # and not the folder that we are in
    try:
        return subprocess.Popen([sys.executable, "-P", "-m", "lowerbound.figures.worker"], **pipes, env=os.environ | {"PYTHONPATH": paths})
    except OSError:
        return None
