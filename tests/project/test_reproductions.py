"""The committed results of published experiments: the page is made of them, and none is better than it can be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from conftest import needs

from lowerbound import data

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import reproduce
from reproduce import EXPERIMENTS

FOUND = [path for name in EXPERIMENTS for path in sorted(reproduce.RESULTS.glob(f"{name}-[0-9]*.json"))]


def test_the_page_is_made_of_the_results() -> None:
    assert FOUND
    assert reproduce.DOCS.read_text(encoding="utf-8") == reproduce.document()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_a_result_is_of_the_experiment_as_it_is_described(path: Path) -> None:
    """Its file has the name of its model, and what the page says of the setting is what it was trained under."""
    found = json.loads(path.read_text(encoding="utf-8"))
    experiment = EXPERIMENTS[found["experiment"]]
    assert path == reproduce.path(found["experiment"], found["model"])
    assert found["setting"] == experiment.setting
    assert found["published"] == experiment.models[found["model"]].published
    if "−bound" in found["figures"]:
        assert found["figures"]["−bound"] >= found["figures"]["−log p(x)"]


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in ("mnist", "fashion-mnist")])
def test_no_figure_is_below_the_floor_that_binarization_sets(name: str) -> None:
    """Given grey values g, no model can predict their draws better than by g itself: −log p ≥ the entropy of the pixels."""
    grey = data.load(name).test[:].double()
    floor = float(-(torch.xlogy(grey, grey) + torch.xlogy(1 - grey, 1 - grey)).flatten(1).sum(1).mean())
    found = [json.loads(path.read_text(encoding="utf-8")) for path in FOUND]
    binarized = [result for result in found if EXPERIMENTS[result["experiment"]].binarized == name]
    if not binarized:
        pytest.skip(f"no published experiment on {name} was run again yet")
    for result in binarized:
        assert result["figures"]["−log p(x)"] > floor, result["model"]
