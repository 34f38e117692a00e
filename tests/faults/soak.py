"""A long training that keeps its state each second, and what it holds of memory and file descriptors."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faults.child import start
from faults.outcome import Outcome
from lowerbound.runs import layout

SETTLED = 0.2  # of the time, after which it should hold what it needs


@dataclass(frozen=True)
class Held:
    """At some second: resident bytes, open file descriptors, when the newest state was written."""

    seconds: float
    memory: int
    files: int
    written: float


def soaked(place: Path, seconds: float) -> Outcome:
    """A training of so many seconds, looked at each second, then stopped."""
    outcome, held = Outcome(), []
    place.mkdir(exist_ok=True)
    folder = place / "run"
    words = ["train", "digits", "--out", str(folder), "--epochs", "1000000", "--save-every", "1s", "--average", "0.99", "--device", "cpu"]
    child, started = start(words, place), time.monotonic()
    while time.monotonic() - started < seconds:
        time.sleep(1.0)
        if (folder / layout.TRAINING).exists():
            held.append(_held(child.pid, time.monotonic() - started, folder))
    child.signal(signal.SIGTERM)
    code = child.wait()
    if code != 130:
        outcome.note(f"exit code {code}", child.said[-500:])
    after = [one for one in held if one.seconds > SETTLED * seconds]
    memory, files = np.array([one.memory for one in after]) / 2**20, {one.files for one in after}
    slope = float(np.polyfit([one.seconds for one in after], memory, 1)[0]) * 60
    states = len({one.written for one in held})
    text = f"{states:,} states seen; {memory.min():.0f} to {memory.max():.0f} MiB, {slope:+.3f} MiB a minute; "
    text += f"{min(files)} to {max(files)} file descriptors"
    often = states > 0.5 * (held[-1].seconds - held[0].seconds)
    flat = slope * seconds / 60 < max(4.0, 0.02 * float(memory.mean())) and len(files) <= 3
    outcome.note(text, None if flat and often else text)
    return outcome


def _held(pid: int, seconds: float, folder: Path) -> Held:
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    try:
        written = (folder / layout.TRAINING).stat().st_mtime
    except FileNotFoundError:  # between two names
        written = 0.0
    return Held(seconds, resident, len(list(Path(f"/proc/{pid}/fd").iterdir())), written)
