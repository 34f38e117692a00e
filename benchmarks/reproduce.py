"""Published experiments, run again: ``python benchmarks/reproduce.py NAME``, or NAME and MODEL for one of its models.

Each model leaves ``benchmarks/results/NAME-N.json``: setting, seed, seconds, its figures and the published one. One that is there already
is not trained again; a training that was interrupted goes on from ``benchmarks/kept/``, which is no part of the project.
``python benchmarks/reproduce.py docs`` makes docs/reproductions.md of those files.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import groupby
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from conditional import EXPERIMENTS as CONDITIONAL
from experiments import EXPERIMENTS as OTHERS
from experiments import spent
from hierarchies import EXPERIMENTS as HIERARCHIES

EXPERIMENTS = OTHERS | CONDITIONAL | HIERARCHIES

RESULTS = Path(__file__).parent / "results"
KEPT = Path(__file__).parent / "kept"
PAGE = "docs"
DOCS = Path(__file__).parents[1] / "docs" / "reproductions.md"
INTRODUCTION = """# Published experiments, run again

Made by `make reproduce` from `benchmarks/results/`; nats per example unless it says otherwise, on two cores. −log p(x) is by importance
sampling, its two errors are those over test data and over draws.
"""


def path(name: str, model: str) -> Path:
    """Where the result of a model is."""
    return RESULTS / f"{name}-{list(EXPERIMENTS[name].models).index(model) + 1}.json"


def run(name: str, model: str) -> None:
    """Train, measure and write, unless that was done."""
    if path(name, model).exists():
        return
    torch.set_num_threads(1)
    experiment = EXPERIMENTS[name]
    started = time.perf_counter()
    KEPT.mkdir(exist_ok=True)
    kept = KEPT / f"{path(name, model).stem}.safetensors"
    before = spent(kept)
    figures = experiment.models[model].run(kept)
    found = {
        "experiment": name,
        "model": model,
        "setting": experiment.setting,
        "seed": experiment.models[model].seed,
        "seconds": round(before + time.perf_counter() - started),
        "figures": {key: round(value, 4) for key, value in figures.items()},
        "published": experiment.models[model].published,
    }
    RESULTS.mkdir(exist_ok=True)
    path(name, model).write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def document() -> str:
    """The page of all results that there are."""
    parts = [INTRODUCTION]
    for name, experiment in EXPERIMENTS.items():
        found = [json.loads(path(name, model).read_text(encoding="utf-8")) for model in experiment.models if path(name, model).exists()]
        if found:
            parts += [
                f"## {experiment.title}\n",
                f"{experiment.setting}{published(experiment.source)} {seeds(found)}. `python benchmarks/reproduce.py {name}`\n",
                table(found),
            ]
    return "\n".join(parts)


def table(found: list[dict[str, Any]]) -> str:
    """A row for each model; of one from several seeds means, ± the standard deviation over seeds."""
    columns = list(found[0]["figures"])
    head = ["", *columns, "published", "seconds"]
    lines = [head, ["---"] * len(head)]
    for model, seeds in groupby(found, lambda row: str(row["model"]).partition(", seed")[0]):
        rows = list(seeds)
        cells = [over_seeds([row["figures"][column] for row in rows]) for column in columns]
        name = model if len(rows) == 1 else f"{model} ({len(rows)} seeds)"
        lines.append([name, *cells, rows[0]["published"], f"{mean(row['seconds'] for row in rows):,.0f}"])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines).replace("| -", "| −").replace("−--", "---") + "\n"


def published(source: str) -> str:
    """Where published figures are from, in words."""
    return source and f" Published: {source}"


def seeds(found: list[dict[str, Any]]) -> str:
    """The seeds of some results, in words."""
    used = sorted({row["seed"] for row in found})
    return f"Seed{'s' * (len(used) > 1)} {', '.join(map(str, used))}"


def over_seeds(values: list[float]) -> str:
    """One figure, or the mean of several with their spread."""
    return f"{mean(values):,.6g}" + (f" ± {stdev(values):.2g}" if len(values) > 1 else "")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Published experiments, run again.")
    parser.add_argument("name", choices=[*EXPERIMENTS, PAGE], help=f"an experiment, or {PAGE} for the page of all results")
    parser.add_argument("model", nargs="*", help="of the experiment (default: all of its models)")
    typed = parser.parse_args()
    if strange := set(typed.model) - set(EXPERIMENTS[typed.name].models if typed.name in EXPERIMENTS else ()):
        parser.error(f"{typed.name} has no model {strange}")
    if typed.name == PAGE:
        DOCS.write_text(document(), encoding="utf-8")
    else:
        for one in typed.model or EXPERIMENTS[typed.name].models:
            run(typed.name, one)
