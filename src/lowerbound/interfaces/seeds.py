"""One recipe trained from several seeds at once: how far a figure depends on first weights, the order of the data and noise.

Each run is trained by one thread, as many at a time as there are processors: small products gain little from a second thread. The runs
are those of ``train --seed`` with ``OMP_NUM_THREADS=1``, to the bit. Processes are kept from run to run, so that they import once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lowerbound.errors import RunError, UsageError
from lowerbound.figures.report import Report
from lowerbound.interfaces.trackers.tracker import trackers
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs.elastic import begun_or_resumed, is_complete
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import load
from lowerbound.runs.snapshots import Every
from lowerbound.runs.trainer import Observer
from lowerbound.system import devices, processors

MOST = 61  # processes at once: Windows waits for no more
_stop: list[int] = []  # in a process that trains: the signals that came
_under_way: list[Path] = []  # and the runs that it has begun


@dataclass(frozen=True)
class Seeded:
    """A run to its end: its seed, its folder, and what its ``result.json`` holds."""

    seed: int
    folder: Path
    result: dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """How each run is trained: the arguments of ``Experiment.begin``, with trackers by name; ``overwrite`` replaces runs that are there."""

    data_dir: str | None = None
    device: str = devices.AUTO
    every: Every | None = None
    logs: tuple[str, ...] = ()
    overwrite: bool = False


def train_seeds(recipe: Recipe, seeds: Sequence[int], folder: str | Path, setting: Setting | None = None) -> Iterator[Seeded]:
    """Train a run for each seed, in ``folder/seed-N``, and yield each as it comes to its end.

    Runs that are complete already are yielded too, and those that were left are taken up: what was interrupted goes on when it is asked for
    again. Whoever leaves the loop, as by Ctrl-C, leaves the state of each run under way. On other devices than the CPU one run is trained
    at a time.
    Errors: those of ``Experiment.begin`` and ``train``, of the first run that has one; the others are then left. UsageError for seeds that
    are named twice; RunError where a process was killed.

    >>> import tempfile, lowerbound as lb
    >>> from lowerbound.interfaces.seeds import train_seeds
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = list(train_seeds(lb.Recipe(data="digits", latent=2, epochs=1), [0, 1], folder))
    >>> sorted(each.seed for each in found), all("bound" in each.result["test"] for each in found)
    ([0, 1], True)
    """
    setting = setting or Setting()
    if len(set(seeds)) < len(seeds):
        raise UsageError(f"a seed is named twice among {', '.join(map(str, seeds))}; name each once")
    several = processors.available() if devices.choose(setting.device).type == "cpu" else 1
    pool = ProcessPoolExecutor(min(len(seeds), several, MOST), multiprocessing.get_context("spawn"), _begin)
    asked = {pool.submit(_trained, replace(recipe, seed=seed), _folder(folder, seed), setting): seed for seed in seeds}
    try:
        for done in as_completed(asked):
            yield Seeded(asked[done], _folder(folder, asked[done]), done.result())
    except BrokenProcessPool as error:
        cause = "for want of memory, or as a script has no if __name__ == '__main__': around what it does"
        raise RunError(f"a process that trained was killed, perhaps {cause}; asked for again, the others go on") from error
    finally:
        for process in list((pool._processes or {}).values()):
            process.terminate()  # which asks it to stop
        pool.shutdown(cancel_futures=True)


def _folder(folder: str | Path, seed: int) -> Path:
    return Path(folder) / f"seed-{seed}"


# --- in a process that trains ------------------------------------------------------------------------


def _begin() -> None:
    """One thread; Ctrl-C is for the process that asks, which asks this one to stop, and so does its end."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _asked_to_stop)
    threading.Thread(target=_watch, daemon=True).start()


def _asked_to_stop(number: int, _: object) -> None:
    """After the step under way; at once where there is none."""
    if not _under_way:
        os._exit(0)
    _stop.append(number)


def _watch() -> None:
    """Ask this process to stop when the one that asks is gone: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _trained(recipe: Recipe, folder: Path, setting: Setting) -> dict[str, Any]:
    """What ``result.json`` holds. A process that is asked to stop keeps the run's state and ends."""
    _under_way.append(folder)
    try:
        return _result(recipe, folder, setting)
    finally:
        _under_way.clear()


def _result(recipe: Recipe, folder: Path, setting: Setting) -> dict[str, Any]:
    """Of a run that is complete already as it is there."""
    there = None if setting.overwrite or not is_complete(folder, recipe) else load(folder, "cpu").result()
    if there is not None:
        return there
    report = Report(lambda: experiment.trainer.setup.test, lambda: experiment.trainer.setup.train)
    start = partial(Experiment.begin, overwrite=True) if setting.overwrite else begun_or_resumed
    observers: list[Observer] = [report, *trackers(list(setting.logs))]
    experiment = start(recipe, folder, data_dir=setting.data_dir, device=setting.device, every=setting.every, observers=observers)
    for _ in experiment.train():
        if _stop:
            experiment.save()
            experiment.close()
            os._exit(0)  # or it would begin the next one
    return experiment.finish()
