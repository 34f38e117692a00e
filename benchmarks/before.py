"""Beside version 0.1.0 and a plain loop: whole commands, a convolutional network's images/s, ten seeds of digits. On an idle machine.

``python benchmarks/before.py`` takes 0.1.0 from the history of this repository into a folder of its own, and lets both do the same work in
turns; ``results/before-KIND.json``, KIND being that of the processor, keeps each figure of each turn, and ``before.py --page`` writes
docs/before.md of all kinds.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from speed import machine
from speed_page import KINDS

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results", HERE.parent / "docs" / "before.md"
COMMIT = "7e3c178"  # of 0.1.0, before the house was rebuilt
OURS, BEFORE, NO_GOAL = "now", "0.1.0", "–"
TURNS, SEEDS, STEPS = 5, 10, 40
#: networks, their latents, and so many times as many steps
DENSE, CONVOLUTIONAL = ("mlp:512", 2, 10), ("conv:32-64", 16, 1)
COMMANDS = {
    "train digits --epochs 1": "train digits --epochs 1 --overwrite --out {folder}/again",
    "sample": "sample {folder}/run -o {folder}/s.png",
    "evaluate --samples 100": "evaluate {folder}/run --samples 100",
}
#: a step by ``fit``: the median's images a second
STEP = """
import time, torch, lowerbound as lb
data = lb.data.load("mnist").train
data = data.view(torch.arange(128 * STEPS))
vae = lb.build(lb.Recipe(data="mnist", latent=LATENT, network="NETWORK", seed=0), (1, 28, 28)).vae
seconds, before = [], time.perf_counter()
for record in lb.fit(vae, data, epochs=1, batch=128):
    now = time.perf_counter()
    seconds.append(now - before)
    before = now
