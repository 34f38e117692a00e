"""A model of a table keeps the shares of zeros, the bounds and the means of its columns."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import lowerbound as lb
from lowerbound import data
from lowerbound.data.spec import DataSpec
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.tasks.impute import impute

ROWS, EPOCHS, CORRELATION, SPREAD = 4000, 40, 0.67, 1.5


@pytest.mark.long
def test_draws_and_imputations_are_those_of_the_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    a, noise, z, share = rng.normal(size=(4, ROWS))
    b = np.exp(SPREAD * (CORRELATION * a + math.sqrt(1 - CORRELATION**2) * noise))
    c = np.where(share < 1.3, 0.0, np.exp(10.5 + 0.7 * z).round(2))
    lines = [f"{x:.4f},{y:.5f},{w:.2f}" for x, y, w in zip(a, b, c, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c", *lines]) + "\n", encoding="utf-8")
    splits = data.load(tmp_path / "t.csv")
    assert splits.schema is not None
    recipe = Recipe(likelihood="columns", objective="iwae:5", latent=2, network="mlp:32")
    torch.manual_seed(0)
    made = build(recipe, DataSpec.of(splits.train, splits.test, splits.schema))
    for _ in lb.fit(
        made.vae, splits.train, epochs=EPOCHS, batch=64, objective=made.objective, rate=lambda epoch: 8 * (1 - epoch / EPOCHS) ** 1.5 + 0.2
    ):
        pass
    drawn = splits.schema.texts(made.vae.sample(20_000, draw=True).numpy())
    zeros = [float(cell) for cell in drawn["c"]]
    assert np.mean(np.equal(zeros, 0)) == pytest.approx(np.mean(c == 0), abs=0.01)
    assert min(zeros) >= 0
    assert min(float(cell) for cell in drawn["b"]) >= 0
    assert np.mean(zeros) == pytest.approx(c.mean(), rel=0.1)
    values, _ = splits.schema.values({"a": ["0"] * 50, "b": [None] * 50, "c": [None] * 50})
    found = impute(made.vae, torch.from_numpy(values))
    variance = (SPREAD**2) * (1 - CORRELATION**2)
    mean = math.exp(variance / 2)
    assert np.mean([float(cell) for cell in splits.schema.texts(found.mean.numpy())["b"]]) == pytest.approx(mean, rel=0.05)
    unit = splits.schema.columns[1].unit
    assert float(found.error[:, 1].mean()) * unit == pytest.approx(mean * math.sqrt(math.expm1(variance)), rel=0.15)
