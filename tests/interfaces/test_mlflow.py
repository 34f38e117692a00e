"""The process that writes to MLflow's store, with a library in MLflow's place that notes what it is called with."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import pytest
from trainings import SMALL, weights, whole

import lowerbound as lb
from lowerbound.interfaces.trackers.table import TRACKERS
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs.experiment import Experiment

LIBRARY = """
import json, os
from types import SimpleNamespace

print("a library that says much")
if os.environ.get("FAILS") == "at import":
    raise ImportError("no wheel\\nfor it")


class MlflowClient:
    def __getattr__(self, name):
        def called(*given, **named):
            if os.environ.get("FAILS") == name:
                raise OSError(f"no {name}")
            with open("calls.jsonl", "a") as file:
                file.write(json.dumps([name, *given, *named.values()], default=vars) + "\\n")
            return None if name == "get_experiment_by_name" else "7" if name == "create_experiment" else SimpleNamespace(info=self)

        return called

    run_id = "a run"
"""
ENTITIES = """
from types import SimpleNamespace


def Param(key, value):
    return SimpleNamespace(key=key, value=value)


def Metric(key, value, timestamp, step):
    return SimpleNamespace(key=key, value=value, step=step)
"""


@pytest.fixture(autouse=True)
def _library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow, as it is found by processes that this one begins."""
    package = tmp_path / "libraries" / "mlflow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(LIBRARY)
    (package / "entities.py").write_text(ENTITIES)
    for module in set(TRACKERS["mlflow"].needs) - {"mlflow"}:
        (package.parent / f"{module}.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_EXPERIMENT_NAME", "FAILS"):
        monkeypatch.delenv(name, raising=False)


def calls() -> list[list[object]]:
    return [json.loads(line) for line in Path("calls.jsonl").read_text().splitlines()]


def trained(folder: Path) -> Experiment:
    experiment = Experiment.begin(Recipe(**SMALL), folder, device="cpu", observers=[lb.tracker("mlflow")])
    list(experiment.train())
    experiment.finish()
    return experiment


def test_all_is_written_by_the_end_and_mlflow_is_not_imported_here(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    experiment = trained(tmp_path / "run")
    assert not experiment.notes
    assert "mlflow" not in sys.modules
    assert capfd.readouterr().out == ""
    done = calls()
    assert [call[0] for call in done[:4]] == ["get_experiment_by_name", "create_experiment", "create_run", "log_batch"]
    assert done[0][1] == done[1][1] == "lowerbound"
    assert done[2][1:] == ["7", "run"]
    assert {"key": "epochs", "value": str(SMALL["epochs"])} in done[3][2]
    metrics = [call[2] for call in done[4:-1]]
    assert [batch[0]["step"] for batch in metrics] == [*range(1, SMALL["epochs"] + 1), SMALL["epochs"]]
    last = {metric["key"]: metric["value"] for metric in metrics[-2]}
    assert last["train/bound"] == experiment.run.history()[-1]["train"]["bound"]
    assert done[-1] == ["set_terminated", "a run"]
    assert (tmp_path / "run" / "trackers" / "mlflow.id").read_text() == "a run\n"


@pytest.mark.parametrize("forgotten", [True, False])
def test_what_was_given_is_written_though_the_training_is_left(forgotten: bool, tmp_path: Path) -> None:
    """Also where the first process has it still to write when the run is resumed."""
    experiment = Experiment.begin(Recipe(**SMALL), tmp_path / "run", device="cpu", observers=[lb.tracker("mlflow")])
    for record in experiment.train():
        if record.ends_epoch:
            break
    experiment.close()
    if forgotten:
        del experiment, record
        gc.collect()
        assert [call[2][0]["step"] for call in calls()[4:]] == [1]
    went_on = Experiment.resume(tmp_path / "run", device="cpu", observers=[lb.tracker("mlflow")])
    list(went_on.train())
    went_on.finish()
    again = [call[0] for call in calls()[5:]]
    assert again[0] == "update_run"
    assert again[-1] == "set_terminated"
    assert set(again[1:-1]) == {"log_batch"}


@pytest.mark.parametrize(
    ("fails", "said"), [("at import", "no wheel for it"), ("create_run", "no create_run"), ("set_terminated", "no set_terminated")]
)
def test_one_that_fails_is_left_out_with_one_note(fails: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", fails)
    experiment = trained(tmp_path / "run")
    assert experiment.notes == [f"the tracker mlflow failed and is left out from here on ({said}); the training goes on"]
    assert weights(tmp_path / "run") == whole(tmp_path / "alone")
