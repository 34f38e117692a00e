"""The command line: words → verb → function → text, or one JSON object. Only this package prints.

Errors that the user can correct become one line on stderr and exit code 2; all codes are in ``answer``.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

from lowerbound.errors import LowerboundError, printable, reason
from lowerbound.interfaces.cli.answer import BAD_INPUT, INTERRUPTED, NO_READER, Answer
from lowerbound.interfaces.cli.parser import parse

#: objects after which Python looks for circles of them: imports make a million, and by its own number spent a tenth of a command on it
CIRCLES = 100_000

#: how long a waiting thread of GNU's OpenMP keeps its processor. By its own number, thirty times this, a training beside other work takes
#: ten to three hundred times as long
SPINNING = ("GOMP_SPINCOUNT", "10000")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    gc.set_threshold(CIRCLES)
    os.environ.setdefault(*SPINNING)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal's encoding may lack letters of a message
            stream.reconfigure(errors="backslashreplace")
    try:
        args = parse(sys.argv[1:] if argv is None else argv)
        with _drawing(args.plots and not vars(args).get("seeds")) as args.draw_by:
            module, _, function = args.verb.partition(":")
            verbs = import_module(f"{__name__}.{module}")  # only now: most verbs' imports take seconds
            answer: Answer = getattr(verbs, function)(args)
        if not answer.silent:
            print(answer.json(args.notes) if args.json else answer.text, flush=True)
        return INTERRUPTED if answer.interrupted else 0
    except LowerboundError as error:
        return _complain(str(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again when it ends
        return NO_READER
    except OSError as error:
        return _complain(f"{error.filename or 'an output'}: {reason(error)}")
    except MemoryError:
        return _complain("there is not enough memory for that; ask for less")
    except KeyboardInterrupt:
        print("lowerbound: interrupted", file=sys.stderr)
        return INTERRUPTED


def _drawing(several: bool) -> AbstractContextManager[Any]:
    """Who draws the figures of a verb that has several: processes that begin now, before torch is imported."""
    if not several:
        return nullcontext()
    from lowerbound.figures.beside import beside

    return beside()


def _complain(message: str) -> int:
    print(f"lowerbound: {printable(' '.join(message.split()))}", file=sys.stderr)
    return BAD_INPUT
