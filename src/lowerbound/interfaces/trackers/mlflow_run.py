"""A run of MLflow, in the store that ``MLFLOW_TRACKING_URI`` names, or MLflow's usual one. Source: https://mlflow.org/docs."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from lowerbound.interfaces.trackers.tracker import PROJECT, Log
from lowerbound.runs.run import Run


@final
class MLflow(Log):
    """Metrics, parameters and artifacts of one run of the experiment that ``MLFLOW_EXPERIMENT_NAME`` says, or ``lowerbound``."""

    def open(self, run: Run, epochs: int) -> None:
        """The run that was, or a new one."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient()
        known = self.kept_id("mlflow")
        if known is not None:
            self._run = known
            self._client.update_run(known, status="RUNNING")
            return
        project = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = self._client.get_experiment_by_name(project)
        where = self._client.create_experiment(project) if experiment is None else experiment.experiment_id
        self._run = self.keep_id("mlflow", self._client.create_run(where, run_name=run.folder.name).info.run_id)
        self._client.log_batch(self._run, params=[Param(name, str(value)) for name, value in run.recipe.words().items()])

    def curves(self, epoch: int, values: Mapping[str, float]) -> None:
        """Metrics, in one call."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._run, metrics=[Metric(name, value, now, epoch) for name, value in values.items()])

    def end(self, epoch: int, test: Mapping[str, float], figures: Sequence[Path]) -> None:
        """Metrics, and pictures as artifacts."""
        self.curves(epoch, test)
        for path in figures:
            self._client.log_artifact(self._run, str(path), "figures")
        self._client.set_terminated(self._run)
