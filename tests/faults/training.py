"""Trainings that are killed, stopped or left without room, and what is left of them."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from faults.child import Child, complaint, start
from faults.outcome import Outcome
from lowerbound.errors import RunError
from lowerbound.runs import layout
from lowerbound.runs import run as runs

WORDS = ["--epochs", "6", "--network", "mlp:24", "--device", "cpu", "--schedule", "cosine", "--average", "0.9", "--save-every", "1"]


def train(place: Path, before: Callable[[], None] = lambda: None) -> Child:
    """The training, begun or taken up: what somebody does who finds it interrupted."""
    folder = place / "run"
    if runs.is_begun(folder):
        return start(["resume", str(folder), "--device", "cpu", "--save-every", "1"], place, before)
    return start(["train", "digits", "--out", str(folder), *WORDS], place, before)


def weights(place: Path) -> tuple[bytes, ...]:
    """What a run ends with."""
    return tuple((place / "run" / name).read_bytes() for name in (layout.WEIGHTS, layout.BEST))


def uninterrupted(place: Path) -> tuple[tuple[bytes, ...], float]:
    """The weights of a training that nothing happened to, and its seconds."""
    place.mkdir()
    started = time.monotonic()
    child = train(place)
    assert child.wait() == 0, child.said
    return weights(place), time.monotonic() - started


def to_its_end(place: Path, right: tuple[bytes, ...], outcome: Outcome, what: str) -> None:
    """Go on without a fault, and look whether it ends with the weights that it should have."""
    child = train(place)
    code = child.wait()
    if code == 2 and "already has its" in child.said:
        code = 0  # it had come to its end before it was hit
    if code != 0:
        outcome.note(f"{what}: did not go on", child.said[-500:])
    elif weights(place) != right:
        outcome.note(f"{what}: other weights", what)
    elif left := [path.name for path in (place / "run").iterdir() if path.name.startswith(".") and path.name != layout.LOCK]:
        outcome.note(f"{what}: left {left}", str(left))
    else:
        outcome.note(f"{what}, resumed: the same weights to the last bit")


def readable(place: Path) -> str | None:
    """What is wrong with a run that is being written, as a reader sees it; None where it is whole, or not there yet."""
    if not runs.is_begun(place / "run"):
        return None
    try:
        run = runs.load(place / "run", "cpu")
        run.history()
        return None if run.vae.sample(1).isfinite().all() else "values that are not finite"
    except RunError as error:
        return str(error)


def killed(place: Path, times: int, seed: int = 0) -> Outcome:
    """SIGKILL at a random moment, one to four times a run, a state being written after each step."""
    outcome, dice = Outcome(), random.Random(seed)
    right, seconds = uninterrupted(place / "whole")
    for number in range(times):
        here = place / f"killed-{number}"
        here.mkdir()
        for _ in range(dice.randint(1, 4)):
            child = train(here)
            time.sleep(dice.uniform(0.0, seconds))
            child.signal(signal.SIGKILL)
            child.wait()
            if (wrong := readable(here)) is not None:
                outcome.note("killed: what was kept cannot be read", wrong)
        to_its_end(here, right, outcome, "killed")
        shutil.rmtree(here)
    return outcome


def asked_to_stop(place: Path, times: int, seed: int = 1) -> Outcome:
    """SIGTERM, SIGINT, and SIGINT twice, at a random moment."""
    outcome, dice = Outcome(), random.Random(seed)
    right, seconds = uninterrupted(place / "whole")
    for number in range(times):
        name, signals = list(SIGNALS.items())[number % len(SIGNALS)]
        here = place / f"stopped-{number}"
        here.mkdir()
        child = train(here)
        time.sleep(dice.uniform(0.1 * seconds, 0.9 * seconds))
        for one in signals:
            child.signal(one)
            time.sleep(dice.uniform(0.0, 0.02))
        code = child.wait()
        if code not in (0, 130, -signal.SIGTERM, -signal.SIGINT) or "Traceback" in child.said:
            outcome.note(f"{name}: exit code {code}", child.said[-500:])
        else:
            to_its_end(here, right, outcome, name)
        shutil.rmtree(here)
    return outcome


SIGNALS = {"SIGTERM": [signal.SIGTERM], "SIGINT": [signal.SIGINT], "SIGINT twice": [signal.SIGINT, signal.SIGINT]}


def _after_some_steps(place: Path, dice: random.Random, seconds: float) -> None:
    """A run that was stopped somewhere."""
    place.mkdir()
    child = train(place)
    while not runs.is_begun(place / "run") and not child.ended():
        time.sleep(0.01)
    time.sleep(dice.uniform(0.0, 0.5) * seconds)
    child.signal(signal.SIGTERM)
    child.wait()


def without_room(place: Path, times: int, seed: int = 2) -> Outcome:
    """No file may grow over a limit (``ulimit -f``), from some bytes to most of what a state needs."""
    outcome, dice = Outcome(), random.Random(seed)
    right, seconds = uninterrupted(place / "whole")
    size = (place / "whole" / "run" / layout.TRAINING).stat().st_size
    for number in range(times):
        here = place / f"full-{number}"
        _after_some_steps(here, dice, seconds)
        before = readable(here)
        limit = dice.randrange(10, size)
        child = train(here, lambda limit=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        code = child.wait()
        _starved(here, right, outcome, "file size limited", code, child, before)
    return outcome


def _starved(here: Path, right: tuple[bytes, ...], outcome: Outcome, what: str, code: int, child: Child, before: str | None) -> None:
    after = readable(here)
    if code == 0 or (code == 2 and complaint(child.said) is not None):
        if after is not None and before is None:
            outcome.note(f"{what}: what was kept cannot be read", after)
        else:
            to_its_end(here, right, outcome, what)
    else:
        outcome.note(f"{what}: exit code {code}", child.said[-500:])
    shutil.rmtree(here)


def on_a_small_disk(place: Path, times: int, seed: int = 3) -> Outcome:
    """The run's disk fills up: a tmpfs of its own, filled to its last bytes by another file. Root's rights are needed to mount it."""
    outcome, dice = Outcome(), random.Random(seed)
    right, seconds = uninterrupted(place / "whole")
    for number in range(times):
        here, disk = place / f"disk-{number}", place / f"mounted-{number}"
        _after_some_steps(here, dice, seconds)
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, check=False).returncode:
            outcome.note("a full disk: not tried, nothing may be mounted here")
            return outcome
        try:
            shutil.copytree(here / "run", disk / "run")
            shutil.rmtree(here / "run")
            (here / "run").symlink_to(disk / "run")
            with (disk / "filler").open("wb") as file:
                room = os.statvfs(disk)
                file.write(b"x" * max(0, room.f_bavail * room.f_bsize - dice.randrange(0, 40_000)))
            before = readable(here)
            child = train(here)
            code = child.wait()
            (disk / "filler").unlink()
            _starved(here, right, outcome, "disk full", code, child, before)
        finally:
            subprocess.run(["umount", str(disk)], check=False)
    return outcome


def in_a_read_only_folder(place: Path, times: int, seed: int = 4) -> Outcome:
    """Somebody who may not write there tries to go on."""
    outcome, dice = Outcome(), random.Random(seed)
    right, seconds = uninterrupted(place / "whole")
    for number in range(times):
        here = place / f"closed-{number}"
        _after_some_steps(here, dice, seconds)
        for path in ((here / "run").rglob("*"), [here / "run"]):
            for one in path:
                one.chmod(0o555)
        here.chmod(0o777)
        place.chmod(0o755)
        (here / "err.txt").chmod(0o666)
        (here / "out.txt").chmod(0o666)
        kept = {path.name: path.read_bytes() for path in (here / "run").iterdir() if path.is_file()}
        child = train(here, lambda: os.setuid(65534) if os.getuid() == 0 else None)
        code = child.wait()
        if code != 2 or complaint(child.said) is None:
            outcome.note(f"read-only: exit code {code}", child.said[-500:])
        elif {path.name: path.read_bytes() for path in (here / "run").iterdir() if path.is_file()} != kept:
            outcome.note("read-only: something was changed", str(here))
        else:
            (here / "run").chmod(0o755)
            for path in (here / "run").rglob("*"):
                path.chmod(0o755 if path.is_dir() else 0o644)
            to_its_end(here, right, outcome, "read-only: one line, exit code 2")
        shutil.rmtree(here)
    return outcome