print(128 / sorted(seconds[8:])[len(seconds[8:]) // 2])
"""
#: the same layers in a plain loop, all data in memory, in the better of both formats
LOOP = """
import time, torch
from torch import nn
from torch.nn import functional as F
import lowerbound as lb
greys = lb.data.load("mnist").train.array[: 128 * STEPS].float() / 255
greys = greys.reshape(-1, 1, 28, 28)
def images_per_second(layout):
    encoder = nn.Sequential(
        nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(3136, 32)
    ).to(memory_format=layout)
    decoder = nn.Sequential(
        nn.Linear(16, 3136), nn.Unflatten(1, (64, 7, 7)), nn.ReLU(), nn.Upsample(size=(14, 14)), nn.Conv2d(64, 32, 3, 1, 1), nn.ReLU(),
        nn.Upsample(size=(28, 28)), nn.Conv2d(32, 1, 3, 1, 1),
    ).to(memory_format=layout)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], fused=True)
    seconds, before = [], time.perf_counter()
    for rows in torch.randperm(len(greys)).split(128):
        x = torch.bernoulli(greys[rows]).to(memory_format=layout)
        mean, log_variance = encoder(x).chunk(2, 1)
        z = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        entropy = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum")
        loss = (entropy - 0.5 * torch.sum(1 + log_variance - mean**2 - log_variance.exp())) / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        now = time.perf_counter()
        seconds.append(now - before)
        before = now
    return 128 / sorted(seconds[8:])[len(seconds[8:]) // 2]
print(max(map(images_per_second, (torch.contiguous_format, torch.channels_last))))
"""


def main() -> None:
    """All of it, or the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="store_true", help="write docs/before.md of what was found")
    parser.add_argument("--turns", type=int, default=TURNS)
    typed = parser.parse_args()
    if typed.page:
        results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("before-*.json"))]
        PAGE.write_text(page(results), encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as folder:
        sources = {BEFORE: _of_history(Path(folder) / "before"), OURS: HERE.parent}
        found: dict[str, Any] = {"commands": commands(sources, Path(folder), typed.turns)}
        found |= {name: images(sources, typed.turns, *of) for name, of in (("dense", DENSE), ("convolutional", CONVOLUTIONAL))}
        found["seeds"] = seeds(sources, Path(folder))
    where = machine()
    result = RESULTS / f"before-{where['kind']}.json"
    result.write_text(json.dumps({"machine": where, "found": found}, indent=1) + "\n", encoding="utf-8")


def _of_history(folder: Path) -> Path:
    """The files of 0.1.0."""
    git = shutil.which("git") or "git"
    archive = subprocess.run([git, "-C", str(HERE.parent), "archive", COMMIT], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def run(source: Path, *words: str) -> tuple[float, str]:
    """Seconds of a process of Python with that version of the package, and what it prints."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(source / "src")},
        cwd=source,
    )
    return time.perf_counter() - started, done.stdout


def commands(sources: dict[str, Path], folder: Path, turns: int) -> dict[str, Any]:
    """Seconds of whole commands; what a first one compiles is not counted."""
    found: dict[str, dict[str, list[float]]] = {name: {version: [] for version in sources} for name in COMMANDS}
    for version, source in sources.items():
        (folder / version).mkdir()
        run(source, "-m", "lowerbound", "train", "digits", "--epochs", "1", "--out", f"{folder / version}/run")
    for turn in range(turns + 1):
        for name, command in COMMANDS.items():
            for version, source in sources.items():
                seconds, _ = run(source, "-m", "lowerbound", *command.format(folder=folder / version).split())
                found[name][version] += [seconds] if turn else []
    return found


def images(sources: dict[str, Path], turns: int, network: str, latent: int, more: int) -> dict[str, list[float]]:
    """Images a second, of each version; of a convolutional network of the plain loop too."""
    looped = ["loop"] if network == CONVOLUTIONAL[0] else []
    found: dict[str, list[float]] = {version: [] for version in (*sources, *looped)}
    for _ in range(turns):
        for version, source in sources.items():
            words = {"STEPS": str(STEPS * more), "LATENT": str(latent) if version == BEFORE else f"'{latent}'", "NETWORK": network}
            code = STEP
            for name, word in words.items():
                code = code.replace(name, word)
            found[version].append(float(run(source, "-c", code)[1]))
        for name in looped:
            found[name].append(float(run(sources[OURS], "-c", LOOP.replace("STEPS", str(STEPS)))[1]))
    return found


def seeds(sources: dict[str, Path], folder: Path) -> dict[str, float]:
    """Seconds of ten seeds of digits, 64-512-2, for five epochs: of 0.1.0 one run after another, now at once."""
    words = ["-m", "lowerbound", "train", "digits", "--latent", "2", "--epochs", "5"]
    one_by_one = sum(run(sources[BEFORE], *words, "--seed", str(seed), "--out", f"{folder}/one-{seed}")[0] for seed in range(SEEDS))
    at_once, _ = run(sources[OURS], *words, "--seeds", f"0-{SEEDS - 1}", "--out", f"{folder}/many")
    return {BEFORE: one_by_one, OURS: at_once}


# --- the page ------------------------------------------------------------------------------------------


def page(results: list[dict[str, Any]]) -> str:
    """What was asked and what was found, on each kind of processor."""
    lines = ["# Beside version 0.1.0", "", *INTRODUCTION, ""]
    for result in results:
        where = result["machine"]
        lines += [f"## Two cores with {KINDS[where['kind']]}", ""]
        lines += ["| figure | before, or beside | now | goal | found | |", "|---|---|---|---|---|---|"]
        for what, theirs, ours, asked, factor, reached in rows(result["found"]):
            met = "" if asked == NO_GOAL else "reached" if reached else "**not reached**"
            lines.append(f"| {what} | {_spread(theirs)} | {_spread(ours)} | {asked} | {factor} | {met} |")
        lines += ["", f"Measured on: {where['processor']}, {where['cores']} cores, torch {where['torch']}, Python {where['python']}.", ""]
    return "\n".join([*lines, *NOTES, ""])


def rows(found: dict[str, Any]) -> list[tuple[str, list[float], list[float], str, str, bool]]:
    """Of each figure what it is, the values before and now, the goal, the ratio, and whether that reaches it."""
    lines = []
    for (name, of), asked in zip(found["commands"].items(), (0.4, 0.6, 0.4), strict=True):
        ratio = _ratio(of, BEFORE)
        lines.append((f"`{name}`, whole command, s", of[BEFORE], of[OURS], f"≤ {asked} × the time", f"{ratio:.2f} ×", ratio <= asked))
    if of := found.get("dense"):
        lines.append(("784-512-2, images/s, beside 0.1.0", of[BEFORE], of[OURS], NO_GOAL, f"{_ratio(of, BEFORE):.2f} ×", True))
    of = found["convolutional"]
    for other, asked, name in ((BEFORE, 2.5, "0.1.0"), ("loop", 1.5, "a plain loop")):
        ratio, words = _ratio(of, other), f"conv:32-64, z 16, images/s, beside {name}"
        lines.append((words, of[other], of[OURS], f"≥ {asked} ×", f"{ratio:.2f} ×", ratio >= asked))
    of = found["seeds"]
    ratio, what = of[BEFORE] / of[OURS], "ten seeds of digits, 64-512-2, 5 epochs each, s"
    return [*lines, (what, [of[BEFORE]], [of[OURS]], "≥ 4 × as fast", f"{ratio:.1f} ×", ratio >= 4)]


def _ratio(of: dict[str, list[float]], other: str) -> float:
    """The median of the turns' ratios."""
    return median(now / before for now, before in zip(of[OURS], of[other], strict=True))


def _spread(values: list[float]) -> str:
    digits = 0 if median(values) >= 100 else 1
    least = f" ({min(values):,.{digits}f} to {max(values):,.{digits}f})" if len(values) > 1 else ""
    return f"{median(values):,.{digits}f}{least}"


INTRODUCTION = [
    "Made by `python benchmarks/before.py`: 0.1.0, this version, and the same convolutional layers in a plain loop in memory (the better",
    "of contiguous and channels_last, fused Adam) do the same work in turns. Figures are medians over turns (least to greatest), ratios",
    "the medians of the turns' ratios. Commands are whole processes, from the shell and back.",
]
NOTES = (HERE / "before_notes.md").read_text(encoding="utf-8").splitlines() if (HERE / "before_notes.md").exists() else []

if __name__ == "__main__":
    main()
