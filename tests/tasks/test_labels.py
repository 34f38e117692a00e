"""Asking for a class gives that class."""

from __future__ import annotations

import pytest
import torch
from conftest import needs

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.tasks import classes


@pytest.mark.long
@needs("mnist")
def test_a_classifier_of_real_data_agrees_with_what_was_asked_for() -> None:
    """Nearest neighbours among 20,000 real digits, which are right on 97% of real ones, on 1,000 draws of all classes."""
    from sklearn.neighbors import KNeighborsClassifier

    data = lb.data.load("mnist").train
    known = data.view(torch.arange(20_000))
    parts = build(Recipe(data="mnist", given="label", latent=2), DataSpec((1, 28, 28), classes=tuple("0123456789")))
    for _ in lb.fit(parts.vae, data, epochs=5, objective=parts.objective, estimator=parts.estimator):
        pass
    asked = classes.evenly(parts.vae, 1000)
    torch.manual_seed(0)
    drawn = classes.as_labels(parts.vae, asked).sample(1000)
    classifier = KNeighborsClassifier(3).fit(known[:].flatten(1).numpy(), known.labels.numpy())
    assert (classifier.predict(drawn.flatten(1).numpy()) == asked.numpy()).mean() >= 0.95
