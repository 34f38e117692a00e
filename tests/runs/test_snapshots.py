"""Files of a run that are whole, with their checksum, and still not what they should be; and folders that nobody may take for empty."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from lowerbound.errors import RunError, UsageError
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import checkpoint, layout, run
from lowerbound.runs import folder as folders
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.snapshots import Every
from lowerbound.training.processes import ProcessGroup, joined

RECIPE = Recipe(epochs=4, network="mlp:16", seed=3)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A run left after 14 steps, whose state before is after 8."""
    experiment = Experiment.begin(RECIPE, tmp_path / "left", device="cpu")
    for steps in (8, 6):
        list(islice(experiment.train(), steps))
        experiment.save()
    experiment.close()
    return tmp_path / "left"


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


def test_weights_must_be_of_their_type_and_finite(left: Path) -> None:
    content = (left / layout.WEIGHTS).read_bytes()
    for change, told in (
        (tensor("network", lambda one: one.long()), "is torch.int64, not torch.float32"),
        (tensor("network", lambda one: one.to(torch.complex64)), "is torch.complex64"),
        (tensor("network", lambda one: one.fill_(math.inf)), "weights that are not finite"),
    ):
        (left / layout.WEIGHTS).write_bytes(content)
        rewritten(left / layout.WEIGHTS, change)
        with pytest.raises(RunError, match=told):
            run.load(left, "cpu")


def test_words_nested_without_end_are_damage(left: Path) -> None:
    header = b'{"__metadata__":{"lowerbound":"' + b"[" * 100_000 + b'"}}'
    (left / layout.WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(RunError, match="is damaged"):
        run.load(left, "cpu")


@pytest.mark.parametrize("name", [layout.WEIGHTS, layout.DATA])
def test_what_is_no_file_is_not_waited_for(name: str, left: Path) -> None:
    (left / name).unlink()
    os.mkfifo(left / name)
    with pytest.raises(RunError, match="it is not a regular file"):
        run.load(left, "cpu")


def test_without_its_best_weights_a_run_ends_with_its_last(tmp_path: Path) -> None:
    experiment = Experiment.begin(Recipe(epochs=9, network="mlp:16", patience=1, learning_rate=0.3), tmp_path / "r", device="cpu")
    list(experiment.train())
    (tmp_path / "r" / layout.BEST).write_bytes(b"")
    last = {name: weight.clone() for name, weight in experiment.run.vae.state_dict().items()}
    assert "ended with the last weights" in experiment.finish()["notes"][0]
    assert all(torch.equal(last[name], weight) for name, weight in run.load(tmp_path / "r").vae.state_dict().items())


# --- folders -------------------------------------------------------------------------------------------


def test_a_run_without_its_states_is_not_taken_for_one_that_was_only_begun(digits_run: run.Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "published")
    for name in (layout.TRAINING, layout.BEFORE):
        (folder / name).unlink(missing_ok=True)
    for name in (None, layout.RESULT, layout.REPORT, layout.METRICS, layout.RECIPE, layout.BEST):
        if name is not None:
            (folder / name).unlink()
        if any((folder / name).exists() for name in (*folders.EARNED, layout.RECIPE)):
            with pytest.raises(RunError, match=r"holds a run already|is no run"):
                Experiment.begin(RECIPE, folder, device="cpu")


@pytest.mark.parametrize("files", range(7))
def test_killed_as_it_began_it_is_in_nobodys_way(files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = iter(range(files))

    def replace(path: Path, target: Path) -> Path:
        if next(written, None) is None:
            raise KeyboardInterrupt
        return original(path, target)

    original = Path.replace
    monkeypatch.setattr(Path, "replace", replace)
    with contextlib.suppress(KeyboardInterrupt):
        Experiment.begin(RECIPE, tmp_path / "r", device="cpu").close()
    monkeypatch.undo()
    if run.is_begun(tmp_path / "r"):
        Experiment.resume(tmp_path / "r", device="cpu").close()
    else:
        Experiment.begin(RECIPE, tmp_path / "r", device="cpu").close()


# --- several processes ---------------------------------------------------------------------------------


def test_of_several_processes_one_asks_once_for_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first asks for all do a step later; until then its clock says so again, which is no second time."""
    experiment = Experiment.begin(RECIPE, tmp_path / "r", device="cpu", every=Every(seconds=0.0))
    for name in ("all_reduce", "broadcast_object_list", "barrier"):  # the other process has nothing to say
        monkeypatch.setattr(torch.distributed, name, lambda *_: None)
    experiment.group = ProcessGroup(0, 2)
    kept = [record.step for record in islice(experiment.train(), 9) if experiment._saved_at == experiment.progress.seconds]
    assert kept == [2, 4, 6, 8]


@pytest.mark.parametrize(
    "variables",
    [{"WORLD_SIZE": "abc"}, {"WORLD_SIZE": ""}, {"WORLD_SIZE": "2", "RANK": "5"}, {"WORLD_SIZE": "-2", "RANK": "0"}, {"RANK": "x"}],
)
def test_variables_that_make_no_world_are_told(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="use torchrun"), joined("cpu"):
        pass
