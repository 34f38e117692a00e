"""What this machine does faster, measured the first time that it matters, and kept: ``choice(question)``.

A processor's flags don't say it: one that has bfloat16 may be slow in it, and another's library lacks a layout. The ways to do a thing take
turns, by one thread; the least milliseconds of each count, so that other work on the machine matters little. What is kept is read by every
process after, so that a training goes on to the same bits; where nothing can be kept, the ``usual`` answer is taken.
"""

from __future__ import annotations

import json
import math
import os
import platform
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor

from lowerbound.system import processors, threads

TURNS, CLEARLY = 15, 0.9
#: of the first layer of images of 28 × 28, and of a batch
ROWS, INPUTS, OUTPUTS = 128, 784, 512
#: what takes instructions away from libraries
SWITCHES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
Ways = Mapping[str, Callable[[], object]]
Answer = str | float


@dataclass(frozen=True)
class Question:
    """What is chosen, the ways to do it, what their milliseconds say, and the usual answer.

    Of ``one_thread`` the ways are done by one; otherwise they say themselves by how many, which a machine should be idle for.
    """

    name: str
    title: str
    ways: Callable[[], Ways]
    answer: Callable[[Mapping[str, float]], Answer]
    usual: Callable[[], Answer]
    one_thread: bool = True


@dataclass(frozen=True)
class Choice:
    """An answer, and the milliseconds of each way; none where it was not measured."""

    answer: Answer
    milliseconds: dict[str, float] = field(default_factory=dict)


@cache
def choice(question: Question) -> Choice:
    """The kept answer, else the one measured now, and kept; the usual one where it cannot be kept."""
    place = _place(question.name)
    if (found := _kept(place)) is not None:
        return found
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)  # whatever it is, it is no answer
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            own = Path(folder) / place.name
            own.write_text(json.dumps(asdict(_measured(question))), encoding="utf-8")
            with suppress(FileExistsError):  # of several processes the first one's answer is everybody's
                os.link(own, place)
    except OSError:
        pass
    return _kept(place) or Choice(question.usual())


@cache
def known(question: Question) -> Choice:
    """The kept answer, else the usual one: nothing is measured."""
    return _kept(_place(question.name)) or Choice(question.usual())


def fastest(usual: str, milliseconds: Mapping[str, float]) -> str:
    """The fastest way, where it is faster than the usual one by more than two measurements differ."""
    best = min(milliseconds, key=milliseconds.__getitem__)
    return best if milliseconds[best] < CLEARLY * milliseconds[usual] else usual


def numbers(*shape: int) -> Tensor:
    """Numbers from 0 to 1 of no randomness, so that nobody's seed is touched."""
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float32, device="cpu") % 97 / 97).view(shape)


def processor() -> str:
    """Its model, as the system calls it."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return platform.processor()


def instructions() -> str:
    """The instructions that PyTorch uses on this processor."""
    return torch.backends.cpu.get_cpu_capability()


def _measured(question: Question) -> Choice:
    """The least milliseconds of each way, and what they say."""
    as_itself = torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False)  # whoever asks first
    with ExitStack() as stack:
        for mode in (*as_itself, torch.random.fork_rng(devices=[]), threads.at_most(1) if question.one_thread else nullcontext()):
            stack.enter_context(mode)
        ways = question.ways()
        found = dict.fromkeys(ways, math.inf)
        for _ in range(TURNS):
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                found[name] = min(found[name], 1e3 * (time.perf_counter() - started))
    return Choice(question.answer(found), {name: round(each, 4) for name, each in found.items()})


def _kept(place: Path) -> Choice | None:
    try:
        return Choice(**json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _place(name: str) -> Path:
    """The file of an answer, in the user's folder for such things."""
    of_user = os.environ.get("XDG_CACHE_HOME")
    return (Path(of_user) if of_user else Path("~").expanduser() / ".cache") / "lowerbound" / f"machine-{name}-{_key():08x}.json"


@cache
def _key() -> int:
    """What answers depend on."""
    parts = [processor(), instructions(), torch.__version__, str(processors.available())]
    with suppress(PackageNotFoundError):
        parts.append(version("numba"))
    return zlib.crc32("\n".join([*parts, *(f"{name}={os.environ.get(name)}" for name in SWITCHES)]).encode())
