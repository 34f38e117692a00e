"""Runs: begun, stopped anywhere, taken up again, extended, finished, and who is to know of it."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from trainings import SMALL, resumed, train, weights, whole

from lowerbound.errors import OutputError, RunError
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import Run, load

RECIPE = Recipe(epochs=3)


def test_the_same_seed_gives_the_same_files(digits_run: Run, tmp_path: Path) -> None:
    again = train(RECIPE, tmp_path / "r")
    again.finish()
    assert weights(tmp_path / "r") == weights(digits_run.folder)
    assert again.run.result()["test"] == digits_run.result()["test"]
    train(Recipe(epochs=3, seed=1), tmp_path / "other")
    assert weights(tmp_path / "other") != weights(digits_run.folder)


@pytest.mark.parametrize("steps", [1, 11, 12, 13, 24, 35])
def test_stopped_after_any_step_and_resumed_it_ends_the_same(digits_run: Run, tmp_path: Path, steps: int) -> None:
    first = Experiment.begin(RECIPE, tmp_path / "r", device="cpu")
    list(islice(first.train(), steps))
    first.save()
    first.close()
    (tmp_path / "r" / layout.EVALUATION).write_text("{}")  # of the weights so far
    second = Experiment.resume(tmp_path / "r", device="cpu")
    assert not (tmp_path / "r" / layout.EVALUATION).exists()
    assert second.state.step == steps
    list(second.train())
    second.finish()
    assert weights(tmp_path / "r") == weights(digits_run.folder)

    def lines(run: Run) -> list[dict]:
        return [{key: value for key, value in line.items() if key != "seconds"} for line in run.history()]

    assert lines(second.run) == lines(digits_run)


def test_extended_it_is_as_if_it_had_been_longer_from_the_start(digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    longer = Experiment.resume(folder, epochs=5, device="cpu")
    assert longer.run.result() is None, "the old result is not that of the new weights"
    list(longer.train())
    longer.finish()
    train(Recipe(epochs=5), tmp_path / "whole")
    assert weights(folder) == weights(tmp_path / "whole")
    assert load(folder).recipe.epochs == 5


def test_killed_between_checkpoints_the_metrics_fall_back_with_the_weights(digits_run: Run, tmp_path: Path) -> None:
    killed = Experiment.begin(RECIPE, tmp_path / "r", device="cpu")
    list(islice(killed.train(), killed.trainer.steps_an_epoch * 2))  # noted in the metrics, but not yet saved
    assert len(killed.run.history()) == 2
    killed.close()
    second = Experiment.resume(tmp_path / "r", device="cpu")
    assert second.state.step == 0
    list(second.train())
    assert [line["epoch"] for line in second.run.history()] == [1, 2, 3]
    assert weights(tmp_path / "r") == weights(digits_run.folder)


def test_killed_before_its_result_a_run_is_finished_by_resuming(digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / layout.RESULT).unlink()
    again = Experiment.resume(folder, device="cpu")
    assert list(again.train()) == []
    assert again.finish()["test"] == digits_run.result()["test"]
    assert not (folder / layout.REPORT).exists(), "it was of weights on the way here"


def test_a_finished_run_is_not_resumed_by_mistake(digits_run: Run) -> None:
    for epochs in (None, 2):
        with pytest.raises(RunError, match=r"already has its 3 epochs; --epochs N"):
            Experiment.resume(digits_run.folder, epochs=epochs, device="cpu")


class Witness:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.epochs: list[dict[str, Any]] = []
        self.ends: list[dict[str, Any]] = []

    def epoch(self, record: dict[str, Any]) -> None:
        self.epochs.append(record)

    def finished(self, run: Run, result: dict[str, Any]) -> None:
        assert run.result() is None, "result.json comes last"
        self.ends.append(result)


def test_observers_know_of_each_epoch_and_of_the_end(tmp_path: Path) -> None:
    first, second = Witness(), Witness()
    experiment = Experiment.begin(Recipe(**SMALL), tmp_path / "r", device="cpu", observers=[first])
    list(islice(experiment.train(), 24))
    experiment.save()
    experiment.close()
    experiment = Experiment.resume(tmp_path / "r", device="cpu", observers=[second])
    list(experiment.train())
    result = experiment.finish()
    assert first.epochs + second.epochs == experiment.run.history()
    assert (first.ends, second.ends) == ([], [result])
    assert json.loads((tmp_path / "r" / layout.RESULT).read_text()) == result


def test_a_run_whose_observer_failed_is_finished_by_resuming(tmp_path: Path) -> None:
    class Full(Witness):
        def finished(self, run: Run, result: dict[str, Any]) -> None:
            raise OutputError("no room left on the disk")

    experiment = Experiment.begin(Recipe(**SMALL), tmp_path / "r", device="cpu", observers=[Full()])
    list(experiment.train())
    with pytest.raises(OutputError):
        experiment.finish()
    experiment.close()
    assert experiment.run.result() is None
    witness = Witness()
    resumed(tmp_path / "r", observers=[witness])
    assert (witness.epochs, len(witness.ends)) == ([], 1)


def test_it_draws_nothing(tmp_path: Path) -> None:
    whole(tmp_path / "r", epochs=1)
    assert not (tmp_path / "r" / layout.FIGURES).exists()
    assert not (tmp_path / "r" / layout.REPORT).exists()
