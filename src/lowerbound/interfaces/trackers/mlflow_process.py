"""What writes to MLflow's store: a process of its own, since importing MLflow and making its database take seconds.

A line of its input is one thing to do, as JSON; the first opens the run. What fails is said in a line of its output, and ends it.
Nothing of lowerbound is imported here. Source: https://mlflow.org/docs.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, final


@final
class Store:
    """One run of the store that ``MLFLOW_TRACKING_URI`` names, or MLflow's usual one, of the experiment ``MLFLOW_EXPERIMENT_NAME``.

    ``kept`` is the file that says by what name MLflow knows the run: where there is one the run goes on, and else begins.
    """

    def __init__(self, kept: str, name: str, project: str, words: Mapping[str, Any]) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client, path = MlflowClient(), Path(kept)
        if path.is_file():
            self._run = path.read_text(encoding="utf-8").strip()
            self._client.update_run(self._run, status="RUNNING")
            return
        project = os.environ.get("MLFLOW_EXPERIMENT_NAME", project)
        experiment = self._client.get_experiment_by_name(project)
        where = self._client.create_experiment(project) if experiment is None else experiment.experiment_id
        self._run = self._client.create_run(where, run_name=name).info.run_id
        path.write_text(f"{self._run}\n", encoding="utf-8")
        self._client.log_batch(self._run, params=[Param(word, str(value)) for word, value in words.items()])

    def curves(self, epoch: int, values: Mapping[str, float], milliseconds: int) -> None:
        """Metrics, in one call, at the time when they were measured."""
        from mlflow.entities import Metric

        self._client.log_batch(self._run, metrics=[Metric(name, value, milliseconds, epoch) for name, value in values.items()])

    def end(self, figures: Sequence[str]) -> None:
        """Pictures as artifacts; then the run is finished."""
        for path in figures:
            self._client.log_artifact(self._run, path, "figures")
        self._client.set_terminated(self._run)


def main() -> str:
    """Do what the lines of the input say. What failed, or nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training's, after which what it has given is still written
    try:
        with redirect_stdout(sys.stderr):
            store = Store(**json.loads(sys.stdin.readline()))
            does: dict[str, Callable[..., None]] = {"curves": store.curves, "end": store.end}
            for line in sys.stdin:
                ((word, given),) = json.loads(line).items()
                does[word](**given)
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


if __name__ == "__main__":
    said = main()
    sys.stdout.write(said)
    sys.exit(bool(said))
