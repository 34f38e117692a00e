"""Runs: begun, stopped anywhere, taken up again, extended, refused."""

from __future__ import annotations

import errno
import json
import shutil
from itertools import islice
from pathlib import Path

import pytest
import torch

from lowerbound.data.spec import FORMAT
from lowerbound.errors import DataError, OutputError, RunError
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import checkpoint, layout
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment

RECIPE = Recipe(epochs=3)


def train(recipe: Recipe, folder: Path, **more: object) -> Experiment:
    experiment = Experiment.begin(recipe, folder, device="cpu", **more)
    for _ in experiment.train():
        pass
    return experiment


def weights(folder: Path) -> bytes:
    return (folder / layout.WEIGHTS).read_bytes()


def test_the_same_seed_gives_the_same_files(digits_run: runs.Run, tmp_path: Path) -> None:
    again = train(RECIPE, tmp_path / "r")
    again.finish()
    assert weights(tmp_path / "r") == weights(digits_run.folder)
    assert again.run.result()["test"] == digits_run.result()["test"]
    train(Recipe(epochs=3, seed=1), tmp_path / "other")
    assert weights(tmp_path / "other") != weights(digits_run.folder)


@pytest.mark.parametrize("steps", [1, 11, 12, 13, 24, 35])
def test_stopped_after_any_step_and_resumed_it_ends_the_same(digits_run: runs.Run, tmp_path: Path, steps: int) -> None:
    first = Experiment.begin(RECIPE, tmp_path / "r", device="cpu")
    list(islice(first.train(), steps))
    first.save()
    first.close()
    (tmp_path / "r" / layout.EVALUATION).write_text("{}")  # of the weights so far
    second = Experiment.resume(tmp_path / "r", device="cpu")
    assert not (tmp_path / "r" / layout.EVALUATION).exists()
    assert second.state.step == steps
    list(second.train())
    second.finish()
    assert weights(tmp_path / "r") == weights(digits_run.folder)

    def told(run: runs.Run) -> list[dict]:
        return [{key: value for key, value in line.items() if key != "seconds"} for line in run.history()]

    assert told(second.run) == told(digits_run)


def test_killed_between_checkpoints_the_metrics_fall_back_with_the_weights(digits_run: runs.Run, tmp_path: Path) -> None:
    killed = Experiment.begin(RECIPE, tmp_path / "r", device="cpu")
    list(islice(killed.train(), killed.steps_an_epoch * 2))  # noted in the metrics, but not yet saved
    assert len(killed.run.history()) == 2
    killed.close()
    second = Experiment.resume(tmp_path / "r", device="cpu")
    assert second.state.step == 0
    list(second.train())
    assert [line["epoch"] for line in second.run.history()] == [1, 2, 3]
    assert weights(tmp_path / "r") == weights(digits_run.folder)


