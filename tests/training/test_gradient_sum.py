"""Gradients that are added over microbatches and processes: the same bits for any number of processes, and sent before all are there."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lowerbound as lb
from lowerbound.errors import RecipeError, UsageError
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import checkpoint, layout
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.setup import set_up
from lowerbound.system import threads
from lowerbound.training import gradient_sum
from lowerbound.training.gradient_sum import GradientSum
from lowerbound.training.processes import ProcessGroup, Share
from training.test_processes import torchrun, trained, words

RECIPES: dict[str, dict[str, Any]] = {
    "by hand": {"network": "mlp:32"},
    "autograd": {"network": "conv:4", "likelihood": "gaussian", "clip": 1.0},
    "weighted": {"objective": "iwae:3", "estimator": "doubly-reparameterized", "corruption": "masking:0.3", "average": 0.9},
    "rejection": {"posterior": "gamma", "prior": "gamma:1:1", "batch": 97},
    "chain": {"latent": "2-3", "prior": "vamp:5", "sigma_floor": 0.01},
}


def weights(folder: Path) -> dict[str, Tensor]:
    return checkpoint.read(folder / layout.WEIGHTS)[0]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


# --- any number of processes ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name == "by hand" else pytest.mark.long) for name in RECIPES])
def test_two_processes_give_the_bits_of_one(name: str, tmp_path: Path) -> None:
    recipe = {**RECIPES[name], "microbatches": 6}
    job = torchrun(words(recipe, tmp_path / "two"))
    _, err = job.communicate(timeout=300)
    assert job.returncode == 0, err
    with threads.at_most(1):  # as each of the two has: the sums of some processors' convolutions are cut by threads
        trained(recipe, tmp_path / "one")
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))


@pytest.mark.long
def test_after_a_thousand_steps_one_to_four_processes_have_the_same_bits(tmp_path: Path) -> None:
    recipe = {"network": "mlp:64", "batch": 96, "epochs": 70, "microbatches": 12}
    trained(recipe, tmp_path / "1")
    assert lb.load(tmp_path / "1").history()[-1]["step"] >= 1_000
    for size in (2, 3, 4):
        job = torchrun(words(recipe, tmp_path / str(size)), "--nproc-per-node", str(size))
        _, err = job.communicate(timeout=600)
        assert job.returncode == 0, err
        assert same(weights(tmp_path / "1"), weights(tmp_path / str(size))), f"{size} processes"


@pytest.mark.long
def test_the_number_of_processes_may_change_on_the_way(tmp_path: Path) -> None:
    recipe = {"network": "mlp:32", "microbatches": 6}
    job = torchrun(words(recipe, tmp_path / "several"))
    _, err = job.communicate(timeout=300)
    assert job.returncode == 0, err
    for epochs, size in ((4, 3), (6, 1)):
        job = torchrun(
            ["-m", "lowerbound", "resume", str(tmp_path / "several"), "--epochs", str(epochs), "--device", "cpu"],
            "--nproc-per-node",
            str(size),
        )
        _, err = job.communicate(timeout=300)
        assert job.returncode == 0, err
    trained({**recipe, "epochs": 6}, tmp_path / "one")
    assert same(weights(tmp_path / "one"), weights(tmp_path / "several"))


@pytest.mark.parametrize("name", RECIPES)
def test_the_gradient_of_microbatches_is_that_of_the_batch(name: str, tmp_path: Path) -> None:
    def after(microbatches: int | None) -> list[Tensor]:
        recipe = Recipe(**{"network": "mlp:16", "precision": "float32", **RECIPES[name], "microbatches": microbatches})
        experiment = Experiment.begin(recipe, tmp_path / f"{microbatches}", device="cpu")
        next(experiment.train())
        experiment.close()
        return [weight.grad for weight in experiment.run.vae.parameters() if weight.grad is not None]

    whole, parts = after(None), after(5)
    difference = sum((one - other).square().sum() for one, other in zip(whole, parts, strict=True))
    assert float(difference.sqrt() / sum(one.square().sum() for one in whole).sqrt()) < 1e-5


# --- what looks at a batch as a whole ------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe",
    [
        {"objective": "free-bits:0.5"},
        {"objective": "total-correlation"},
        {"likelihood": "gaussian", "scale": "optimal"},
        {"semi_supervised": "m2", "labels": 100},
    ],
    ids=lambda recipe: " ".join(map(str, recipe.values())),
)
def test_what_needs_the_whole_batch_is_refused(recipe: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"looks at a batch as a whole.*; train it without microbatches"):
        set_up(Recipe(network="mlp:16", microbatches=2, **recipe), tmp_path, None, "cpu", ProcessGroup())


def test_batch_norm_is_refused() -> None:
    made = build(Recipe(network="mlp:16"), (1, 8, 8))
    made.vae.posterior.network.append(nn.BatchNorm1d(4))
    with pytest.raises(UsageError, match="batch norm looks at a batch as a whole"):
        next(iter(lb.fit(made.vae, torch.rand(8, 1, 8, 8), epochs=1, group=ProcessGroup(microbatches=2))))


@pytest.mark.parametrize("microbatches", [0, 200])
def test_numbers_of_microbatches_that_no_batch_has(microbatches: int) -> None:
    with pytest.raises(RecipeError, match="microbatches"):
        Recipe(microbatches=microbatches)


# --- the sum itself ------------------------------------------------------------------------------------


def pair() -> nn.ModuleList:
    torch.manual_seed(0)
    return nn.ModuleList([nn.Linear(3, 2), nn.Linear(2, 1)])


def test_a_weight_without_a_gradient_keeps_none() -> None:
    """As in one process, where an optimizer then leaves it as it is; a gradient of 0 it would follow by its momentum."""
    model, group = pair(), ProcessGroup(microbatches=2)
    total = GradientSum.of(group, model)
    assert total is not None
    total.begin(3)
    for number, rows in enumerate((torch.tensor([0, 1]), torch.tensor([2]))):
        model.zero_grad()
        total.share(Share(rows, len(rows), number), last=number == 1)
        model[1](torch.ones(len(rows), 2)).mean().backward()
        total.end_share(torch.tensor([1.0, 2.0, float(number)]))
    means = total.finish()
    assert [weight.grad is None for weight in model.parameters()] == [True, True, False, False]
    torch.testing.assert_close(model[1].weight.grad, torch.ones(1, 2))
    torch.testing.assert_close(means, torch.tensor([1.0, 2.0, 1 / 3]))


def test_sums_in_double_precision_do_not_depend_on_the_order() -> None:
    """Of 20,000 numbers whose sum in single precision does; each order of four shares gives the same 24 bits."""
    torch.manual_seed(1)
    parts, found = [torch.randn(20_000) * torch.randn(1).exp() for _ in range(4)], []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]):
        model = nn.ParameterList([torch.zeros(20_000)])
        total = GradientSum.of(ProcessGroup(microbatches=4), model)
        assert total is not None
        total.begin(130)
        for place, number in enumerate(order):
            model[0].grad = parts[number].clone()
            total.share(Share(torch.arange(32 + (number < 2)), 32 + (number < 2), number), last=place == 3)
            total.end_share(torch.zeros(3))
        total.finish()
        found.append(model[0].grad)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    single = [sum((parts[number] for number in order), torch.zeros(20_000)) for order in ([0, 1, 2, 3], [3, 1, 0, 2])]
    assert not torch.equal(*single)


class Sent:
    """A collective that is done at once, as if the other process had nothing to add."""

    def wait(self) -> None:
        """Nothing to wait for."""


@pytest.mark.parametrize("network", ["mlp:512", "conv:16"], ids=["by hand", "autograd"])
def test_the_first_gradients_are_sent_before_the_last_are_found(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, data = build(Recipe(data="mnist", network=network), (1, 28, 28)), torch.rand(64, 1, 28, 28)
    events: list[str] = []
    monkeypatch.setattr(gradient_sum, "BUCKET", 2**12)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda *_, **__: events.append("sent") or Sent())
    finish = GradientSum.finish
    monkeypatch.setattr(GradientSum, "finish", lambda self: events.append("finish") or finish(self))
    for _ in islice(lb.fit(made.vae, data, epochs=1, batch=32, group=ProcessGroup(0, 2)), 1):
        pass
    assert events.index("finish") >= 2, "at least two buckets are under way when the backward pass ends"
    assert events.count("sent") == events.index("finish") + 1
