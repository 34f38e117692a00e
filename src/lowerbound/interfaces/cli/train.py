"""The verbs ``train`` and ``resume``: a run to its end, or to where it is asked to stop."""

from __future__ import annotations

import signal
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from lowerbound.figures.report import Report
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.progress import progress, stages
from lowerbound.interfaces.trackers.tracker import trackers
from lowerbound.recipes import recipe as recipes
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import describe, is_begun
from lowerbound.runs.setup import absolute
from lowerbound.runs.snapshots import Every
from lowerbound.training import processes
from lowerbound.training.processes import STOP


def train(args: Namespace) -> Answer:
    """A new run."""
    recipe, every = _recipe(args), _every(args)
    folder = Path(args.out or Path("runs") / Path(recipe.data).stem)
    with processes.joined(args.device) as (group, device):
        shared: dict[str, Any] = {"data_dir": args.data_dir, "device": device, "every": every, "group": group}
        if processes.was_restarted() and is_begun(folder) and describe(folder)[0] == absolute(recipe):
            return _run_to_end(args, partial(Experiment.resume, folder, **shared))
        return _run_to_end(args, partial(Experiment.begin, recipe, folder, overwrite=args.overwrite, **shared))


def resume(args: Namespace) -> Answer:
    """A run that goes on."""
    every = _every(args)
    with processes.joined(args.device) as (group, device):
        shared: dict[str, Any] = {"data_dir": args.data_dir, "device": device, "every": every, "group": group}
        return _run_to_end(args, partial(Experiment.resume, args.run, epochs=args.epochs, **shared))


def _every(args: Namespace) -> Every | None:
    return None if args.save_every is None else Every.read(args.save_every)


def _recipe(args: Namespace) -> Recipe:
    given = recipes.read(args.recipe) if args.recipe else {}
    typed = {name: value for name, value in vars(args).items() if name in Recipe.__dataclass_fields__}
    return Recipe(**recipes.merge(given, typed))


def _run_to_end(args: Namespace, start: Callable[..., Experiment]) -> Answer:
    logs = trackers(args.log)
    report = Report(lambda: experiment.trainer.setup.test, lambda: experiment.trainer.setup.train, lambda what: stage(what))
    experiment = start(observers=(report, *logs))  # trackers after the report, which draws what they are given
    group = experiment.trainer.setup.group
    with _asked_to_stop() as stopped, progress(args, experiment.trainer) as show:
        for record in experiment.train():
            show(record)
            if stopped():
                group.raise_flag(STOP)
            if group.flagged(STOP):
                experiment.save()
                experiment.close()  # here, where one more signal is waited for, and not when the collector comes to it
                return console.interrupted(experiment) if group.is_rank_zero else Answer("", silent=True, interrupted=True)
    group.barrier()
    if not group.is_rank_zero:
        return Answer("", silent=True)
    with stages() as stage:
        stage("scoring the test data")
        result = experiment.finish()
    console.notes(args, [note for note in experiment.notes if note not in args.notes])
    return console.trained(args, experiment, result)


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or a termination came: the step under way is finished first. A second one stops at once."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
