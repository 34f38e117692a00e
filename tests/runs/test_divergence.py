"""Numbers that are not finite: named with their step, stepped back from, and given up on after three times."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import begun, resumed, weights

from lowerbound.errors import Diverged
from lowerbound.interfaces.cli import main
from lowerbound.runs import checkpoint, layout
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import load


def at(step: int, wrong: Callable[[Experiment], None], experiment: Experiment, every: int = 1) -> None:
    """Train to the end, doing something wrong after a step (each time that it is passed, at most ``every`` times)."""
    times = 0
    for record in experiment.train():
        if record.step == step and times < every:
            times += 1
            wrong(experiment)


def test_a_weight_that_was_damaged_is_survived(tmp_path: Path) -> None:
    def wrong(experiment: Experiment) -> None:
        with torch.no_grad():
            next(experiment.run.vae.posterior.parameters())[0, 0] = float("nan")

    experiment = begun(tmp_path / "r")
    at(17, wrong, experiment)
    assert experiment.finish()["epochs"] == 4
    assert len(experiment.trainer.progress.faults) == 1
    assert "no step to there, taken again, gave a loss or a gradient that is not" in experiment.notes[0]
    assert "0.5 of the learning rate" in experiment.notes[0]
    assert experiment.state.optimizer.param_groups[0]["lr"] == 0.5e-3
    assert [line["epoch"] for line in experiment.run.history()] == [1, 2, 3, 4]


def test_asked_to_stop_with_a_damaged_weight_it_keeps_what_it_had(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r")
    list(islice(experiment.train(), 5))
    before = weights(tmp_path / "r")
    with torch.no_grad():
        next(experiment.run.vae.parameters()).fill_(float("inf"))
    with pytest.raises(Diverged, match="a weight was not finite after step 5; what was saved before is kept"):
        experiment.save()
    assert weights(tmp_path / "r") == before


def test_a_gradient_that_is_not_finite_is_named_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = begun(tmp_path / "r")
    name, weight = next((name, one) for name, one in experiment.run.vae.named_parameters() if "likelihood" in name)

    def broken(optimizer: torch.optim.Optimizer, *_: Any) -> None:  # at this rate only, whenever the step is taken
        if experiment.state.step == 16 and optimizer.param_groups[0]["lr"] == 1e-3:
            weight.grad[0, 0] = float("inf")

    experiment.state.optimizer.register_step_pre_hook(broken)
    list(experiment.train())
    assert f"the gradient of {name} is not finite" in experiment.notes[0]
    assert experiment.notes[0].startswith("step 17 (epoch 2, rows ")
    assert torch.isfinite(weight).all()
    assert experiment.finish()["epochs"] == 4


def test_an_example_that_is_not_finite_is_named(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r", likelihood="gaussian")
    data = experiment.trainer.setup.train.view(torch.arange(len(experiment.trainer.setup.train)))
    array = data.array.float().div(255)
    array[data.rows[123], 0, 2, 2] = float("nan")
    object.__setattr__(data, "array", array)
    experiment.trainer.setup = replace(experiment.trainer.setup, train=data)
    experiment.run.vae.likelihood.admit = lambda values: None  # as if it had gone bad after it was looked at
    with pytest.raises(Diverged, match=r"row 123 has a value that is not; with the learning rate halved 3 times it still was so"):
        list(experiment.train())
    assert [fault["told"].count("row 123 has a value that is not") for fault in experiment.trainer.progress.faults] == [1, 1, 1]
    assert torch.isfinite(next(iter(checkpoint.read(tmp_path / "r" / layout.WEIGHTS)[0].values()))).all()
    assert main(["show", str(tmp_path / "r")]) == 0


def test_a_gradient_that_goes_bad_at_the_end_of_an_epoch_is_survived(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r")
    weight = next(experiment.run.vae.posterior.parameters())

    def broken(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if experiment.state.step == 11 and optimizer.param_groups[0]["lr"] == 1e-3:
            weight.grad.fill_(float("nan"))

    experiment.state.optimizer.register_step_pre_hook(broken)
    list(experiment.train())
    assert experiment.notes[0].startswith("step 12 (epoch 1, rows ")
    assert experiment.finish()["epochs"] == 4


def test_clipping_leaves_it_to_be_seen_whose_gradient_it_was(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r", clip=1.0)
    name, weight = list(experiment.run.vae.named_parameters())[-1]

    def broken(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if experiment.state.step == 16 and optimizer.param_groups[0]["lr"] == 1e-3:
            weight.grad[0] = float("nan")

    experiment.state.optimizer.register_step_pre_hook(broken)
    list(experiment.train())
    assert f"the gradient of {name} is not finite" in experiment.notes[0]


def test_what_stepped_back_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    def trained(folder: Path, leave: int | None) -> None:
        experiment = begun(folder)

        def wrong(one: Experiment) -> None:
            with torch.no_grad():
                next(one.run.vae.parameters()).fill_(float("nan"))

        records = experiment.train()
        for record in records:
            if record.step == 17 and not experiment.trainer.progress.faults:
                wrong(experiment)
            if experiment.trainer.progress.faults and record.step == leave:
                experiment.save()
                experiment.close()
                resumed(folder)
                return
        experiment.finish()

    trained(tmp_path / "whole", None)
    trained(tmp_path / "left", 20)
    assert weights(tmp_path / "whole") == weights(tmp_path / "left")


def test_a_rate_far_too_large_ends_with_advice_and_a_whole_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "r"
    words = ["train", "--out", str(folder), "--learning-rate", "1e30", "--epochs", "2", "--likelihood", "gaussian", "--device", "cpu"]
    assert main(words) == 2
    printed = capsys.readouterr().err.strip().splitlines()[-1]
    assert "is not finite; with the learning rate halved 3 times it still was so" in printed
    assert "lower --learning-rate" in printed
    assert load(folder, "cpu").vae.sample(2).isfinite().all()
    assert len(json.loads(json.dumps(checkpoint.read(folder / layout.TRAINING)[1]))["progress"]["faults"]) == 3
    shutil.rmtree(folder)
