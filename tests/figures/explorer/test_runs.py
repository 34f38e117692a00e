"""Several runs on one page: which is seen, by a number in which they differ or by name; and in what they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lowerbound as lb
from lowerbound.figures.explorer.page import page
from lowerbound.figures.explorer.shown import Shown, of_run
from lowerbound.figures.explorer.varied import varied

BASE = {"objective": "elbo", "latent": 2, "seed": 0}
#: words of recipes → the number in which they differ
DIFFERENT: list[tuple[list[dict[str, Any]], tuple[str, list[float]] | None]] = [
    ([{"objective": "beta:8"}, {}, {"objective": "beta"}], ("β", [8.0, 1.0, 4.0])),
    ([{"latent": 8}, {"latent": 2}, {"latent": 32}], ("latent", [8, 2, 32])),
    ([{"objective": "iwae:5"}, {"objective": "iwae:50"}], ("samples", [5, 50])),
    ([{"seed": 1}, {"seed": 2}, {}], None),  # no amount of anything
    ([{"objective": "beta:2"}, {"objective": "beta:2", "latent": 3}, {}], None),  # two numbers
    ([{"network": "mlp:64"}, {"network": "mlp:128"}, {}], None),  # a word
    ([{}, {}, {"objective": "beta:2"}], None),  # two of them alike
    ([{"clip": 1.0}, {}, {"clip": 2.0}], None),  # one has none
]


def of_words(run: lb.Run, *recipes: dict[str, Any]) -> list[Shown]:
    """The same model under the words of several recipes, named by their places."""
    shown = of_run(run)
    return [replace(shown, name=f"run {k}", recipe={**shown.recipe, **words}) for k, words in enumerate(recipes)]


def written(shown: list[Shown], folder: Path) -> Path:
    path = folder / "explore.html"
    path.write_text(page(shown), encoding="utf-8")
    return path


@pytest.mark.parametrize(("recipes", "wanted"), DIFFERENT, ids=range(len(DIFFERENT)))
def test_the_one_number_in_which_runs_differ(recipes: list[dict[str, Any]], wanted: tuple[str, list[float]] | None) -> None:
    assert varied([{**BASE, **words} for words in recipes]) == wanted
    assert varied([{**BASE, **words} for words in recipes] + [{}]) is None  # of a model of one's own nothing is known


def test_runs_of_several_betas_are_shown_by_a_slider_in_their_order(digits_run: lb.Run, opened: Callable[..., Any], tmp_path: Path) -> None:
    shown = of_words(digits_run, {"objective": "beta:8"}, {"objective": "elbo"}, {"objective": "beta:0.5"})
    found = opened(path=written(shown, tmp_path))
    slider = found.page.get_by_role("slider", name="Which run, by β")
    assert found.visible() == [False, False, True]
    slider.focus()
    for seen, words in (([False, True, False], "β = 1"), ([True, False, False], "β = 8")):
        found.page.keyboard.press("ArrowRight")
        assert found.visible() == seen
        assert slider.get_attribute("aria-valuetext") == found.page.locator(".runs output").inner_text() == words
    found.keep("a slider of runs")


def test_runs_that_differ_otherwise_are_chosen_by_name(digits_run: lb.Run, opened: Callable[..., Any], tmp_path: Path) -> None:
    shown = of_words(digits_run, {"network": "mlp:64"}, {"network": "mlp:8"}, {"network": "conv"})
    shown[2] = replace(shown[2], name="run 0")
    found = opened(path=written(shown, tmp_path))
    group = found.page.get_by_role("group", name="Run")
    assert found.visible() == [True, False, False]
    group.get_by_role("radio", name="run 1", exact=True).check()
    assert found.visible() == [False, True, False]
    found.page.keyboard.press("ArrowRight")  # as radio buttons are
    assert found.visible() == [False, False, True]
    assert [label.inner_text() for label in group.locator("label").all()] == ["run 0 (1)", "run 1", "run 0 (3)"]
    found.page.locator(".column:visible .examples .strip button").nth(4).click()
    found.settle()
    found.press("Copy link to this view")
    again = opened(path=tmp_path / "explore.html", hash_=found.page.evaluate("() => location.hash"))
    assert again.visible() == [False, False, True]
    assert group.locator("input").nth(2).is_checked()
    np.testing.assert_allclose(again.of("Array.from(views[2].state.values.z)"), found.of("Array.from(views[2].state.values.z)"), rtol=1e-5)
    found.keep("runs by name")
