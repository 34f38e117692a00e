"""What a recipe's words do to a training under way: its rate, its gradients, its average, its patience, and all resumed to the bit."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from rows import long_if
from trainings import SMALL, begun, resumed, train, weights, whole

from lowerbound.errors import RecipeError, RunError
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.schedules import schedule
from lowerbound.runs import checkpoint, layout
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import load, read_metrics
from lowerbound.runs.setup import set_up
from lowerbound.runs.snapshots import Every
from lowerbound.training.processes import ProcessGroup
from lowerbound.vae import schedules

WORDS: list[dict[str, Any]] = [
    {},
    {"schedule": "cosine"},
    {"schedule": "cosine:6:2"},
    {"schedule": "exponential:0.7"},
    {"schedule": "steps:1:0.5"},
    {"clip": 0.5},
    {"average": 0.9},
    {"patience": 2, "learning_rate": 0.3},
    {"schedule": "cosine:4:1", "clip": 3.0, "skip": 12.0, "average": 0.99, "patience": 3},
    {"objective": "beta-linear:1:3"},
    {"estimator": "score-moving-average", "objective": "elbo:2", "average": 0.9},
    {"semi_supervised": "m2", "labels": "100", "average": 0.9},
    {"semi_supervised": "m2-latents:30:90:0.25:4:1", "labels": "100"},
    {"precision": "bfloat16", "network": "mlp:512"},
    {"bootstrap": 3},
    {"latent": "2-3", "sigma_floor": 0.2},
    {"latent": "2-3", "posterior": "ladder", "skip": 50.0, "average": 0.9},
    {"latent": 1, "levels": "1-1", "network": "conv:2-2", "semi_supervised": "m1", "labels": "100"},
]


#: schedule, clipping, average and patience at once; what an estimator and a second model keep of their own
QUICK = ({}, *WORDS[8:12])


def named(words: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in words.items()) or "usual"


def test_a_bootstrap_learns_from_examples_drawn_with_replacement(tmp_path: Path) -> None:
    each: list[dict[str, Any]] = [{}, {"bootstrap": 1}, {"bootstrap": 1}, {"bootstrap": 2}]
    made = [set_up(Recipe(**{**SMALL, **words}), tmp_path, None, "cpu", ProcessGroup()) for words in each]
    rows = [setup.train.rows.tolist() for setup in made if setup.train.rows is not None]
    assert rows[1] == rows[2] != rows[3]
    assert all(len(some) == len(rows[0]) and {*some} < {*rows[0]} for some in rows[1:])
    assert len({*rows[1]}) / len(rows[0]) == pytest.approx(1 - 1 / 2.718281828, abs=0.04)  # (1 − 1/N)^N are never drawn


@pytest.mark.parametrize("words", long_if(lambda words: words not in QUICK, WORDS), ids=named)
def test_left_anywhere_it_ends_with_the_same_bits(words: dict[str, Any], tmp_path: Path) -> None:
    right = whole(tmp_path / "whole", **words)
    left = begun(tmp_path / "left", **words)
    for steps in (7, 12, 20):  # in mid-epoch, at an end, and again
        list(islice(left.train(), steps - left.state.step))
        left.save()
        left.close()
        left = Experiment.resume(tmp_path / "left", device="cpu")
    list(left.train())
    left.finish()
    assert weights(tmp_path / "left") == right
    history = [
        [{key: value for key, value in line.items() if key != "seconds"} for line in read_metrics(tmp_path / name)]
        for name in ("whole", "left")
    ]
    assert history[0] == history[1]


EXTENDED = [words for words in WORDS if "patience" not in words]


@pytest.mark.parametrize("words", long_if(lambda words: words not in ({}, WORDS[1], WORDS[9]), EXTENDED), ids=named)
def test_extended_it_ends_as_if_longer_from_the_start(words: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe(**{**SMALL, **words})  # a cosine's length is settled by the first number of epochs
    right = whole(tmp_path / "whole", **{**words, "schedule": recipe.schedule, "epochs": 6})
    whole(tmp_path / "longer", **words)
    resumed(tmp_path / "longer", epochs=6)
    assert weights(tmp_path / "longer") == right


# --- words -------------------------------------------------------------------------------------------


def test_schedules_are_what_they_say() -> None:
    cosine = schedule("cosine:20:5")
    assert [cosine(epoch) for epoch in (0.0, 2.5, 5.0, 20.0, 99.0)] == pytest.approx([0, 0.5, 1, 0.01, 0.01])
    assert cosine(12.5) == pytest.approx(0.505)
    assert [schedule("exponential:0.5")(epoch) for epoch in (0.0, 1.0, 2.0)] == [1, 0.5, 0.25]
    assert [schedule("steps:2:0.1")(epoch) for epoch in (0.0, 1.9, 2.0, 4.0)] == pytest.approx([1, 1, 0.1, 0.01])
    assert schedule("constant") == schedules.Constant()
    assert Recipe(schedule="cosine", epochs=7).schedule == "cosine:7"


@pytest.mark.parametrize(
    "words",
    [
        {"schedule": "cosinus"},
        {"schedule": "cosine:5:5"},
        {"schedule": "cosine:nan"},
        {"schedule": "exponential:2"},
        {"schedule": "steps:0"},
        {"clip": 0.0},
        {"clip": float("nan")},
        {"skip": 0.0},
        {"average": 1.0},
        {"average": 0.0},
        {"patience": 0},
        {"patience": 3, "validation": 0},
    ],
    ids=named,
)
def test_words_that_make_no_sense_are_refused(words: dict[str, Any]) -> None:
    with pytest.raises(RecipeError):
        Recipe(**words)


def test_the_rate_follows_its_schedule(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r", schedule="steps:1:0.5", learning_rate=1e-2)
    rates = {record.epoch: experiment.state.optimizer.param_groups[0]["lr"] for record in experiment.train()}
    assert rates == pytest.approx({1: 1e-2, 2: 5e-3, 3: 2.5e-3, 4: 1.25e-3})


def test_gradients_are_clipped(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r", clip=0.25)
    for _ in islice(experiment.train(), 5):
        norm = torch.cat([one.grad.flatten() for one in experiment.run.vae.parameters()]).norm()
        assert float(norm) == pytest.approx(0.25, rel=1e-4)


def test_steps_of_long_gradients_are_left_out_and_counted(tmp_path: Path) -> None:
    """Where a norm is between those of the steps, the longer ones leave all weights as they were."""
    norms = [_norm(experiment) for experiment in [begun(tmp_path / "all")] for _ in islice(experiment.train(), 10)]
    experiment = begun(tmp_path / "r", skip=sorted(norms)[5])
    skipped, before = [], _weights(experiment)
    for record in experiment.train():
        skipped.append(record.skipped)
        assert torch.equal(_weights(experiment), before) == record.skipped == (_norm(experiment) > experiment.run.recipe.skip)
        before = _weights(experiment)
    assert 0 < sum(skipped) < len(skipped)
    assert sum(line["skipped"] for line in experiment.run.history()) == sum(skipped)


def _norm(experiment: Experiment) -> float:
    return float(torch.cat([one.grad.flatten() for one in experiment.run.vae.parameters()]).norm())


def _weights(experiment: Experiment) -> torch.Tensor:
    return torch.cat([one.detach().flatten() for one in experiment.run.vae.parameters()])


def test_the_average_is_that_of_the_weights(tmp_path: Path) -> None:
    experiment, decay = begun(tmp_path / "r", average=0.9), 0.9
    vae, average = experiment.run.vae, None
    for step, _ in enumerate(islice(experiment.train(), 15)):
        now, stays = _weights(experiment), min(decay, (1 + step) / (10 + step))
        average = now if average is None else stays * average + (1 - stays) * now
    experiment.save()
    kept = checkpoint.read(tmp_path / "r" / layout.WEIGHTS)[0]
    found = torch.cat([kept[name].flatten() for name, _ in vae.named_parameters()])
    torch.testing.assert_close(found, average, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found, _weights(experiment))


def test_a_slow_average_follows_a_short_training(tmp_path: Path) -> None:
    bounds = {}
    for name, words in {"slow": {"average": 0.9995}, "last": {}}.items():
        experiment = begun(tmp_path / name, epochs=3, **words)
        list(experiment.train())
        bounds[name] = experiment.trainer.history()[-1]["validation"]["bound"]
    assert bounds["slow"] > bounds["last"] - 0.05 * abs(bounds["last"])


def test_patience_ends_with_the_best_weights(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    experiment = begun(folder, patience=2, epochs=60, learning_rate=0.02)
    list(experiment.train())
    result = experiment.finish()
    bounds = [line["validation"]["bound"] for line in experiment.run.history()]
    best = bounds.index(max(bounds)) + 1
    assert result["epochs"] == len(bounds) == best + 2 < 60
    assert checkpoint.read(folder / layout.BEST)[0].keys() == checkpoint.read(folder / layout.WEIGHTS)[0].keys()
    assert weights(folder)[layout.BEST] == weights(folder)[layout.WEIGHTS]
    loaded = Experiment.begin(Recipe(**{**SMALL, "epochs": best, "learning_rate": 0.02}), tmp_path / "short", device="cpu")
    list(loaded.train())
    assert weights(tmp_path / "short")[layout.WEIGHTS] == weights(folder)[layout.BEST]
    with pytest.raises(RunError, match="out of --patience 2; train anew with more"):
        Experiment.resume(folder, epochs=70, device="cpu")


def test_a_model_without_a_bound_has_patience_with_its_reconstructions(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r", patience=2, posterior="dirac", objective="reconstruction")
    list(experiment.train())
    terms = [line["validation"]["log_likelihood_term"] for line in experiment.run.history()]
    assert experiment.trainer.progress.best == (max(terms), terms.index(max(terms)) + 1)
    assert experiment.finish()["epochs"] == 4


def test_the_best_weights_are_kept_apart(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r", learning_rate=0.3, epochs=5)
    list(experiment.train())
    bounds = [line["validation"]["bound"] for line in experiment.run.history()]
    assert experiment.trainer.progress.best == (max(bounds), bounds.index(max(bounds)) + 1)
    assert checkpoint.read(tmp_path / "r" / layout.BEST)[0].keys() == experiment.run.vae.state_dict().keys()


def test_without_its_best_weights_a_run_ends_with_its_last(tmp_path: Path) -> None:
    experiment = train(Recipe(epochs=9, network="mlp:16", patience=1, learning_rate=0.3), tmp_path / "r")
    (tmp_path / "r" / layout.BEST).write_bytes(b"")
    last = {name: weight.clone() for name, weight in experiment.run.vae.state_dict().items()}
    assert "ended with the last weights" in experiment.finish()["notes"][0]
    assert all(torch.equal(last[name], weight) for name, weight in load(tmp_path / "r").vae.state_dict().items())


def test_without_validation_there_is_no_held_out_curve(tmp_path: Path) -> None:
    experiment = train(Recipe(epochs=1, validation=0), tmp_path / "r")
    assert experiment.run.history()[0]["validation"] is None
    assert experiment.finish()["test"]["rows"] == 179


# --- several processes ---------------------------------------------------------------------------------


def test_of_several_processes_one_asks_once_for_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first asks for all do a step later; until then its clock says so again, which is no second time."""
    trainer = Experiment.begin(Recipe(**SMALL), tmp_path / "r", device="cpu", every=Every(seconds=0.0)).trainer
    for name in ("all_reduce", "broadcast_object_list", "barrier"):  # the other process has nothing to say
        monkeypatch.setattr(torch.distributed, name, lambda *_, **__: None)
    trainer.setup = replace(trainer.setup, group=ProcessGroup(0, 2))
    kept = [record.step for record in islice(trainer.train(), 9) if trainer._saved_at == trainer.progress.seconds]
    assert kept == [2, 4, 6, 8]
