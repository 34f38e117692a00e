"""The deep exponential family of ``lowerbound lab def``, one estimator for as long as the published runs.

    python benchmarks/faces.py implicit 10000

writes ``benchmarks/results/faces-implicit.json``: the setting, and iteration, bound and seconds at some of the steps.
"""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

from lowerbound import data
from lowerbound.lab import faces

RESULTS = Path(__file__).parent / "results"


def main(name: str, iterations: int, **changed: float) -> None:
    """Run and write, every hundred steps anew."""
    torch.set_num_threads(1)
    setting = replace(faces.SETTINGS[name], **changed)
    x = faces.training(data.load("olivetti").whole[:])
    log = []
    for step in faces.climb(x, setting):
        if faces.is_mark(step.iteration):
            log.append([step.iteration, round(step.bound, -2), round(step.seconds, 1)])
            print(*log[-1], flush=True)
        if step.iteration % 100 == 0:
            found = {"name": name, **asdict(setting), "seed": 0, "threads": 1, "log": log}
            (RESULTS / f"faces-{name.replace(' ', '-')}.json").write_text(json.dumps(found) + "\n")
        if step.iteration >= iterations:
            return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
