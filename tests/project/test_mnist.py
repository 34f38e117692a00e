"""Real data: the guide's tour of MNIST, command by command, and the figure the README promises; Fashion-MNIST unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import needs

from lowerbound.interfaces.cli import main
from project.test_readme import DOCS, commands


@pytest.mark.long
@needs("mnist")
def test_one_epoch_of_mnist_learns_what_it_should(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "mnist", "--epochs", "1", "--out", str(tmp_path / "r"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"]["bound"] > -172


@pytest.mark.long
@needs("mnist")
def test_the_guides_tour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    tour = commands((DOCS / "guide" / "using-a-run.md").read_text(encoding="utf-8"))
    assert tour[0][:2] == ["train", "mnist"]
    assert {words[0] for words in tour} >= {"train", "sample", "reconstruct", "encode", "decode", "interpolate", "plot", "show"}
    for words in tour:
        assert main(words) == 0, words
        capsys.readouterr()
    result = json.loads((tmp_path / "runs" / "m" / "result.json").read_text())
    assert result["epochs"] == 20
    assert result["test"]["bound"] > -153


@pytest.mark.long
@needs("fashion-mnist")
def test_fashion_runs_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "fashion-mnist", "--epochs", "1", "--out", str(tmp_path / "r"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["test"]["bound"] > -290
