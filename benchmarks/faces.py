"""The deep exponential family of ``lowerbound lab def``, an estimator for as long as the published runs.

    python benchmarks/faces.py implicit 3000

writes ``benchmarks/results/faces-implicit.json``: the setting, and iteration, bound and seconds at some of the steps;
``python benchmarks/faces.py draw`` makes ``docs/def.png`` and prints the table of docs/lab.md from those files.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from lowerbound import data
from lowerbound.figures.style import encode_png
from lowerbound.lab import faces, figures

RESULTS = Path(__file__).parent / "results"
PICTURE = Path(__file__).parents[1] / "docs" / "def.png"


def result(name: str) -> Path:
    """Where the log of an estimator is."""
    return RESULTS / f"faces-{name.replace(' ', '-')}.json"


def run(name: str, iterations: int) -> None:
    """Climb and write, every hundred steps anew."""
    torch.set_num_threads(1)
    setting = faces.SETTINGS[name]
    log = []
    for step in faces.climb(faces.training(data.load("olivetti").whole[:]), setting):
        if faces.is_mark(step.iteration):
            log.append([step.iteration, round(step.bound, -2), round(step.seconds, 1)])
            print(*log[-1], flush=True)
        if step.iteration % 100 == 0:
            result(name).write_text(json.dumps({"name": name, **asdict(setting), "seed": 0, "threads": 1, "log": log}) + "\n")
        if step.iteration >= iterations:
            return


def draw() -> str:
    """The figure of all logs that there are, and their table."""
    found = {
        name: [faces.Step(*row) for row in json.loads(result(name).read_text())["log"]] for name in faces.SETTINGS if result(name).exists()
    }
    PICTURE.write_bytes(encode_png(figures.faces(found)))
    rows = faces.side_by_side(found)
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([f"{row.pop('step'):,}", *map(_cell, row.values())] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(bound: float) -> str:
    return "" if math.isnan(bound) else f"{bound:.2e}".replace("e+0", "e").replace("-", "−")


if __name__ == "__main__":
    if sys.argv[1] == "draw":
        print(draw())
    else:
        run(sys.argv[1], int(sys.argv[2]))
