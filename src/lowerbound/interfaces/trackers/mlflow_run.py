"""A run of MLflow, written by a process beside the training: to open it takes seconds, in which the training goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from lowerbound.errors import OutputError
from lowerbound.interfaces.trackers import mlflow_process
from lowerbound.interfaces.trackers.tracker import PROJECT, Log
from lowerbound.runs.run import Run

#: what ends the process of a run, by the folder of its log: one that is resumed waits for what was given before
_ENDING: dict[Path, weakref.finalize[..., MLflow]] = {}


@final
class MLflow(Log):
    """Metrics, parameters and artifacts of one run of the experiment that ``MLFLOW_EXPERIMENT_NAME`` says, or ``lowerbound``.

    What fails in that process is found out at the next epoch, or at the end.
    """

    def open(self, run: Run, epochs: int) -> None:
        """Begin the process, which opens the run that was, or a new one."""
        kept = self.folder.resolve() / "mlflow.id"
        if kept in _ENDING:
            _ENDING.pop(kept)()
        # -P, or what is imported there would be looked for among the files here, one of which is tensorboard.py
        command = [sys.executable, "-P", mlflow_process.__file__]
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, encoding="utf-8"
        )
        #: also where a training ends before its end, or this process does: what was given is written, and nobody is left waiting
        self._close = _ENDING[kept] = weakref.finalize(self, _ended, self._process)
        self._give({"kept": str(kept), "name": run.folder.name, "project": PROJECT, "words": run.recipe.words()})

    def curves(self, epoch: int, values: Mapping[str, float]) -> None:
        """Metrics."""
        self._give({"curves": {"epoch": epoch, "values": dict(values), "milliseconds": int(time.time() * 1000)}})

    def end(self, epoch: int, test: Mapping[str, float], figures: Sequence[Path]) -> None:
        """Metrics, and pictures as artifacts; until all is written."""
        self.curves(epoch, test)
        self._give({"end": {"figures": [str(path.resolve()) for path in figures]}})
        self._must_have_ended_well()

    def _give(self, what: Mapping[str, Any]) -> None:
        """One line for the process. Errors: OutputError where it has failed."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(what, default=str) + "\n")
            self._process.stdin.flush()
        except OSError:
            self._must_have_ended_well()

    def _must_have_ended_well(self) -> None:
        """Wait until the process has ended. Errors: OutputError with what it says has failed."""
        said = self._close()
        if self._process.returncode:
            raise OutputError(said or f"it ended with the code {self._process.returncode}")


def _ended(process: subprocess.Popen[str]) -> str:
    """What the process says has failed, once it has done all that it was given."""
    return process.communicate()[0]
