"""Trainings of digits as tests begin, leave and resume them, and the weights that they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs.experiment import Experiment

SMALL: dict[str, Any] = {"epochs": 4, "network": "mlp:16", "seed": 3}


def begun(folder: Path, **words: Any) -> Experiment:
    """A small one, before its first step."""
    return Experiment.begin(Recipe(**{**SMALL, **words}), folder, device="cpu")


def train(recipe: Recipe, folder: Path) -> Experiment:
    """One at its last step, not finished."""
    experiment = Experiment.begin(recipe, folder, device="cpu")
    list(experiment.train())
    return experiment


def whole(folder: Path, **words: Any) -> dict[str, bytes]:
    """The weights of a small training that nothing interrupted."""
    experiment = begun(folder, **words)
    list(experiment.train())
    experiment.finish()
    return weights(folder)


def resumed(folder: Path, **more: Any) -> Experiment:
    """The training of a folder, taken up and brought to its end."""
    experiment = Experiment.resume(folder, device="cpu", **more)
    list(experiment.train())
    experiment.finish()
    return experiment


def weights(folder: Path) -> dict[str, bytes]:
    """The files of a run's weights, the last and the best."""
    return {name: (folder / name).read_bytes() for name in (layout.WEIGHTS, layout.BEST) if (folder / name).exists()}
