"""A run of a table, for all tests of what people do with tables."""

from __future__ import annotations

import pytest

from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment
from tasks.mixed_table import as_csv, mixed


@pytest.fixture(scope="session")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    folder = tmp_path_factory.mktemp("tables")
    path = as_csv(folder / "t.csv", mixed(300))
    recipe = Recipe(
        data=str(path), likelihood="columns", objective="iwae:5", latent=2, network="mlp:32", epochs=60, batch=64, learning_rate=5e-3
    )
    experiment = Experiment.begin(recipe, folder / "run", device="cpu")
    for _ in experiment.train():
        pass
    experiment.finish()
    return runs.load(folder / "run", device="cpu")
