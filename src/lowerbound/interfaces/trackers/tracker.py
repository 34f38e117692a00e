"""The observer that gives a run to a tracker: its recipe, its curves, and at the end the test scores and figures."""

from __future__ import annotations

import io
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, final
from uuid import uuid4

from lowerbound.errors import printable
from lowerbound.interfaces.trackers.table import TRACKERS, must_be_installed, names
from lowerbound.runs import layout
from lowerbound.runs.run import Run
from lowerbound.runs.trainer import Trainer
from lowerbound.system.files import make_folder, written

PROJECT = "lowerbound"  # what runs are kept under, where the tracker's own settings do not say
RENAMED = {"step": "steps"}  # a name that trackers keep for themselves
#: how much of a tracker's complaint a note has
SHOWN = 200


class Log(ABC):
    """Where one tracker keeps a run. It is opened at the beginning, and again at a resume; nothing must be lost without ``end``."""

    def __init__(self, run: Run, epochs: int):
        """Open it for a run whose first ``epochs`` are done; those after may come again."""
        self.folder = run.folder / layout.TRACKERS
        make_folder(self.folder)
        self.open(run, epochs)

    @abstractmethod
    def open(self, run: Run, epochs: int) -> None:
        """Begin, with the words of the recipe as hyper-parameters, or go on."""

    @abstractmethod
    def curves(self, epoch: int, values: Mapping[str, float]) -> None:
        """The figures of an epoch, as ``train/bound``: finite numbers alone."""

    @abstractmethod
    def end(self, epoch: int, test: Mapping[str, float], figures: Sequence[Path]) -> None:
        """The scores of the test data, as ``test/bound``, and the run's pictures; then close."""

    def kept_id(self, name: str) -> str | None:
        """By what name the tracker knows the run, where it was opened before."""
        path = self.folder / f"{name}.id"
        return path.read_text(encoding="utf-8").strip() if path.is_file() else None

    def keep_id(self, name: str, value: str) -> str:
        """Keep that name for a resume."""
        with written(self.folder / f"{name}.id") as file:
            file.write(f"{value}\n".encode())
        return value


@final
@dataclass
class Tracker:
    """An observer that gives a run to the tracker ``name``. Where that fails a note says so, once, and the training goes on without it."""

    name: str
    _log: Log | None = None
    _notes: list[str] = field(default_factory=list)

    def begun(self, trainer: Trainer) -> None:
        """Open the log."""
        self._notes = trainer.notes

        def opened() -> None:
            module, _, kind = TRACKERS[self.name].at.partition(":")
            self._log = getattr(import_module(f"{__package__}.{module}"), kind)(trainer.run, trainer.epochs_done)

        self._attempt(opened)

    def epoch(self, record: dict[str, Any]) -> None:
        """Log the figures of an epoch."""
        log = self._log
        if log is not None:
            self._attempt(lambda: log.curves(record["epoch"], figures_of(record)))

    def finished(self, run: Run, result: dict[str, Any]) -> None:
        """Log the scores of the test data and the pictures that the run has by now."""
        log = self._log
        if log is not None:
            pictures = sorted((run.folder / layout.FIGURES).glob("*.png"))
            self._attempt(lambda: log.end(result["epochs"], figures_of({"test": result["test"]}), pictures))

    def _attempt(self, what: Callable[[], None]) -> None:
        """Do it, without a word on stdout, which is the answer's."""
        try:
            with redirect_stdout(io.StringIO()):
                what()
        except Exception as error:
            self._log = None
            said = printable(" ".join(str(error).split()))[:SHOWN] or type(error).__name__
            self._notes.append(f"the tracker {self.name} failed and is left out from here on ({said}); the training goes on")


def tracker(name: str) -> Tracker:
    """An observer that gives a run to a tracker: csv, tensorboard, mlflow, wandb or trackio, for ``Experiment.begin`` and ``resume``.

    Errors: UsageError for an unknown one, and where it is not installed.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     recipe = lb.Recipe(data="digits", network="mlp:16", epochs=2)
    ...     experiment = lb.Experiment.begin(recipe, f"{folder}/run", observers=[lb.tracker("csv")])
    ...     _ = list(experiment.train()), experiment.finish()
    ...     sorted(path.name for path in Path(folder, "run").rglob("*.csv"))
    ['metrics.csv', 'summary.csv']
    """
    (known,) = names([name])
    must_be_installed(known)
    return Tracker(known)


def trackers(words: Sequence[str]) -> list[Tracker]:
    """Those of some words, each one name or several with commas between. Errors: as for ``tracker``."""
    return [tracker(name) for name in names(words)]


def figures_of(record: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of a record by name, those of its parts as ``train/bound``; the epoch, by which they are logged, is none."""
    found: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= {f"{name}/{inside}": number for inside, number in figures_of(value).items()}
        elif isinstance(value, int | float) and math.isfinite(value) and name != "epoch":
            found[RENAMED.get(name, name)] = float(value)
    return found


def new_id() -> str:
    """A name for a run that no other has."""
    return uuid4().hex[:8]
