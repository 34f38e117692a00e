"""Two real processes, by torchrun and gloo on this machine: they train the model of one process, also when one of them dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lowerbound.data import labels, load
from lowerbound.errors import UsageError
from lowerbound.recipes.contexts import CONTEXTS
from lowerbound.recipes.estimators import ESTIMATORS, OF_CLASSES
from lowerbound.recipes.likelihoods import SCALES
from lowerbound.recipes.networks import CORRUPTIONS
from lowerbound.recipes.objectives import OBJECTIVES
from lowerbound.recipes.posteriors import POSTERIORS
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.zoo import ZOO
from lowerbound.runs import checkpoint, layout
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.setup import set_up
from lowerbound.training.processes import ProcessGroup, joined
from lowerbound.vae.objectives.base import alone

OF_POSTERIOR: dict[str, dict[str, Any]] = {
    "gamma": {"prior": "gamma:1:1"},
    "beta": {"prior": "beta:1:1"},
    "von-mises-fisher": {"prior": "sphere"},
    "dirac": {"objective": "reconstruction"},
    "categorical": {"prior": "categorical", "estimator": "score"},
}
OF_CONTEXT: dict[str, dict[str, Any]] = {"low-resolution": {"given": "low-resolution:2"}}
OF_OBJECTIVE: dict[str, dict[str, Any]] = {name: {"posterior": "dirac"} for name in ("reconstruction", "contractive")}
MODELS: list[dict[str, Any]] = [
    {},
    {"precision": "float32", "network": "conv:4", "likelihood": "gaussian"},
    {"objective": "iwae:3", "estimator": "doubly-reparameterized", "corruption": "masking:0.3", "clip": 1.0, "average": 0.9},
    {"given": "label", "prior": "mixture:3", "batch": 97},  # an odd last batch
    {"latent": "2-3", "prior": "vamp:5", "sigma_floor": 0.01, "average": 0.9},
]


def words(recipe: dict[str, Any], folder: Path) -> list[str]:
    typed = {"epochs": 2, "precision": "float32", "network": "mlp:16", **recipe}
    options = [text for name, value in typed.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    return ["-m", "lowerbound", "train", "digits", "--out", str(folder), "--device", "cpu", *options]


def torchrun(command: list[str], *options: str) -> subprocess.Popen[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.Popen([*launch, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def trained(recipe: dict[str, Any], folder: Path) -> None:
    given = {"epochs": 2, "precision": "float32", "network": "mlp:16", **recipe}
    experiment = Experiment.begin(Recipe(**given), folder, device="cpu")
    list(experiment.train())
    experiment.finish()


@pytest.mark.long
@pytest.mark.parametrize("recipe", MODELS, ids=lambda recipe: " ".join(map(str, recipe.values())) or "usual")
def test_two_processes_train_the_model_of_one(recipe: dict[str, Any], tmp_path: Path) -> None:
    job = torchrun(words(recipe, tmp_path / "two"))
    out, err = job.communicate(timeout=300)
    assert job.returncode == 0, err
    assert out.count("report:") == 1, "only the first process prints"
    trained(recipe, tmp_path / "one")
    one, two = (checkpoint.read(tmp_path / name / layout.WEIGHTS)[0] for name in ("one", "two"))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-3, atol=2e-4, msg=lambda text, name=name: f"{name}: {text}")
    bounds = [[line["train"]["bound"] for line in runs.read_metrics(tmp_path / name)] for name in ("one", "two")]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-4)


LEFT = """
import sys
import torch
from lowerbound.training.processes import joined
try:
    with joined("cpu") as (group, _):
        assert (group.rank, group.size) == (torch.distributed.get_rank(), 2)
        for _ in range(100):
            torch.distributed.all_reduce(torch.ones(3))
        if sys.argv[1] == "interrupted":
            raise KeyboardInterrupt
except KeyboardInterrupt:
    pass
