"""What a recipe's words do to a training under way, what is kept of it, and how it gets past numbers that are not finite."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from lowerbound.errors import DataError, Diverged, RecipeError, RunError, UsageError
from lowerbound.interfaces.cli import main
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.schedules import schedule
from lowerbound.runs import checkpoint, layout, run
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.snapshots import Every
from lowerbound.vae import schedules

SMALL: dict[str, Any] = {"epochs": 4, "network": "mlp:16", "seed": 3}
WORDS: list[dict[str, Any]] = [
    {},
    {"schedule": "cosine"},
    {"schedule": "cosine:6:2"},
    {"schedule": "exponential:0.7"},
    {"schedule": "steps:1:0.5"},
    {"clip": 0.5},
    {"average": 0.9},
    {"patience": 2, "learning_rate": 0.3},
    {"schedule": "cosine:4:1", "clip": 3.0, "average": 0.99, "patience": 3},
    {"objective": "beta-linear:1:3"},
    {"estimator": "score-moving-average", "objective": "elbo:2", "average": 0.9},
    {"semi_supervised": "m2", "labels": "100", "average": 0.9},
    {"precision": "bfloat16", "network": "mlp:512"},
]


def named(words: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in words.items()) or "usual"


def begun(folder: Path, **words: Any) -> Experiment:
    return Experiment.begin(Recipe(**{**SMALL, **words}), folder, device="cpu")


def whole(folder: Path, **words: Any) -> dict[str, bytes]:
    """The weights of a training that nothing interrupted."""
    experiment = begun(folder, **words)
    list(experiment.train())
    experiment.finish()
    return weights(folder)


def weights(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (layout.WEIGHTS, layout.BEST) if (folder / name).exists()}


def resumed(folder: Path, **more: Any) -> Experiment:
    experiment = Experiment.resume(folder, device="cpu", **more)
    list(experiment.train())
    experiment.finish()
    return experiment


# --- exact resume ------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", WORDS, ids=named)
def test_left_anywhere_it_ends_with_the_same_bits(words: dict[str, Any], tmp_path: Path) -> None:
    told = whole(tmp_path / "whole", **words)
    left = begun(tmp_path / "left", **words)
    for steps in (7, 12, 20):  # in mid-epoch, at an end, and again
        list(islice(left.train(), steps - left.state.step))
        left.save()
        left.close()
        left = Experiment.resume(tmp_path / "left", device="cpu")
    list(left.train())
    left.finish()
    assert weights(tmp_path / "left") == told
    history = [
        [{key: value for key, value in line.items() if key != "seconds"} for line in run.read_metrics(tmp_path / name)]
        for name in ("whole", "left")
    ]
    assert history[0] == history[1]


@pytest.mark.parametrize("words", [words for words in WORDS if "patience" not in words], ids=named)
def test_extended_it_ends_as_if_longer_from_the_start(words: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe(**{**SMALL, **words})  # a cosine's length is settled by the first number of epochs
    told = whole(tmp_path / "whole", **{**words, "schedule": recipe.schedule, "epochs": 6})
    whole(tmp_path / "longer", **words)
    resumed(tmp_path / "longer", epochs=6)
    assert weights(tmp_path / "longer") == told


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


def test_the_average_is_that_of_the_weights(tmp_path: Path) -> None:
    experiment, decay = begun(tmp_path / "r", average=0.9), 0.9
    vae, told = experiment.run.vae, None
    for _ in islice(experiment.train(), 15):
        now = torch.cat([one.detach().flatten() for one in vae.parameters()])
        told = now if told is None else decay * told + (1 - decay) * now
    experiment.save()
    kept = checkpoint.read(tmp_path / "r" / layout.WEIGHTS)[0]
    found = torch.cat([kept[name].flatten() for name, _ in vae.named_parameters()])
    torch.testing.assert_close(found, told, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found, torch.cat([one.detach().flatten() for one in vae.parameters()]))


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
    assert experiment.progress.best == (max(terms), terms.index(max(terms)) + 1)
    assert experiment.finish()["epochs"] == 4


def test_patience_wants_held_out_data(tmp_path: Path) -> None:
    import numpy as np

    np.save(tmp_path / "few.npy", np.random.default_rng(0).random((8, 5)))
    with pytest.raises(DataError, match="patience"):
        Experiment.begin(Recipe(data=str(tmp_path / "few.npy"), patience=2, batch=2), tmp_path / "r", device="cpu")


@pytest.mark.parametrize(("word", "told"), [("7", Every(steps=7)), ("30s", Every(seconds=30.0)), ("5m", Every(seconds=300.0))])
def test_how_often_is_read(word: str, told: Every) -> None:
    assert Every.read(word) == told


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


# --- what is kept ------------------------------------------------------------------------------------


def damaged(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 3])
    else:
        path.write_bytes(content[:-50] + bytes([content[-50] ^ 1]) + content[-49:])


@pytest.mark.parametrize("how", ["gone", "cut", "one bit"])
def test_a_damaged_newest_state_falls_back_to_the_one_before(how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = whole(tmp_path / "whole")
    left = begun(tmp_path / "left")
    for steps in (8, 6):
        list(islice(left.train(), steps))
        left.save()
    left.close()
    damaged(tmp_path / "left" / layout.TRAINING, how)
    assert main(["resume", str(tmp_path / "left"), "--device", "cpu"]) == 0
    assert "went on from the checkpoint before it, after step 8" in capsys.readouterr().err
    assert weights(tmp_path / "left") == told


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


def test_the_recipe_of_a_state_is_looked_at_before_its_weights(tmp_path: Path) -> None:
    left = begun(tmp_path / "left", average=0.9)
    left.close()
    path = tmp_path / "left" / layout.RECIPE
    path.write_text(path.read_text().replace("average = 0.9", ""))
    with pytest.raises(RunError, match=r"was changed: average was 0\.9 and is None"):
        Experiment.resume(tmp_path / "left", device="cpu")


@pytest.mark.parametrize(("how", "told"), [("cut", "damaged"), ("weights", "is no state of this training")])
def test_with_neither_state_whole_it_says_so(how: str, told: str, tmp_path: Path) -> None:
    left = begun(tmp_path / "left")
    left.save()
    left.close()
    for name in (layout.TRAINING, layout.BEFORE):
        if how == "weights":
            shutil.copy(tmp_path / "left" / layout.WEIGHTS, tmp_path / "left" / name)
        else:
            damaged(tmp_path / "left" / name, how)
    with pytest.raises(RunError, match=told):
        Experiment.resume(tmp_path / "left", device="cpu")


def test_a_state_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r")
    experiment.close()
    for name in (layout.WEIGHTS, layout.TRAINING, layout.BEFORE):
        with (tmp_path / "r" / name).open("ab") as file:
            file.truncate(2**40)  # a file with a hole, which takes no room
    with pytest.raises(RunError, match="more than the model of this run can have"):
        run.load(tmp_path / "r")
    with pytest.raises(RunError, match="more than the model of this run can have"):
        Experiment.resume(tmp_path / "r", device="cpu")


def test_the_best_weights_are_kept_apart(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r", learning_rate=0.3, epochs=5)
    list(experiment.train())
    bounds = [line["validation"]["bound"] for line in experiment.run.history()]
    assert experiment.progress.best == (max(bounds), bounds.index(max(bounds)) + 1)
    assert checkpoint.read(tmp_path / "r" / layout.BEST)[0].keys() == experiment.run.vae.state_dict().keys()


def test_two_trainings_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = begun(tmp_path / "r")
    list(islice(first.train(), 3))
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir() if path.is_file()}
    for words in (["resume", str(tmp_path / "r")], ["train", "--out", str(tmp_path / "r"), "--overwrite"]):
        assert main(words) == 2
        assert "another training is writing into" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir() if path.is_file()} == before
    list(first.train())
    first.finish()
    resumed(tmp_path / "r", epochs=5)


# --- numbers that are not finite ---------------------------------------------------------------------


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
    assert len(experiment.progress.faults) == 1
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


def test_a_datum_that_is_not_finite_is_named(tmp_path: Path) -> None:
    experiment = begun(tmp_path / "r", likelihood="gaussian")
    experiment.train_data = experiment.train_data.view(torch.arange(len(experiment.train_data)))
    array = experiment.train_data.array.float().div(255)
    array[experiment.train_data.rows[123], 0, 2, 2] = float("nan")
    object.__setattr__(experiment.train_data, "array", array)
    experiment.run.vae.likelihood.admit = lambda values: None  # as if it had gone bad after it was looked at
    with pytest.raises(Diverged, match=r"row 123 has a value that is not; with the learning rate halved 3 times it still was so"):
        list(experiment.train())
    assert [fault["told"].count("row 123") for fault in experiment.progress.faults] == [1, 1, 1]
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
    def train(folder: Path, leave: int | None) -> None:
        experiment = begun(folder)

        def wrong(one: Experiment) -> None:
            with torch.no_grad():
                next(one.run.vae.parameters()).fill_(float("nan"))

        records = experiment.train()
        for record in records:
            if record.step == 17 and not experiment.progress.faults:
                wrong(experiment)
            if experiment.progress.faults and record.step == leave:
                experiment.save()
                experiment.close()
                resumed(folder)
                return
        experiment.finish()

    train(tmp_path / "whole", None)
    train(tmp_path / "left", 20)
    assert weights(tmp_path / "whole") == weights(tmp_path / "left")


def test_a_rate_far_too_large_ends_with_advice_and_a_whole_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "r"
    words = ["train", "--out", str(folder), "--learning-rate", "1e30", "--epochs", "2", "--likelihood", "gaussian", "--device", "cpu"]
    assert main(words) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "is not finite; with the learning rate halved 3 times it still was so" in told
    assert "lower --learning-rate" in told
    assert run.load(folder, "cpu").vae.sample(2).isfinite().all()
    assert len(json.loads(json.dumps(checkpoint.read(folder / layout.TRAINING)[1]))["progress"]["faults"]) == 3
    shutil.rmtree(folder)
