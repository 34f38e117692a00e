"""Before a first step: what does not go together is refused, and nothing is left behind."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from lowerbound.errors import DataError
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.setup import set_up
from lowerbound.training.processes import ProcessGroup


def test_nothing_is_written(tmp_path: Path) -> None:
    setup = set_up(Recipe(average=0.9), tmp_path / "r", None, "cpu", ProcessGroup())
    assert not (tmp_path / "r").exists()
    assert [len(part) for part in (setup.train, setup.validation, setup.test)] == [1457, 161, 179]
    assert setup.state.step == 0
    assert setup.shown is setup.average.module


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"validation": 5000}, "cannot hold out 5,000"),
        ({"data": "mnits"}, "did you mean 'mnist'"),
        ({"size": 4}, "are for images"),
    ],
)
def test_a_mistake_leaves_nothing_behind(tmp_path: Path, words: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Experiment.begin(Recipe(**words), tmp_path / "new" / "r", device="cpu")
    assert not (tmp_path / "new").exists()


def test_fewer_examples_than_a_batch_are_one(tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", np.random.default_rng(0).random((12, 5)))
    experiment = Experiment.begin(Recipe(data=str(tmp_path / "few.npy"), epochs=3), tmp_path / "r", device="cpu")
    assert "a step takes all 10 training examples, fewer than a batch of 128" in experiment.trainer.setup.notes
    assert [(record.epoch, record.step) for record in experiment.train()] == [(1, 1), (2, 2), (3, 3)]


def test_patience_wants_held_out_data(tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", np.random.default_rng(0).random((8, 5)))
    with pytest.raises(DataError, match="patience"):
        Experiment.begin(Recipe(data=str(tmp_path / "few.npy"), patience=2, batch=2), tmp_path / "r", device="cpu")


def test_data_that_changed_are_noticed(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((40, 6))
    np.save(tmp_path / "a.npy", values)
    recipe = Recipe(data=str(tmp_path / "a.npy"), epochs=2, batch=8)
    list(islice(Experiment.begin(recipe, tmp_path / "r", device="cpu").train(), 2))
    np.save(tmp_path / "a.npy", values[::-1])
    with pytest.raises(DataError, match="are not those that"):
        Experiment.resume(tmp_path / "r", device="cpu")
