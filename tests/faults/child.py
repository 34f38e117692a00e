"""The command line in a process of its own, forked from this one, so that nothing is imported anew; and how it ended."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import torch

from lowerbound.data import load
from lowerbound.interfaces.cli.parser import VERBS


@dataclass
class Child:
    """A process: its number, and the files of what it said."""

    pid: int
    out: Path
    err: Path
    code: int | None = None

    def ended(self) -> bool:
        """Whether it has."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code is not None

    def wait(self, seconds: float = 120.0) -> int:
        """Its exit code, minus a signal's number where one ended it; TimeoutError (and it is killed) where it does not end."""
        until = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > until:
                self.signal(signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self.code = -signal.SIGKILL
                raise TimeoutError(f"not at its end after {seconds:.0f} s")
            time.sleep(0.002)
        return self.code  # type: ignore[return-value]

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.code is None:
            os.kill(self.pid, number)

    @property
    def said(self) -> str:
        """What it wrote on stderr."""
        return self.err.read_text(errors="replace")


@cache
def ready() -> None:
    """Import in this process what every child needs, before any is forked."""
    for verb in VERBS.values():
        import_module(f"lowerbound.interfaces.cli.{verb.module}")
    load("digits")
    for name in (
        "numba",
        "lowerbound.system.compiled",
        "pyarrow.parquet",
        "pyarrow.json",
        "pyarrow.feather",
        "h5py",
        "anndata.io",
        "scipy.io",
        "scipy.sparse",
        "safetensors.torch",
    ):
        import_module(name)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # imports much, the first time
    gc.collect()
    gc.freeze()  # or each child's first collection goes through all of this, and copies it


def start(words: list[str], place: Path, before: Callable[[], None] = lambda: None) -> Child:
    """``lowerbound WORDS``, with ``before`` done first in its process."""
    from lowerbound.interfaces.cli import main

    ready()
    out, err = place / "out.txt", place / "err.txt"
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid, out, err)
    code = 70
    try:
        torch.set_num_threads(1)  # of threads that this process was not forked with, others would wait for ever
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for stream, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), stream)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        before()
        code = main(words)
    except BaseException:
        import traceback

        traceback.print_exc(file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def complaint(said: str) -> str | None:
    """The one line of an error; None where it is none, or more."""
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("note: ") and not line.startswith("epoch ")]
    return lines[0] if len(lines) == 1 and lines[0].startswith("lowerbound: ") else None