def test_extended_it_is_as_if_it_had_been_longer_from_the_start(digits_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    longer = Experiment.resume(folder, epochs=5, device="cpu")
    assert longer.run.result() is None, "the old result is not that of the new weights"
    list(longer.train())
    longer.finish()
    train(Recipe(epochs=5), tmp_path / "whole")
    assert weights(folder) == weights(tmp_path / "whole")
    assert runs.load(folder).recipe.epochs == 5


def test_checkpoints_in_mid_run_change_nothing(digits_run: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowerbound.runs.trainer.SAVE_AFTER", 0.0)
    monkeypatch.setattr("lowerbound.runs.trainer.SAVE_WITHIN", 0.0)
    killed = Experiment.begin(RECIPE, tmp_path / "r", device="cpu")
    list(islice(killed.train(), 17))
    killed.close()
    second = Experiment.resume(tmp_path / "r", device="cpu")
    assert second.state.step == 17
    list(second.train())
    assert weights(tmp_path / "r") == weights(digits_run.folder)


def test_a_changed_recipe_is_not_resumed(digits_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    text = (folder / layout.RECIPE).read_text()
    (folder / layout.RECIPE).write_text(text.replace("batch = 128", "batch = 64"))
    with pytest.raises(RunError, match="batch was 128 and is 64"):
        Experiment.resume(folder, epochs=4, device="cpu")


def test_a_run_from_before_there_was_a_word_goes_on(digits_run: runs.Run, tmp_path: Path) -> None:
    shutil.copytree(digits_run.folder, tmp_path / "r")
    tensors, meta = checkpoint.read(tmp_path / "r" / layout.TRAINING)
    del meta["progress"]["recipe"]["precision"]
    checkpoint.write(tmp_path / "r" / layout.TRAINING, tensors, meta)
    told = tmp_path / "r" / layout.RECIPE
    told.write_text("".join(line for line in told.read_text().splitlines(keepends=True) if "precision" not in line))
    assert Experiment.resume(tmp_path / "r", device="cpu", epochs=4).run.recipe.precision == "auto"


def test_killed_before_its_report_a_run_is_finished_by_resuming(digits_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / layout.RESULT).unlink()
    (folder / layout.REPORT).unlink()
    again = Experiment.resume(folder, device="cpu")
    assert list(again.train()) == []
    assert again.finish()["test"] == digits_run.result()["test"]
    assert (folder / layout.REPORT).is_file()


def test_damaged_metrics_are_told_and_a_cut_last_line_is_not(digits_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    lines = (folder / layout.METRICS).read_text().splitlines()
    (folder / layout.METRICS).write_text("\n".join([*lines[:2], lines[2][:20]]))
    assert len(runs.load(folder).history()) == 2
    for bad in (lines[1][:20], "5", "[]", '{"epoch": 2}', "[" * 100_000):
        (folder / layout.METRICS).write_text("\n".join([lines[0], bad, lines[2]]))
        with pytest.raises(RunError, match="damaged in line 2"):
            runs.load(folder).history()
    (folder / layout.METRICS).unlink()
    again = Experiment.resume(folder, epochs=4, device="cpu")
    assert [note for note in again.notes if "has lost 3 of 3 epochs" in note]
    list(again.train())
    assert [line["epoch"] for line in again.run.history()] == [4]
    again.finish()


def test_a_finished_run_is_not_resumed_by_mistake(digits_run: runs.Run) -> None:
    for epochs in (None, 2):
        with pytest.raises(RunError, match=r"already has its 3 epochs; --epochs N"):
            Experiment.resume(digits_run.folder, epochs=epochs, device="cpu")


def test_data_that_changed_are_noticed(tmp_path: Path) -> None:
    import numpy as np

    values = np.random.default_rng(0).random((40, 6))
    np.save(tmp_path / "a.npy", values)
    recipe = Recipe(data=str(tmp_path / "a.npy"), epochs=2, batch=8)
    list(islice(Experiment.begin(recipe, tmp_path / "r", device="cpu").train(), 2))
    np.save(tmp_path / "a.npy", values[::-1])
    with pytest.raises(DataError, match="are not those that"):
        Experiment.resume(tmp_path / "r", device="cpu")


def test_a_taken_folder_is_left_alone(digits_run: runs.Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds a run already"):
        Experiment.begin(RECIPE, digits_run.folder, device="cpu")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="exists and is no run"):
            Experiment.begin(RECIPE, tmp_path / "photos", overwrite=overwrite, device="cpu")
    assert (tmp_path / "photos" / "mine.txt").read_text() == "precious"


def test_overwriting_removes_a_run_and_nothing_else(digits_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / "notes.txt").write_text("mine")
    (folder / layout.FIGURES / "mine.txt").write_text("mine")
    Experiment.begin(Recipe(epochs=1), folder, overwrite=True, device="cpu")
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == sorted(
        [layout.LOCK, "notes.txt", layout.RECIPE, layout.DATA, layout.ENVIRONMENT, layout.WEIGHTS, layout.TRAINING]
    )
    assert [path.name for path in (folder / layout.FIGURES).iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"batch": 5000}, "a batch of 5000 is larger than the 1,457 training data"),
        ({"validation": 5000}, "cannot hold out 5,000"),
        ({"data": "mnits"}, "did you mean 'mnist'"),
        ({"size": 4}, "are for folders of images"),
    ],
)
def test_a_mistake_leaves_nothing_behind(tmp_path: Path, words: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Experiment.begin(Recipe(**words), tmp_path / "new" / "r", device="cpu")
    assert not (tmp_path / "new").exists()


def test_a_full_disk_leaves_no_half_written_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="no space left on the disk"):
        Experiment.begin(RECIPE, tmp_path / "r", device="cpu")
    assert not (tmp_path / "r").exists()


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment.begin(RECIPE, tmp_path / "r", device="cpu")
    list(islice(experiment.train(), 5))
    before = (tmp_path / "r" / layout.TRAINING).read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OutputError, match="no space"):
            experiment.save()
    assert (tmp_path / "r" / layout.TRAINING).read_bytes() == before
    assert not [path for path in (tmp_path / "r").iterdir() if path.name.startswith(".") and path.name != layout.LOCK]
    experiment.close()
    Experiment.resume(tmp_path / "r", device="cpu")


