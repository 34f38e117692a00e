"""Ctrl-C while something is done that must be done as a whole: it comes at the end of it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # of which signal makes enums, for 10 µs at each step of a training
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A KeyboardInterrupt that comes within the block is raised at its end; a second one at once.

    Only where Ctrl-C does what Python has it do, in the main thread: whoever handles it otherwise, such as a block around this, goes on
    to do so.
    """
    usual = _signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or _signal.getsignal(_signal.SIGINT) is not usual:
        yield
        return
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)
        _signal.signal(_signal.SIGINT, usual)

    _signal.signal(_signal.SIGINT, note)
    try:
        yield
    finally:
        _signal.signal(_signal.SIGINT, usual)
        if came:
            raise KeyboardInterrupt
