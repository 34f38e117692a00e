"""States of a training: kept as often as asked, whole or the one before, and refused where they are another's."""

from __future__ import annotations

import errno
import math
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from rows import long_if
from trainings import SMALL, begun, weights, whole

from lowerbound.errors import OutputError, RunError, UsageError
from lowerbound.interfaces.cli import main
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import checkpoint, layout
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import Run, load
from lowerbound.runs.snapshots import Every


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A run left after 14 steps, whose state before is after 8."""
    experiment = begun(tmp_path / "left")
    for steps in (8, 6):
        list(islice(experiment.train(), steps))
        experiment.save()
    experiment.close()
    return tmp_path / "left"


@pytest.mark.parametrize(("word", "every"), [("7", Every(steps=7)), ("30s", Every(seconds=30.0)), ("5m", Every(seconds=300.0))])
def test_how_often_is_read(word: str, every: Every) -> None:
    assert Every.read(word) == every


@pytest.mark.parametrize("word", ["", "0", "-3", "5h", "s", "1e9", "10000000"])
def test_how_often_must_make_sense(word: str) -> None:
    with pytest.raises(UsageError, match="a number of steps, 500, or a time"):
        Every.read(word)


def test_states_are_kept_as_often_as_asked(tmp_path: Path) -> None:
    experiment = Experiment.begin(Recipe(**SMALL), tmp_path / "r", device="cpu", every=Every(steps=5))
    steps = set()
    for record in experiment.train():
        steps.add(checkpoint.read(tmp_path / "r" / layout.TRAINING)[1]["step"])
        assert record.step - max(steps) < 5
    assert {5, 10, 15, 20, 25} <= steps


def test_checkpoints_in_mid_run_change_nothing(digits_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowerbound.runs.snapshots.SAVE_AFTER", 0.0)
    monkeypatch.setattr("lowerbound.runs.snapshots.SAVE_WITHIN", 0.0)
    killed = Experiment.begin(Recipe(epochs=3), tmp_path / "r", device="cpu")
    list(islice(killed.train(), 17))
    killed.close()
    second = Experiment.resume(tmp_path / "r", device="cpu")
    assert second.state.step == 17
    list(second.train())
    assert weights(tmp_path / "r") == weights(digits_run.folder)


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment.begin(Recipe(epochs=3), tmp_path / "r", device="cpu")
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


# --- states that are damaged -----------------------------------------------------------------------------


def damaged(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 3])
    else:
        path.write_bytes(content[:-50] + bytes([content[-50] ^ 1]) + content[-49:])


@pytest.mark.parametrize("how", long_if(lambda how: how != "one bit", ["gone", "cut", "one bit"]))
def test_a_damaged_newest_state_falls_back_to_the_one_before(how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = whole(tmp_path / "whole")
    left = begun(tmp_path / "left")
    for steps in (8, 6):
        list(islice(left.train(), steps))
        left.save()
    left.close()
    damaged(tmp_path / "left" / layout.TRAINING, how)
    assert main(["resume", str(tmp_path / "left"), "--device", "cpu"]) == 0
    assert "went on from the checkpoint before it, after step 8" in capsys.readouterr().err
    assert weights(tmp_path / "left") == right


def test_after_a_fallback_the_damaged_state_takes_no_whole_ones_place(tmp_path: Path) -> None:
    left = begun(tmp_path / "left")
    for steps in (8, 6):
        list(islice(left.train(), steps))
        left.save()
    left.close()
    damaged(tmp_path / "left" / layout.TRAINING, "one bit")
    again = Experiment.resume(tmp_path / "left", device="cpu")
    assert again.state.step == 8
    again.close()  # killed before it has kept anything
    assert Experiment.resume(tmp_path / "left", device="cpu").state.step == 8


def test_killed_between_two_names_it_goes_on_from_the_newest(tmp_path: Path) -> None:
    left = begun(tmp_path / "left")
    for steps in (8, 6):
        list(islice(left.train(), steps))
        left.save()
    left.close()
    folder = tmp_path / "left"
    (folder / layout.BEFORE).unlink()
    (folder / layout.TRAINING).rename(folder / layout.COMING)
    again = Experiment.resume(folder, device="cpu")
    assert again.state.step == 14
    again.close()
    assert Experiment.resume(folder, device="cpu").state.step == 14


@pytest.mark.parametrize(("how", "message"), [("cut", "damaged"), ("weights", "is no state of this training")])
def test_with_neither_state_whole_it_says_so(how: str, message: str, tmp_path: Path) -> None:
    left = begun(tmp_path / "left")
    left.save()
    left.close()
    for name in (layout.TRAINING, layout.BEFORE):
        if how == "weights":
            shutil.copy(tmp_path / "left" / layout.WEIGHTS, tmp_path / "left" / name)
        else:
            damaged(tmp_path / "left" / name, how)
    with pytest.raises(RunError, match=message):
        Experiment.resume(tmp_path / "left", device="cpu")


def test_a_state_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r")
    experiment.close()
    for name in (layout.WEIGHTS, layout.TRAINING, layout.BEFORE):
        with (tmp_path / "r" / name).open("ab") as file:
            file.truncate(2**40)  # a file with a hole, which takes no room
    with pytest.raises(RunError, match="more than the model of this run can have"):
        load(tmp_path / "r")
    with pytest.raises(RunError, match="more than the model of this run can have"):
        Experiment.resume(tmp_path / "r", device="cpu")


# --- states that are whole, and not what they should be --------------------------------------------------


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """A file of tensors and words, changed, with the checksum of what it is now."""
    tensors, meta = checkpoint.read(path)
    change(tensors, meta)
    checkpoint.write(path, tensors, meta)


def tensor(part: str, make: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(tensors: dict[str, Any], _: dict[str, Any]) -> None:
        name = next(name for name in tensors if part in name)
        tensors[name] = make(tensors[name])

    return change


def word(*keys: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    def change(_: dict[str, Any], meta: dict[str, Any]) -> None:
        for key in keys[:-1]:
            meta = meta[key]
        meta[keys[-1]] = value

    return change


STATES = {
    "moments cut": tensor("exp_avg", lambda one: one[:1]),
    "moments of another type": tensor("exp_avg_sq", lambda one: one.long()),
    "a weight that is not finite": tensor("model.", lambda one: one.fill_(math.nan)),
    "a weight of another type": tensor("model.", lambda one: one.double()),
    "no first moments": lambda tensors, _: [tensors.pop(name) for name in [*tensors] if name.endswith("exp_avg")],
    "moments of no weight": lambda tensors, _: tensors.update({"optimizer.999.exp_avg": torch.zeros(1)}),
    "a tensor of nothing": lambda tensors, _: tensors.update({"other": torch.zeros(1)}),
    "progress that is a number": word("progress", value=5),
    "a step before the first": word("step", value=-1),
    "endless steps": word("step", value=math.inf),
    "another seed": word("seed", value=4),
    "a recipe that is a list": word("progress", "recipe", value=[1]),
    "best of another kind": word("progress", "best", value={"a": 1}),
    "best that is nothing": word("progress", "best", value=[math.nan, math.inf]),
    "two sums": word("progress", "sums", value=[0.0, 0.0]),
    "rows in words": word("progress", "rows", value="x"),
    "faults that are a number": word("progress", "faults", value=5),
    "faults in words": word("progress", "faults", value=["x"]),
}


@pytest.mark.parametrize("change", STATES.values(), ids=STATES)
def test_a_state_that_is_none_falls_back_to_the_one_before(change: Callable[..., Any], left: Path) -> None:
    rewritten(left / layout.TRAINING, change)
    experiment = Experiment.resume(left, device="cpu")
    assert experiment.state.step == 8
    assert "went on from the checkpoint before it" in experiment.notes[-1]


def test_the_recipe_of_a_state_is_looked_at_before_its_weights(tmp_path: Path) -> None:
    left = begun(tmp_path / "left", average=0.9)
    left.close()
    path = tmp_path / "left" / layout.RECIPE
    path.write_text(path.read_text().replace("average = 0.9", ""))
    with pytest.raises(RunError, match=r"was changed: average was 0\.9 and is None"):
        Experiment.resume(tmp_path / "left", device="cpu")


def test_a_changed_recipe_is_not_resumed(digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    text = (folder / layout.RECIPE).read_text()
    (folder / layout.RECIPE).write_text(text.replace("batch = 128", "batch = 64"))
    with pytest.raises(RunError, match="batch was 128 and is 64"):
        Experiment.resume(folder, epochs=4, device="cpu")


def test_a_run_from_before_there_was_a_word_goes_on(digits_run: Run, tmp_path: Path) -> None:
    shutil.copytree(digits_run.folder, tmp_path / "r")
    tensors, meta = checkpoint.read(tmp_path / "r" / layout.TRAINING)
    del meta["progress"]["recipe"]["precision"]
    checkpoint.write(tmp_path / "r" / layout.TRAINING, tensors, meta)
    recipe = tmp_path / "r" / layout.RECIPE
    recipe.write_text("".join(line for line in recipe.read_text().splitlines(keepends=True) if "precision" not in line))
    assert Experiment.resume(tmp_path / "r", device="cpu", epochs=4).run.recipe.precision == "auto"