def test_a_run_is_read_without_its_data(digits_run: runs.Run, tmp_path: Path) -> None:
    run = runs.load(digits_run.folder)
    assert not run.vae.training
    assert run.vae.sample(3).shape == (3, 1, 8, 8)
    assert run.facts.classes == tuple("0123456789")


def test_damaged_runs_are_told(digits_run: runs.Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is no run: it has no recipe\.toml"):
        runs.load(tmp_path)
    for name, message in ((layout.WEIGHTS, "damaged"), (layout.DATA, "damaged")):
        folder = shutil.copytree(digits_run.folder, tmp_path / name)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(RunError, match=message):
            runs.load(folder)
    newer = shutil.copytree(digits_run.folder, tmp_path / "newer")
    facts = json.loads((newer / layout.DATA).read_text())
    (newer / layout.DATA).write_text(json.dumps(facts | {"format": FORMAT + 1}))
    with pytest.raises(RunError, match="newer lowerbound"):
        runs.load(newer)


@pytest.mark.parametrize("text", ["[]", "5", "null", "[" * 100_000, '{"format": "x"}', '{"format": 1}', "{}"])
@pytest.mark.parametrize("name", [layout.DATA, layout.RESULT, layout.ENVIRONMENT])
def test_tampered_files_are_told(digits_run: runs.Run, tmp_path: Path, name: str, text: str) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / name).write_text(text)
    with pytest.raises(RunError, match=name):
        runs.load(folder).result() if name == layout.RESULT else Experiment.resume(folder, epochs=4, device="cpu")


@pytest.mark.parametrize(
    "change", [{"event_shape": ["a", 8, 8]}, {"event_shape": [1, -8, 8]}, {"event_shape": "188"}, {"train": "x"}, {"low": None}]
)
def test_facts_that_are_none_are_told(digits_run: runs.Run, tmp_path: Path, change: dict[str, object]) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    facts = json.loads((folder / layout.DATA).read_text())
    (folder / layout.DATA).write_text(json.dumps(facts | change))
    with pytest.raises(RunError, match="is damaged"):
        runs.load(folder)


def test_an_overwriting_that_fails_leaves_the_old_run(digits_run: runs.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / layout.FIGURES / "curves.png").unlink()
    (folder / layout.FIGURES / "curves.png").mkdir()
    with pytest.raises(OutputError, match="a folder stands where"):
        Experiment.begin(RECIPE, folder, overwrite=True, device="cpu")
    assert runs.load(folder).result() is not None


def test_environment_and_recipe_repeat_the_run(digits_run: runs.Run, tmp_path: Path) -> None:
    from lowerbound.recipes import recipe as recipes

    assert digits_run.environment()["seed"] == 0
    assert digits_run.environment()["versions"]["torch"] == torch.__version__
    again = train(Recipe(**recipes.read(digits_run.folder / layout.RECIPE)), tmp_path / "r")
    assert weights(again.run.folder) == weights(digits_run.folder)


def test_without_validation_there_is_no_held_out_curve(tmp_path: Path) -> None:
    experiment = train(Recipe(epochs=1, validation=0), tmp_path / "r")
    assert experiment.run.history()[0]["validation"] is None
    assert experiment.finish()["test"]["rows"] == 179


@pytest.mark.parametrize("content", ["{}", "[1]", '{"rows": 1, "log_likelihood": null', '{"rows": 1, "log_likelihood": {"mean": 0}}'])
def test_a_damaged_evaluation_is_an_error_of_the_run(digits_run, tmp_path: Path, content: str) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / layout.EVALUATION).write_text(content)
    with pytest.raises(RunError, match="evaluation"):
        runs.load(folder, "cpu").evaluation()
