"""An experiment as a person in a notebook has it: interrupted, looked at, gone on with, left early, begun again, its networks compiled."""

from __future__ import annotations

import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import begun, resumed, weights, whole

import lowerbound as lb
from lowerbound.errors import RunError
from lowerbound.runs import layout
from lowerbound.runs.experiment import Experiment

pytestmark = pytest.mark.usefixtures("validation")


def lines(run: lb.Run) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "seconds"} for line in run.history()]


def interrupting(experiment: Experiment, *steps: int) -> None:
    """Ctrl-C amid these steps, as the weights are about to move."""
    left = set(steps)

    def press(*_: object) -> None:
        if experiment.state.step + 1 in left:
            left.discard(experiment.state.step + 1)
            signal.raise_signal(signal.SIGINT)

    experiment.state.optimizer.register_step_pre_hook(press)


@pytest.mark.parametrize("words", [{}, {"average": 0.9}, {"patience": 3}])
def test_interrupted_and_gone_on_with_it_ends_the_same(words: dict[str, Any], tmp_path: Path) -> None:
    straight = begun(tmp_path / "whole", epochs=3, **words)
    list(straight.train())
    straight.finish()
    experiment = begun(tmp_path / "r", epochs=3, **words)
    interrupting(experiment, 1, 5, 12, 13, 30)
    times = 0
    while not experiment.trainer.is_at_its_end:
        try:
            for _ in experiment.train():
                pass
        except KeyboardInterrupt:
            times += 1
            experiment.run.vae.sample(2)
    experiment.finish()
    assert times == 5
    assert weights(tmp_path / "r") == weights(tmp_path / "whole")
    assert lines(experiment.run) == lines(straight.run)


def test_an_epoch_whose_end_was_interrupted_is_noted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = begun(tmp_path / "r")
    score, calls = experiment.trainer._score_held_out, []

    def interrupted(record: Any) -> Any:
        calls.append(record.step)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return score(record)

    monkeypatch.setattr(experiment.trainer, "_score_held_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(experiment.train())
    list(experiment.train())
    experiment.finish()
    assert calls == [12, 12, 24, 36, 48]
    assert weights(tmp_path / "r") == whole(tmp_path / "whole")
    assert [line["step"] for line in experiment.run.history()] == [12, 24, 36, 48]


@pytest.mark.parametrize("steps", [1, 12, 15])
def test_left_early_it_is_finished_with_the_weights_that_it_has(steps: int, tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r")
    assert len(list(islice(experiment.train(), steps))) == steps
    result = experiment.finish()
    assert experiment.finish() == result
    run = lb.load(tmp_path / "r", "cpu")
    assert all(torch.equal(one, other) for one, other in zip(run.vae.parameters(), experiment.run.vae.parameters(), strict=True))
    assert lb.mean_bound(run.vae, run.read().test).bound == result["test"]["bound"]
    assert result["epochs"] == steps // 12
    assert result["images_per_second"] > 0
    with pytest.raises(RunError, match=r"was left to others, or begun anew; go on with lb.Experiment.resume"):
        list(experiment.train())
    resumed(tmp_path / "r")
    assert weights(tmp_path / "r") == whole(tmp_path / "whole")


def test_of_no_step_there_is_nothing_to_finish(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r")
    with pytest.raises(RunError, match="no step was taken yet"):
        experiment.finish()
    list(experiment.train())
    assert experiment.finish()["epochs"] == 4
    assert list(experiment.train()) == []


def test_begun_again_the_folder_is_the_new_ones(tmp_path: Path) -> None:
    first = begun(tmp_path / "r")
    records = first.train()
    next(records)
    with pytest.raises(RunError, match="holds a run already"):
        begun(tmp_path / "r")
    second = Experiment.begin(first.run.recipe, tmp_path / "r", device="cpu", overwrite=True)
    for act in (lambda: next(records), first.save, first.finish, lambda: next(first.train())):
        with pytest.raises(RunError, match="was left to others, or begun anew"):
            act()
    first.close()
    list(second.train())
    second.finish()
    assert weights(tmp_path / "r") == whole(tmp_path / "whole")


def test_resumed_by_the_process_that_left_it(tmp_path: Path) -> None:
    first = begun(tmp_path / "r")
    list(islice(first.train(), 15))
    first.save()
    resumed(tmp_path / "r")
    assert weights(tmp_path / "r") == whole(tmp_path / "whole")


def test_another_thread_is_kept_out_until_it_is_closed(tmp_path: Path) -> None:
    first = begun(tmp_path / "r")
    with ThreadPoolExecutor(1) as elsewhere:
        with pytest.raises(RunError, match="another training is writing"):
            elsewhere.submit(Experiment.resume, tmp_path / "r", device="cpu").result()
        second = begun(tmp_path / "other")
        second.close()
        first.close()
        elsewhere.submit(lambda: Experiment.resume(tmp_path / "r", device="cpu").close()).result()


def test_a_folder_that_was_removed_by_hand_is_begun_anew(tmp_path: Path) -> None:
    first = begun(tmp_path / "r")
    next(first.train())
    shutil.rmtree(tmp_path / "r")
    second = begun(tmp_path / "r")
    list(second.train())
    second.finish()
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(lambda: Experiment.resume(tmp_path / "r", epochs=5, device="cpu").close()).result()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_a_run_whose_network_was_compiled_is_loaded_plain(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r", epochs=1)
    networks = experiment.run.vae.likelihood
    networks.network = torch.compile(networks.network, backend="eager")
    list(experiment.train())
    experiment.finish()
    run = lb.load(tmp_path / "r", "cpu")
    z = torch.rand(3, run.recipe.latent)
    assert torch.equal(run.vae.decode(z), experiment.run.vae.decode(z))
    assert not any("_orig_mod" in name for name in lb.checkpoint.read(tmp_path / "r" / layout.TRAINING)[0])
