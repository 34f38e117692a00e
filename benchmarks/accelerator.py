"""All that is to be known of an accelerator, in one call of at most six minutes: ``make accelerator``.

Images a second and peak memory of each way to train (``accelerator_ways``), then what tests/accelerator asks of every model by name:
the checks of its marked tests, here without pytest. What fails is recorded and stops nothing else; what there was no time for is
named. Everything is in one JSON file, written anew after each part; ``--page`` writes docs/accelerator.md of it. Without a CUDA
device it says so. It needs no network; without MNIST the images are random ones of its shape.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerator_page import PAGE, RESULT, page
from accelerator_ways import ASKED, BATCH, WAYS, Missing, Steps, wait
from speed import machine
from torch import Tensor

import lowerbound as lb
from lowerbound.errors import DataError
from lowerbound.recipes.zoo import ZOO

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # before this file, whose name is that of the folder there
from accelerator import checks

SECONDS = 360.0
TURNS = 7
TURN = 0.25  # seconds of a way's turn
WARM = 10  # steps before any clock, in which memory is looked at
ROWS = 20_000
LINES = 6  # the last of a traceback


@dataclass
class Findings:
    """What was measured so far, where it is written, and until when there is time."""

    path: Path
    seconds: float
    result: dict[str, Any]
    started: float = field(default_factory=time.perf_counter)

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return time.perf_counter() - self.started

    def part(self, name: str, act: Callable[[], None], needs: float = 0.0) -> None:
        """Do a part that needs about so many seconds, unless there is no time for it; record its fault and its time. Then write all."""
        if self.spent + needs >= self.seconds:
            self.result["skipped"].append(name)
        else:
            began = self.spent
            try:
                act()
            except Missing as reason:
                self.result["missing"][name] = str(reason)
            except Exception:  # whatever it is, the rest is to be measured
                self.result["faults"][name] = traceback.format_exc().strip().splitlines()[-LINES:]
            self.result["parts"][name] = round(self.spent - began, 2)
            print(f"{self.spent:6.1f} s  {name}{'  FAILED' if name in self.result['faults'] else ''}", flush=True)
        self.result["seconds"] = round(self.spent, 1)
        self.path.write_text(json.dumps(self.result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


# --- timings and memory ------------------------------------------------------------------------------


def greys(rows: int) -> tuple[Tensor, str]:
    """MNIST's first images ``(rows, 784)``, or random ones where it is not on this machine; and which of them it is."""
    try:
        images = lb.data.load("mnist").train.array[:rows]
        return images.reshape(-1, 784), "MNIST"
    except (DataError, OSError, ImportError):
        return torch.randint(256, (rows, 784), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)), "random, MNIST is not here"


def compare(findings: Findings, network: str, images: Tensor, device: torch.device, turns: int, turn: float) -> None:
    """Images a second of a network by each way, in turns, and the peak memory of each."""
    ready: dict[str, tuple[Steps, int]] = {}
    for name, way in WAYS.items():

        def prepare(name: str = name, way: Any = way) -> None:
            steps, memory = warmed(way, network, images, device)
            if steps is not None:
                findings.result["memory"].setdefault(network, {})[name] = memory
                ready[name] = steps, max(1, round(turn * WARM / steps(WARM)))

        findings.part(f"{network}: {name}, first steps", prepare)
    rates = findings.result["images/s"].setdefault(network, {})

    def take_turns() -> None:
        for _ in range(turns):
            for name, (steps, number) in ready.items():
                rates.setdefault(name, []).append(round(number * BATCH / steps(number), 1))

    findings.part(f"{network}: timing", take_turns, turns * turn * len(ready))


def warmed(way: Any, network: str, images: Tensor, device: torch.device) -> tuple[Steps | None, int | None]:
    """The steps of a way after the first of them, and the bytes that those took of the device at most, weights included."""
    watched = device.type == "cuda"
    if watched:
        torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device) if watched else 0
    steps = way(network, images, device)
    if steps is not None:
        steps(WARM)
    wait(device)
    return steps, torch.cuda.max_memory_allocated(device) - before if watched else None


# --- every model -------------------------------------------------------------------------------------


def check(findings: Findings, name: str, device: torch.device) -> None:
    """All checks of a model, each a part of its own."""
    reason = checks.missing(name)
    for what, ask in checks.CHECKS.items():

        def act(ask: Callable[[str, torch.device], None] = ask) -> None:
            if reason is not None:
                raise Missing(reason)
            ask(name, device)

        findings.part(f"{name}: {what}", act)
    checks.trained.cache_clear()


# --- all of it ---------------------------------------------------------------------------------------


def where(device: torch.device) -> dict[str, Any]:
    """What it ran on."""
    if device.type != "cuda":
        return {"device": device.type, **machine()}
    about = torch.cuda.get_device_properties(device)
    return {"device": about.name, "memory": about.total_memory, "cuda": torch.version.cuda, **machine()}


def measure(
    device: torch.device,
    path: Path,
    seconds: float = SECONDS,
    networks: tuple[str, ...] = ASKED,
    names: tuple[str, ...] = tuple(ZOO),
    turns: int = TURNS,
    turn: float = TURN,
    rows: int = ROWS,
) -> dict[str, Any]:
    """Everything, as it is in the file ``path`` after each part."""
    images, source = greys(rows)
    parts: dict[str, Any] = {"parts": {}, "skipped": [], "missing": {}, "faults": {}, "images/s": {}, "memory": {}}
    findings = Findings(path, seconds, {"machine": where(device), "data": source, "allowed": seconds, "seconds": 0.0, **parts})
    for network in networks:
        compare(findings, network, images, device, turns, turn)
    for name in names:
        check(findings, name, device)
    findings.part("a run by its commands", lambda: commands(device))
    return findings.result


def commands(device: torch.device) -> None:
    """A run that is trained, evaluated, sampled and completed by the command line. Errors: Missing, AssertionError."""
    if (reason := checks.missing_for_commands()) is not None:
        raise Missing(reason)
    with tempfile.TemporaryDirectory() as folder:
        checks.commands(device, Path(folder))


def main(argv: list[str] | None = None) -> int:
    """Its exit code: 0 also where there is no device, or a part failed, since that is what is to be known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="what is left after so many is skipped (default: %(default)g)")
    parser.add_argument("--out", type=Path, default=RESULT, help="the JSON file (default: %(default)s)")
    parser.add_argument("--page", action="store_true", help="measure nothing, and write docs/accelerator.md of the JSON file")
    typed = parser.parse_args(argv)
    if typed.page and not typed.out.exists():
        print(f"{typed.out} is not there: nothing was measured yet")
        return 0
    if typed.page:
        PAGE.write_text(page(json.loads(typed.out.read_text(encoding="utf-8"))), encoding="utf-8")
        return 0
    if not torch.cuda.is_available():
        print("no CUDA device on this machine: nothing to measure")
        return 0
    result = measure(torch.device("cuda"), typed.out, typed.seconds)
    print(page(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
