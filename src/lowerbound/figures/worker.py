"""A process that draws: ``python -m lowerbound.figures.worker`` reads drawings from its input and writes files to its output.

It ends with its input, and after ``PATIENCE`` seconds without anything to draw, so that a long training has its memory.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from typing import BinaryIO

PATIENCE = 30.0
SIZE = 8  # bytes of the number of bytes that follow


def write(file: BinaryIO, content: bytes) -> None:
    """One message."""
    file.write(len(content).to_bytes(SIZE, "little") + content)
    file.flush()


def read(file: BinaryIO) -> bytes:
    """One message. Errors: EOFError where there is none."""
    size = int.from_bytes(_all_of(file, SIZE), "little")
    return _all_of(file, size)


def _all_of(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise EOFError
    return content


def main() -> None:
    """Draw until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the process that asks
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    from lowerbound.figures import charts, images  # noqa: F401 - now, while nothing is asked yet

    while True:
        impatience = threading.Timer(PATIENCE, os._exit, [0])
        impatience.daemon = True
        impatience.start()
        try:
            drawing = pickle.loads(read(asked))  # noqa: S301 - of the process that started this one
        except EOFError:
            return
        impatience.cancel()
        write(answers, drawing.content())


if __name__ == "__main__":
    main()
