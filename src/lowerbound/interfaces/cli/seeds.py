"""``train --seeds``: a run for each seed, and how far their bounds differ."""

from __future__ import annotations

import signal
import statistics
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.seeds import Seeded, Setting, train_seeds
from lowerbound.recipes.recipe import Recipe
from lowerbound.system.numbers import UNKNOWN, fixed

#: the parts of a score that are compared, and what they are called
SCORES = {"bound": "test bound", "log_likelihood_term": "E[log p(x|z)]", "kl": "KL"}


def train(args: Namespace, recipe: Recipe, setting: Setting) -> Answer:
    """The runs; the state of those that an interruption finds under way is kept."""
    folder, found = Path(args.out or Path("runs") / f"{Path(recipe.data).stem}-seeds"), list[Seeded]()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for each in train_seeds(recipe, args.seeds, folder, setting):
            found.append(each)
            bound = fixed(each.result["test"]["bound"], 2)
            console.status(f"seed {each.seed}: test bound {bound}; {len(found)} of {len(args.seeds)} runs done")
    except KeyboardInterrupt:
        again = f"all is saved; {'without --overwrite ' if args.overwrite else ''}the same command goes on"
        return Answer(f"{len(found)} of {len(args.seeds)} runs done; {again}", {"interrupted": True, "done": len(found)}, interrupted=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    return _compared(sorted(found, key=lambda one: one.seed))


def _compared(runs: Sequence[Seeded]) -> Answer:
    """The scores of each run, with their mean and standard deviation over runs."""
    mean, deviation = _over(runs, statistics.fmean, 1), _over(runs, statistics.stdev, 2)
    rows = [_row(f"seed {run.seed}", run.result["test"]) for run in runs] + [_row("mean", mean), _row("standard deviation", deviation)]
    each = [{"seed": run.seed, "run": str(run.folder), **run.result} for run in runs]
    return Answer(console.table(rows), {"runs": each, "mean": mean, "standard_deviation": deviation})


def _over(runs: Sequence[Seeded], statistic: Callable[[list[float]], float], least: int) -> dict[str, float | None]:
    """A statistic of each part of the score over runs; None where too few of them have it: q may have no density."""
    columns = {name: [run.result["test"][name] for run in runs if run.result["test"][name] is not None] for name in SCORES}
    return {name: statistic(column) if len(column) >= least else None for name, column in columns.items()}


def _row(name: str, score: dict[str, Any]) -> dict[str, Any]:
    return {"": name, **{title: UNKNOWN if score[part] is None else score[part] for part, title in SCORES.items()}}
