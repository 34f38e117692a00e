"""The verbs ``train`` and ``resume``: a run to its end, or to where it is asked to stop."""

from __future__ import annotations

import signal
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.progress import progress
from lowerbound.recipes import recipe as recipes
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import run, setup
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.snapshots import Every
from lowerbound.training import processes
from lowerbound.training.processes import STOP


def train(words: Namespace) -> Answer:
    """A new run."""
    recipe, every = _recipe(words), _every(words)
    folder = Path(words.out or Path("runs") / Path(recipe.data).stem)
    with processes.joined(words.device) as (world, device):
        shared: dict[str, Any] = {"data_dir": words.data_dir, "device": device, "every": every, "world": world}
        if processes.was_restarted() and run.is_begun(folder) and run.describe(folder)[0] == setup.absolute(recipe):
            return _run_to_end(Experiment.resume(folder, **shared))
        return _run_to_end(Experiment.begin(recipe, folder, overwrite=words.overwrite, **shared))


def resume(words: Namespace) -> Answer:
    """A run that goes on."""
    every = _every(words)
    with processes.joined(words.device) as (world, device):
        shared: dict[str, Any] = {"data_dir": words.data_dir, "device": device, "every": every, "world": world}
        return _run_to_end(Experiment.resume(words.run, epochs=words.epochs, **shared))


def _every(words: Namespace) -> Every | None:
    return None if words.save_every is None else Every.read(words.save_every)


def _recipe(words: Namespace) -> Recipe:
    told = recipes.read(words.recipe) if words.recipe else {}
    typed = {name: value for name, value in vars(words).items() if name in Recipe.__dataclass_fields__}
    return Recipe(**recipes.merge(told, typed))


def _run_to_end(experiment: Experiment) -> Answer:
    world = experiment.world
    with _asked_to_stop() as stopped, progress(experiment) as show:
        for record in experiment.train():
            show(record)
            if stopped():
                world.raise_flag(STOP)
            if world.sees(STOP):
                experiment.save()
                experiment.close()  # here, where one more signal is waited for, and not when the collector comes to it
                return console.interrupted(experiment) if world.is_first else Answer("", silent=True, interrupted=True)
    world.wait()
    return console.trained(experiment, experiment.finish()) if world.is_first else Answer("", silent=True)


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
