"""What the explorer says besides its page: that data have changed since a training, and what is being done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lowerbound as lb
from interfaces.explored import data, of_modules
from lowerbound.figures.explorer import model, page
from lowerbound.interfaces.cli import main
from lowerbound.interfaces.explorer.explorer import Explorer
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment

#: what is written over the data → what is said of it, by the command and on the page
CHANGED: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str, str]] = {
    "one pixel": (lambda x: x ^ (np.arange(x.size) == 0).reshape(x.shape), "as many examples", "as many examples, and not the same"),
    "fewer": (lambda x: x[:250], "300 examples then, 250 now", "there were 300 examples, and now there are 250"),
}


@pytest.fixture
def trained_run(tmp_path: Path) -> Path:
    """A run on a file of black and white images."""
    pixels = np.random.default_rng(0).integers(0, 2, (300, 6, 6)).astype(np.uint8)
    np.save(tmp_path / "pixels.npy", 255 * pixels)
    experiment = Experiment.begin(Recipe(data=str(tmp_path / "pixels.npy"), epochs=1, network="mlp:16"), tmp_path / "run", device="cpu")
    for _ in experiment.train():
        pass
    return tmp_path / "run"


@pytest.mark.parametrize("how", CHANGED)
def test_data_that_have_changed_since_the_training(
    how: str, trained_run: Path, tmp_path: Path, opened: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["explore", str(trained_run), "-o", str(tmp_path / "explore.html"), "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == []
    assert opened(path=tmp_path / "explore.html").page.locator(".changed").count() == 0
    change, said, shown = CHANGED[how]
    np.save(tmp_path / "pixels.npy", change(np.load(tmp_path / "pixels.npy")))
    assert main(command) == 0
    printed = capsys.readouterr()
    (note,) = json.loads(printed.out)["notes"]
    assert f"note: {note}" in printed.err
    assert note.startswith("the data of run have changed since it was trained")
    assert said in note
    found = opened(path=tmp_path / "explore.html")
    assert shown in found.page.locator(".changed").inner_text()
    assert found.page.locator(".changed").bounding_box()["y"] < found.page.locator(".card").first.bounding_box()["y"]
    assert not found.said


def test_of_own_models_nothing_is_known() -> None:
    assert lb.explore(of_modules(), train=data()).shown[0].changed is None


def test_the_command_says_what_is_being_done(digits_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", str(digits_run.folder), "-o", str(tmp_path / "page.html")]) == 0
    lines = capsys.readouterr().err.splitlines()
    encoded = len(runs.learned_from(digits_run.recipe, digits_run.read())[0])
    assert lines == [
        "digits: reading the data",
        f"digits: encoding {encoded:,} examples",
        "digits: scoring 100 test examples",
        "writing the page",
    ]


@pytest.mark.parametrize("remote", [False, True], ids=["computed", "asked for"])
def test_a_served_page_is_made_once(
    remote: bool, digits_run: runs.Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words: list[Any] = []
    monkeypatch.setattr(page, "model_words", lambda *given: words.append(given) or model.model_words(*given))
    said: list[str] = []
    explorer = Explorer(lb.explore(of_modules(), train=data()).shown if remote else lb.explore(digits_run).shown, progress=said.append)
    with explorer.serve(browser=False) as server:
        assert len(words) == 1
        assert said.count("writing the page") == 1
    if not remote:  # what is served is what is written
        html = explorer.html
        assert len(words) == 1
        assert not re.search('"token"', html)
        with explorer.serve(browser=False):
            assert len(words) == 1
    assert server.port > 0
    assert capsys.readouterr() == ("", "")  # a library is silent


def test_train_and_report_say_what_is_done_at_their_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "digits", "--epochs", "1", "--network", "mlp:16", "--out", str(tmp_path / "run"), "--json"]
    ends = ["drawing the figures", "run: encoding 1,457 examples", "run: scoring 100 test examples", "writing the page"]
    assert main(words) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[-len(ends) - 1 :] == ["scoring the test data", *ends]
    assert main(["report", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().err.splitlines() == ends
