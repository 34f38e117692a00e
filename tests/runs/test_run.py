"""A run folder as it is read: without its data, and with damage in any of its files."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from trainings import train, weights

from lowerbound.errors import RunError
from lowerbound.recipes import recipe as recipes
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs.data_record import FORMAT
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import Run, load


def test_a_run_is_read_without_its_data(digits_run: Run, tmp_path: Path) -> None:
    run = load(digits_run.folder)
    assert not run.vae.training
    assert run.vae.sample(3).shape == (3, 1, 8, 8)
    assert run.spec.classes == tuple("0123456789")


def test_environment_and_recipe_repeat_the_run(digits_run: Run, tmp_path: Path) -> None:
    assert digits_run.environment()["seed"] == 0
    assert digits_run.environment()["versions"]["torch"] == torch.__version__
    again = train(Recipe(**recipes.read(digits_run.folder / layout.RECIPE)), tmp_path / "r")
    assert weights(again.run.folder) == weights(digits_run.folder)


def test_damaged_runs_are_told(digits_run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is no run: it has no recipe\.toml"):
        load(tmp_path)
    for name, message in ((layout.WEIGHTS, "damaged"), (layout.DATA, "damaged")):
        folder = shutil.copytree(digits_run.folder, tmp_path / name)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(RunError, match=message):
            load(folder)
    newer = shutil.copytree(digits_run.folder, tmp_path / "newer")
    facts = json.loads((newer / layout.DATA).read_text())
    (newer / layout.DATA).write_text(json.dumps(facts | {"format": FORMAT + 1}))
    with pytest.raises(RunError, match="newer lowerbound"):
        load(newer)


@pytest.mark.parametrize("text", ["[]", "5", "null", "[" * 100_000, '{"format": "x"}', '{"format": 1}', "{}"])
@pytest.mark.parametrize("name", [layout.DATA, layout.RESULT, layout.ENVIRONMENT])
def test_tampered_files_are_told(digits_run: Run, tmp_path: Path, name: str, text: str) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / name).write_text(text)
    with pytest.raises(RunError, match=name):
        load(folder).result() if name == layout.RESULT else Experiment.resume(folder, epochs=4, device="cpu")


@pytest.mark.parametrize(
    "change", [{"event_shape": ["a", 8, 8]}, {"event_shape": [1, -8, 8]}, {"event_shape": "188"}, {"train": "x"}, {"low": None}]
)
def test_facts_that_are_none_are_told(digits_run: Run, tmp_path: Path, change: dict[str, object]) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    facts = json.loads((folder / layout.DATA).read_text())
    (folder / layout.DATA).write_text(json.dumps(facts | change))
    with pytest.raises(RunError, match="is damaged"):
        load(folder)


@pytest.mark.parametrize("name", [layout.WEIGHTS, layout.DATA])
def test_what_is_no_file_is_not_waited_for(name: str, digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(RunError, match="it is not a regular file"):
        load(folder, "cpu")


def test_damaged_metrics_are_told_and_a_cut_last_line_is_not(digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    lines = (folder / layout.METRICS).read_text().splitlines()
    (folder / layout.METRICS).write_text("\n".join([*lines[:2], lines[2][:20]]))
    assert len(load(folder).history()) == 2
    for bad in (lines[1][:20], "5", "[]", '{"epoch": 2}', "[" * 100_000):
        (folder / layout.METRICS).write_text("\n".join([lines[0], bad, lines[2]]))
        with pytest.raises(RunError, match="damaged in line 2"):
            load(folder).history()
    (folder / layout.METRICS).unlink()
    again = Experiment.resume(folder, epochs=4, device="cpu")
    assert [note for note in again.notes if "has lost 3 of 3 epochs" in note]
    list(again.train())
    assert [line["epoch"] for line in again.run.history()] == [4]
    again.finish()


@pytest.mark.parametrize("content", ["{}", "[1]", '{"rows": 1, "log_likelihood": null', '{"rows": 1, "log_likelihood": {"mean": 0}}'])
def test_a_damaged_evaluation_is_an_error_of_the_run(digits_run, tmp_path: Path, content: str) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / layout.EVALUATION).write_text(content)
    with pytest.raises(RunError, match="evaluation"):
        load(folder, "cpu").evaluation()
