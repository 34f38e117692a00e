"""A training balances classes to what data and labels say of their shares, and says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from trainings import train

from lowerbound.evaluation.calibration import log_probabilities
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs.experiment import Experiment

SMALL = {"likelihood": "gaussian", "scale": "learned", "latent": 1, "network": "mlp:64", "batch": 50, "learning_rate": 3e-3}


def clusters(path: Path, counts: tuple[int, ...]) -> str:
    """So many points of each of three clusters in the plane, in a random order."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(3), counts))
    angles = 2 * np.pi * labels / 3
    centres = 3 * np.stack([np.cos(angles), np.sin(angles)], 1)
    np.savez(path, data=(centres + 0.7 * rng.standard_normal(centres.shape)).astype(np.float32), labels=labels)
    return str(path)


def finished(folder: Path, counts: tuple[int, ...], **words: object) -> Experiment:
    return train(Recipe(data=clusters(folder / "d.npz", counts), labels="12", **{**SMALL, **words}), folder / "r")


def test_classes_of_unequal_size_are_told_apart(tmp_path: Path) -> None:
    """85, 9 and 6 in a hundred, four labels of each; balanced to equal shares m2 takes a fifth of the largest class for the others."""
    done = finished(tmp_path, (425, 45, 30), semi_supervised="m2", epochs=12)
    test = done.trainer.setup.test
    right = (log_probabilities(done.trainer.setup.run.vae, test).argmax(1) == test.labels).double().mean()
    assert right > 0.97
    assert any("known labels are as many of each class, but by their values data are not" in note for note in done.notes)


def test_what_is_assumed_of_equal_classes_is_said(tmp_path: Path) -> None:
    done = finished(tmp_path, (100, 100, 100), semi_supervised="m2", epochs=1)
    assert any("classes are balanced to equal shares" in note for note in done.notes)


def test_nothing_is_said_where_nothing_is_balanced(tmp_path: Path) -> None:
    done = finished(tmp_path, (100, 100, 100), semi_supervised="m2:30:0.5:0", epochs=1)
    assert not any("classes are balanced" in note for note in done.notes)
