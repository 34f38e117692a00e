"""The optimal σ that a model is scored with is that of its training data's residuals, whatever the way to its weights was."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.evaluation.one_draw import one_draw
from lowerbound.evaluation.width import width
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs.experiment import Experiment
from lowerbound.vae.model import Model

WORDS = {"latent": 8, "likelihood": "gaussian", "scale": "optimal", "network": "mlp:64"}


@pytest.fixture(scope="module")
def digits() -> lb.data.Splits:
    return lb.data.load("digits")


@pytest.fixture(scope="module")
def trained(digits: lb.data.Splits) -> Model:
    torch.manual_seed(0)
    vae = build(Recipe(**WORDS), DataSpec.of(digits.train, digits.test)).vae
    for _ in lb.fit(vae, digits.train, epochs=3):
        pass
    return vae


def bound(vae: Model, data: lb.data.Dataset, factor: float = 1.0) -> float:
    """The mean bound with σ times a factor."""
    scale, kept = vae.likelihood.scale, vae.likelihood.scale.square.clone()
    scale.square = kept * factor**2
    found = lb.mean_bound(vae, data).bound
    scale.square = kept
    return found


def test_no_other_scale_makes_the_training_data_more_likely(trained: Model, digits: lb.data.Splits) -> None:
    """The bound falls as D (log f + (1/f² − 1)/2) with the factor f on σ, and is flat at 1."""
    best = bound(trained, digits.train)
    for factor in (0.8, 0.95, 1.05, 1.25):
        loss = 64 * (math.log(factor) + (factor**-2 - 1) / 2)
        assert best - bound(trained, digits.train, factor) == pytest.approx(loss, rel=0.1, abs=0.03), factor
    assert abs(bound(trained, digits.test, 1.0) - max(bound(trained, digits.test, factor) for factor in (0.9, 1.0, 1.1))) < 1


def test_the_scale_does_not_lag_behind_the_weights(digits: lb.data.Splits) -> None:
    """Five epochs of the issue's model: by the running mean of batches its bound was −10."""
    torch.manual_seed(0)
    vae = build(Recipe(**WORDS | {"network": "mlp:512"}), DataSpec.of(digits.train, digits.test)).vae
    for _ in lb.fit(vae, digits.train, epochs=5):
        pass
    assert bound(vae, digits.test) > 8
    assert not width(one_draw(vae, digits.test))


def test_the_doctor_sees_a_scale_that_lags(trained: Model, digits: lb.data.Splits) -> None:
    """At σ twice that of the residuals, D(log f − (1 − f⁻²)/2) nats for a factor f = 2: 20.4 of 64 values, less what residuals grow by.

    They are those of the posterior of the model as it is, which a larger σ lets come nearer to the prior.
    """
    scale, kept = trained.likelihood.scale, trained.likelihood.scale.square.clone()
    scale.square = 4 * kept
    (found,) = width(one_draw(trained, digits.test))
    scale.square = kept
    assert found.name == "a σ that lags"
    asked = float(found.evidence.rpartition(" ")[2]) / float(kept.sqrt())
    assert 1 <= asked < 1.1
    assert found.nats == pytest.approx(64 * (math.log(2 / asked) - (1 - (asked / 2) ** 2) / 2), abs=0.3)


def test_averaged_weights_have_a_scale_of_their_own(digits: lb.data.Splits, tmp_path: Path) -> None:
    recipe = Recipe(data="digits", **WORDS, average=0.99, epochs=2)
    experiment = Experiment.begin(recipe, tmp_path / "run")
    for _ in experiment.train():
        pass
    shown = experiment.trainer.setup.shown
    assert float(shown.likelihood.scale.square) != float(experiment.trainer.setup.run.vae.likelihood.scale.square)
    best = bound(shown, experiment.trainer.setup.train)
    experiment.finish()
    assert all(bound(shown, experiment.trainer.setup.train, factor) < best for factor in (0.95, 1.05))
