"""A figure before it is drawn: which function draws it, and of what. So it can be handed to a process that does nothing else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Drawing:
    """A function of a file of this folder, and its arguments: numbers, words and arrays of NumPy's."""

    file: str
    function: str
    given: tuple[Any, ...]
    named: dict[str, Any] = field(default_factory=dict)

    def content(self) -> bytes:
        """The figure as a file. Only now is matplotlib imported, which takes as long as two figures."""
        made = getattr(import_module(f"{__package__}.{self.file}"), self.function)(*self.given, **self.named)
        if isinstance(made, bytes):
            return made
        from lowerbound.figures.style import encode_png

        return encode_png(made)


class Drawings:
    """The functions of a file of this folder; each, called, gives a ``Drawing``."""

    def __init__(self, file: str):
        self.file = file

    def __getattr__(self, name: str) -> Callable[..., Drawing]:
        return lambda *given, **named: Drawing(self.file, name, given, named)


#: who draws: gives the content of a file that is there at some time
Draw = Callable[[Drawing], "Future[bytes]"]


def at_once(drawing: Drawing) -> Future[bytes]:
    """By this process, before it goes on."""
    done: Future[bytes] = Future()
    done.set_result(drawing.content())
    return done
