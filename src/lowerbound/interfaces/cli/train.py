"""The verbs ``train`` and ``resume``: a run to its end, or to where it is asked to stop."""

from __future__ import annotations

import signal
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from lowerbound.errors import UsageError
from lowerbound.figures.report import Report
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.progress import progress, stages
from lowerbound.interfaces.trackers.tracker import trackers
from lowerbound.recipes import recipe as recipes
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs.elastic import begun_or_resumed, is_complete
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import describe
from lowerbound.runs.snapshots import Every
from lowerbound.training import processes
from lowerbound.training.processes import STOP


def train(args: Namespace) -> Answer:
    """A new run, or several; where ``torchrun`` starts processes again, one that goes on if it is there."""
    recipe = _recipe(args)
    if args.seeds is not None:
        return _several(args, recipe)
    folder = Path(args.out or Path("runs") / Path(recipe.data).stem)
    if not processes.is_elastic():
        return _joined(args, partial(Experiment.begin, recipe, folder, overwrite=args.overwrite))
    if args.overwrite:
        raise UsageError(f"with restarts --overwrite would replace the run at each; leave it out, and remove {folder} before if need be")
    return _joined(args, partial(begun_or_resumed, recipe, folder), lambda: is_complete(folder, recipe))


def _several(args: Namespace, recipe: Recipe) -> Answer:
    """A run for each seed."""
    from lowerbound.interfaces.cli import seeds  # with what starts processes, which one run can do without
    from lowerbound.interfaces.seeds import Setting

    if "seed" in args or processes.is_one_of_several():
        raise UsageError("--seeds has a process of its own for each run; leave --seed out, and start it without torchrun or launch")
    return seeds.train(args, recipe, Setting(args.data_dir, args.device, _every(args), tuple(args.log), args.overwrite))


def resume(args: Namespace) -> Answer:
    """A run that goes on."""
    folder, start = Path(args.run), partial(Experiment.resume, args.run, epochs=args.epochs)

    def is_done() -> bool:
        recipe = describe(folder)[0]
        return is_complete(folder, replace(recipe, epochs=args.epochs or recipe.epochs))

    return _joined(args, start, is_done if processes.is_elastic() else lambda: False)


def _joined(args: Namespace, start: Callable[..., Experiment], is_done: Callable[[], bool] = lambda: False) -> Answer:
    """The run that ``start`` begins or takes up, by all processes to its end, where it ``is_done`` without a step."""
    every = _every(args)
    with processes.joined(args.device) as (group, device):
        if group.broadcast(is_done):
            return Answer("the run is complete: a process was started again after its end", silent=not group.is_rank_zero)
        return _run_to_end(args, partial(start, data_dir=args.data_dir, device=device, every=every, group=group))


def _every(args: Namespace) -> Every | None:
    return None if args.save_every is None else Every.read(args.save_every)


def _recipe(args: Namespace) -> Recipe:
    given = recipes.read(args.recipe) if args.recipe else {}
    typed = {name: value for name, value in vars(args).items() if name in Recipe.__dataclass_fields__}
    return Recipe(**recipes.merge(given, typed))


def _run_to_end(args: Namespace, start: Callable[..., Experiment]) -> Answer:
    logs = trackers(args.log)
    report = Report(lambda: experiment.trainer.setup.test, lambda: experiment.trainer.setup.train, lambda what: stage(what), args.draw_by)
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
    if not group.is_rank_zero:
        group.wait_for_the_end()
        return Answer("", silent=True)
    with stages() as stage:
        stage("scoring the test data")
        result = experiment.finish()
    group.wait_for_the_end()
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
