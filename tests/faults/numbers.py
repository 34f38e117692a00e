"""Numbers that are not finite, put into data, weights and gradient of a training, which names them and goes on, or stops with all saved."""

from __future__ import annotations

import math
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from faults.outcome import Outcome
from lowerbound.errors import Diverged
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import checkpoint, layout
from lowerbound.runs.experiment import Experiment

VALUES = (math.nan, math.inf, -math.inf)
EPOCHS = 4
RATE = 1e-3


def _begun(folder: Path, seed: int) -> Experiment:
    recipe = Recipe(epochs=EPOCHS, network="mlp:16", seed=seed, likelihood="gaussian", learning_rate=RATE)
    return Experiment.begin(recipe, folder, device="cpu")


def in_weights(place: Path, times: int, seed: int = 6) -> Outcome:
    """A weight, once."""

    def hurt(experiment: Experiment, step: int, value: float, dice: random.Random) -> None:
        def wrong(record_step: int) -> None:
            if record_step == step and not experiment.trainer.progress.faults:
                weight = dice.choice(list(experiment.run.vae.parameters()))
                with torch.no_grad():
                    weight.view(-1)[dice.randrange(weight.numel())] = value

        for record in experiment.train():
            wrong(record.step)

    return _survived(place, times, seed, hurt, "not finite")


def in_gradients(place: Path, times: int, seed: int = 7) -> Outcome:
    """A gradient, whenever this step is taken at the first rate."""

    def hurt(experiment: Experiment, step: int, value: float, dice: random.Random) -> None:
        weight = dice.choice(list(experiment.run.vae.parameters()))
        at = dice.randrange(weight.numel())

        def broken(optimizer: torch.optim.Optimizer, *_: object) -> None:
            if experiment.state.step == step - 1 and optimizer.param_groups[0]["lr"] == RATE:
                weight.grad.view(-1)[at] = value

        experiment.state.optimizer.register_step_pre_hook(broken)
        list(experiment.train())

    return _survived(place, times, seed, hurt, "the gradient of")


def _survived(place: Path, times: int, seed: int, hurt: Callable[[Experiment, int, float, random.Random], None], named: str) -> Outcome:
    outcome, dice = Outcome(), random.Random(seed)
    for number in range(times):
        experiment = _begun(place / f"r{number}", seed=number)
        step = dice.randrange(2, EPOCHS * experiment.trainer.steps_an_epoch - 1)
        hurt(experiment, step, VALUES[number % len(VALUES)], dice)
        experiment.finish()
        notes, whole = " ".join(experiment.notes), all(one.isfinite().all() for one in experiment.run.vae.parameters())
        if len(experiment.trainer.progress.faults) != 1 or not whole:
            outcome.note("not survived", f"step {step}: {notes}")
        elif named in notes and any(f"step {near:,}" in notes for near in (step, step + 1)):
            outcome.note("named with its step, stepped back from, trained to its end")
        else:
            late = "is not finite" in notes or "was not finite" in notes
            outcome.note("noticed when a state was to be kept, stepped back from, trained to its end", None if late else notes)
        shutil.rmtree(place / f"r{number}")
    return outcome


def in_data(place: Path, times: int, seed: int = 8) -> Outcome:
    """An example that has gone bad for good."""
    outcome, dice = Outcome(), random.Random(seed)
    for number in range(times):
        experiment = _begun(place / f"r{number}", seed=number)
        data = experiment.trainer.setup.train
        row = dice.randrange(len(data))
        array = data.array.float().div(255)
        array[data.rows[row], 0, dice.randrange(8), dice.randrange(8)] = VALUES[number % len(VALUES)]
        object.__setattr__(data, "array", array)
        experiment.run.vae.likelihood.admit = lambda values: None  # as if it had gone bad after it was looked at
        try:
            list(experiment.train())
            outcome.note("not noticed", f"row {row}")
        except Diverged as error:
            whole = all(weight.isfinite().all() for weight in checkpoint.read(place / f"r{number}" / layout.WEIGHTS)[0].values())
            good = f"row {row} " in str(error) and "halved 3 times" in str(error) and whole
            outcome.note("its row named, three times stepped back, ended with a whole run", None if good else str(error))
        experiment.close()
        shutil.rmtree(place / f"r{number}")
    return outcome