assert not torch.distributed.is_initialized()
"""


@pytest.mark.parametrize("ending", ["done", pytest.param("interrupted", marks=pytest.mark.long)])
def test_processes_that_end_leave_no_threads_at_work(ending: str, tmp_path: Path) -> None:
    """One that held a tensor when Python ended would abort the process: of such jobs one in five failed, all of its work done."""
    (tmp_path / "left.py").write_text(LEFT)
    job = torchrun([str(tmp_path / "left.py"), ending])
    _, err = job.communicate(timeout=120)
    assert job.returncode == 0, err


WORDS: list[dict[str, Any]] = [
    *({"estimator": name, "objective": "elbo:3"} for name in ESTIMATORS if name not in ("rejection", *OF_CLASSES)),
    *({"estimator": name, "prior": "categorical", "posterior": "categorical"} for name in OF_CLASSES),
    {"estimator": "rejection", "prior": "gamma:1:1", "posterior": "gamma"},
    *({"posterior": name, **OF_POSTERIOR.get(name, {})} for name in POSTERIORS),
    *({"given": name, **OF_CONTEXT.get(name, {})} for name in CONTEXTS),
    *({"corruption": name} for name in CORRUPTIONS),
    *({"objective": name, **OF_OBJECTIVE.get(name, {})} for name in OBJECTIVES),
    *({"likelihood": "gaussian", "scale": name} for name in SCALES),
    *({"prior": name} for name in ("mixture:3", "vamp:3", "flow")),
]


#: models of the zoo whose loss looks at a batch as a whole, and what it is that does
WHOLE = {
    "beta-tcvae": "the objective total-correlation:6",  # each draw meets the posteriors of all the examples
    "info-vae": "the objective mmd:500",  # each pair of draws counts
    "sigma-vae": "the scale optimal",  # σ is that of the batch's residuals
    "super-resolution-vae": "the scale optimal",
    "m2": "m2",  # classes are to be as frequent in the batch as p(y) has them
    "m2-latents": "m2-latents",  # as m2
    "m1m2": "m1m2",  # as m2
}


class Shares:
    """A model as several processes have it, all of them played here one after the other."""

    def __init__(self, recipe: Recipe, folder: Path):
        self.run = set_up(recipe, folder, None, "cpu", ProcessGroup(0, 2)).run
        self.data, self.rows = load("digits").train, torch.arange(7)
        if recipe.labels_kept is not None:
            self.data = labels.few(self.data, recipe.labels_kept, recipe.seed)
        self.run.vae.train()

    def gradient(self, group: ProcessGroup, average: Callable[[Tensor], Tensor] = alone) -> Tensor:
        """The gradient of a group's part of the batch, times its weight."""
        parts, (mine,) = self.run.parts, group.shares(self.rows)
        parts.vae.zero_grad()
        objective = parts.objective.at(0.5).of_share(average)
        with group.noise(mine, 1, device=parts.vae.device):
            loss = parts.loss(parts.vae, self.data, mine.rows, objective, parts.estimator)
        (loss.value * mine.weight / len(self.rows)).backward()
        return torch.cat([one.grad.flatten() for one in parts.vae.parameters() if one.grad is not None])

    def sum(self, size: int) -> Tensor:
        """The sum of the gradients of so many processes: each averages over all, what the others have being noted beforehand."""
        groups, noted = [ProcessGroup(rank, size) for rank in range(size)], []
        for group in groups:
            weight = group.shares(self.rows)[0].weight / len(self.rows)
            self.gradient(group, lambda means, weight=weight: noted.append(means.detach() * weight) or means)
        return sum(self.gradient(group, lambda means: means + (sum(noted) - means.detach())) for group in groups)

    def error(self, size: int) -> float:
        """How far the sum is from the gradient of one process, over that one's norm."""
        whole = self.gradient(ProcessGroup())
        return float((self.sum(size) - whole).norm() / whole.norm())


@pytest.mark.parametrize("size", [pytest.param(2, marks=pytest.mark.long), 3])
@pytest.mark.parametrize("name", [name for name in ZOO if name not in WHOLE])
def test_several_processes_give_the_gradient_of_one_for_every_named_model(name: str, size: int, tmp_path: Path) -> None:
    recipe = Recipe(**{**ZOO[name].words, "precision": "float32", "batch": 7})
    assert Shares(recipe, tmp_path).error(size) < 1e-5


@pytest.mark.parametrize("name", WHOLE)
def test_named_models_that_look_at_a_batch_as_a_whole_are_refused_with_what_does(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"{WHOLE[name]}.* looks at a batch as a whole"):
        set_up(Recipe(**ZOO[name].words), tmp_path, None, "cpu", ProcessGroup(0, 2))


@pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(map(str, words.values())))
def test_gradients_of_shares_add_up_to_that_of_the_batch_or_are_refused(words: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe(**{"latent": 3, "network": "mlp:16", "precision": "float32", **words})
    if can_be_shared(recipe, tmp_path):
        assert Shares(recipe, tmp_path).error(2) < 1e-5


def test_of_fewer_examples_than_processes_some_have_no_weight(tmp_path: Path) -> None:
    shares = Shares(Recipe(latent=3, network="mlp:16", precision="float32", objective="free-bits:0.5"), tmp_path)
    shares.rows = torch.arange(2)
    assert shares.error(3) < 1e-5


def can_be_shared(recipe: Recipe, folder: Path) -> bool:
    try:
        set_up(recipe, folder, None, "cpu", ProcessGroup(0, 2))
    except UsageError:
        return False
    return True


def test_what_cannot_be_shared_looks_at_a_whole_batch(tmp_path: Path) -> None:
    recipes = {" ".join(map(str, words.values())): Recipe(**{"latent": 3, "network": "mlp:16", **words}) for words in WORDS}
    refused = {name for name, recipe in recipes.items() if not can_be_shared(recipe, tmp_path)}
    assert refused == {"score-moving-average elbo:3", "total-correlation", "mmd", "gaussian optimal"}


@pytest.mark.parametrize("microbatches", [None, 7, 12])
@pytest.mark.parametrize(("size", "rows"), [(1, 5), (2, 5), (3, 2), (4, 128), (7, 100)])
def test_shares_make_up_the_batch(size: int, rows: int, microbatches: int | None) -> None:
    batch = torch.arange(rows)
    of_each = [ProcessGroup(rank, size, microbatches).shares(batch) for rank in range(size)]
    assert all(of_each), "each process has something to compute"
    shares = [share for some in of_each for share in some if share.weight]
    assert torch.equal(torch.cat([share.rows for share in shares]), batch)
    assert all(share.weight == len(share.rows) for share in shares)


def test_microbatches_are_the_same_for_any_number_of_processes() -> None:
    batch = torch.arange(100, 229)
    parts = [
        {share.number: share.rows.tolist() for rank in range(n) for share in ProcessGroup(rank, n, 7).shares(batch)} for n in (1, 2, 3)
    ]
    assert parts[0] == parts[1] == parts[2]
    with pytest.raises(UsageError, match="of 2 microbatches 3 processes cannot each have one"):
        ProcessGroup(0, 3).in_parts(2)


@pytest.mark.long
@pytest.mark.parametrize("option", [["--objective", "total-correlation"], ["--recipe", "m2"], ["--estimator", "score-moving-average"]])
def test_losses_that_need_the_whole_batch_are_refused(option: list[str], tmp_path: Path) -> None:
    job = torchrun(["-m", "lowerbound", "train", "digits", "--out", str(tmp_path / "r"), *option])
    _, err = job.communicate(timeout=300)
    assert job.returncode != 0
    assert "looks at a batch as a whole: " in err
    assert "; train it in one process, without torchrun" in err
    assert not (tmp_path / "r").exists()


@pytest.mark.long
def test_a_refused_training_does_not_go_on_with_another_run(tmp_path: Path) -> None:
    left = Experiment.begin(Recipe(epochs=5, latent=3), tmp_path / "r", device="cpu")
    left.close()
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir() if path.is_file()}
    job = torchrun(words({"latent": 7}, tmp_path / "r"), "--max-restarts", "1")
    _, err = job.communicate(timeout=300)
    assert job.returncode != 0
    assert "holds a run already" in err
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir() if path.is_file()} == before


def test_on_sigterm_all_stop_after_the_same_step_and_save(tmp_path: Path) -> None:
    job = torchrun(words({"epochs": 4000}, tmp_path / "r"))
    metrics, until = tmp_path / "r" / layout.METRICS, time.monotonic() + 200
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= 3):
        assert job.poll() is None, job.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
    for worker in workers(job):
        os.kill(worker, signal.SIGTERM)
    out, _ = job.communicate(timeout=120)
    assert "all is saved. Go on with" in out
    assert checkpoint.read(tmp_path / "r" / layout.TRAINING)[1]["step"] >= 3 * 12


def workers(job: subprocess.Popen[str]) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(job.pid)], capture_output=True, text=True, check=False).stdout
    return [int(number) for number in re.findall(r"\d+", found)]


def killed_one(folder: Path, *options: str) -> subprocess.Popen[str]:
    """A job whose second process was killed during training."""
    job = torchrun([*words({"epochs": 40}, folder), "--save-every", "20"], *options)
    metrics, until = folder / layout.METRICS, time.monotonic() + 200
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= 3):
        assert job.poll() is None, job.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(max(workers(job)), signal.SIGKILL)
    return job


@pytest.mark.long
def test_a_process_that_dies_ends_the_job_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    job = killed_one(tmp_path / "two")
    job.communicate(timeout=120)
    assert job.returncode != 0
    again = torchrun(["-m", "lowerbound", "resume", str(tmp_path / "two"), "--epochs", "42", "--device", "cpu"])
    _, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert runs.load(tmp_path / "two", "cpu").result()["epochs"] == 42


@pytest.mark.long
def test_an_elastic_restart_goes_on_from_the_last_state(tmp_path: Path) -> None:
    job = killed_one(tmp_path / "two", "--max-restarts", "1")
    _, err = job.communicate(timeout=120)
    assert job.returncode == 0, err
    trained({"epochs": 40}, tmp_path / "one")
    lines = runs.read_metrics(tmp_path / "two")
    assert [line["epoch"] for line in lines] == list(range(1, 41))
    one = runs.read_metrics(tmp_path / "one")[-1]["train"]["bound"]
    assert lines[-1]["train"]["bound"] == pytest.approx(one, rel=1e-3)


@pytest.mark.long
def test_an_error_of_the_first_process_is_raised_by_all(tmp_path: Path) -> None:
    trained({}, tmp_path / "r")
    job = torchrun(words({}, tmp_path / "r"))
    _, err = job.communicate(timeout=300)
    assert job.returncode != 0
    assert "is gone" not in err
    assert err.count("holds a run already") == 2


@pytest.mark.parametrize(
    "variables",
    [{"WORLD_SIZE": "abc"}, {"WORLD_SIZE": ""}, {"WORLD_SIZE": "2", "RANK": "5"}, {"WORLD_SIZE": "-2", "RANK": "0"}, {"RANK": "x"}],
)
def test_variables_that_make_no_world_are_told(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="use torchrun"), joined("cpu"):
        pass
