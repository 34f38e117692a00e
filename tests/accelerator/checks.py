"""What every named model is asked on a device: to learn as on the CPU, to be taken up to the bit, to be evaluated, completed, sampled.

A check takes a model's name and the device, and asserts. None needs pytest, so that benchmarks/accelerator.py asks the same.
"""

from __future__ import annotations

import copy
import importlib.util
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.data.spec import DataSpec
from lowerbound.errors import LowerboundError
from lowerbound.evaluation.mean_bound import _bounds
from lowerbound.interfaces.cli import main
from lowerbound.nn.mode import in_evaluation
from lowerbound.recipes.build import Parts
from lowerbound.recipes.zoo import ZOO
from lowerbound.runs import checkpoint
from lowerbound.system.seeding import seeded, seeded_by_row
from lowerbound.tasks import encode, generate, impute, upscale
from lowerbound.tasks.complete import complete
from lowerbound.training.loop import State
from lowerbound.vae.model import Model
from lowerbound.vae.observation import read

CPU = torch.device("cpu")
EPOCHS = 2
BATCH = 128
LEFT_AFTER = 15  # steps, in the second epoch
ERRORS = 4.0  # standard errors that a difference may have: of a hundred differences one is larger in one run of a hundred and sixty
ROUNDING = 1e-4  # and of a value's size what sums in another order may change, where nothing is drawn
LOOKS = 4  # at each held-out example
EVALUATED, DRAWS = 100, 50


def missing(name: str) -> str | None:
    """Why a model cannot be made on this machine; None where it can."""
    words = ZOO[name].words
    flow = any(str(words.get(part, "")).startswith("flow") for part in ("prior", "posterior"))
    return "zuko is not installed" if flow and importlib.util.find_spec("zuko") is None else None


@dataclass(frozen=True)
class Training:
    """A model of a name, where it is trained, and how far it is."""

    recipe: lb.Recipe
    parts: Parts
    state: State

    @classmethod
    def begun(cls, name: str, device: torch.device) -> Training:
        """With the first weights, the same on each device."""
        recipe = lb.Recipe(**{**ZOO[name].words, "batch": BATCH})
        parts = lb.build(recipe, DataSpec.of(*data()))
        parts.vae.to(device)
        parts.estimators.to(device)
        return cls(recipe, parts, State(lb.Adam(parts.vae.parameters(), recipe.learning_rate)))

    def go_on(self, steps: int | None = None) -> None:
        """Train for so many steps, or to the end. Errors: AssertionError where a number is not finite, or a weight is elsewhere."""
        parts, device = self.parts, self.parts.vae.device
        reported = slice(1, 2) if isinstance(parts.vae.posterior, lb.posteriors.Dirac) else slice(2)  # a point has no bound
        options = {"objective": parts.objective, "estimator": parts.estimator, "loss": parts.loss, "state": self.state}
        for record in islice(lb.fit(parts.vae, data()[0], epochs=EPOCHS, batch=BATCH, **options), steps):
            assert torch.isfinite(record.means[reported]).all(), f"step {record.step}: {record.means.tolist()}"
        for key, tensor in parts.vae.state_dict().items():
            assert tensor.device.type == device.type, f"{key} is on {tensor.device}"

    def weights(self) -> dict[str, Tensor]:
        """All that was learned, and what the estimators remember, on the CPU."""
        both = {**self.parts.vae.state_dict(), **{f"estimator {key}": value for key, value in self.parts.estimators.state_dict().items()}}
        return {key: value.detach().cpu() for key, value in both.items()}


@lru_cache(1)
def data() -> tuple[Dataset, Dataset]:
    """Digits: to train on, and held out."""
    splits = lb.data.load("digits")
    return splits.train, splits.test


@lru_cache(2)
def trained(name: str, device: torch.device) -> Training:
    """A model after its training; the last two are kept."""
    training = Training.begun(name, device)
    training.go_on()
    return training


def on_cpu(training: Training) -> Model:
    """The same model with the same weights, on the CPU."""
    moved: Model = copy.deepcopy(training.parts.vae).to(CPU)
    return moved


@torch.no_grad()
def bounds(vae: Model, training: Training) -> Tensor:
    """The bound of each held-out example, of a point its log p(x|z): the mean over several looks, nats ``(N,)``, on the CPU.

    What is drawn by row is the same on each device, so that little is left of what draws would explain.
    """
    held_out, objective, found = data()[1], training.parts.objective.at(float("inf")), []
    rows, vae = torch.arange(len(held_out)), in_evaluation(vae)
    for look in range(LOOKS):
        with seeded_by_row(rows, look, "bounds", device=vae.device):
            found.append(_bounds(vae, held_out, rows, objective).cpu().double())
    bound, log_likelihood, *_ = torch.stack(found).mean(0)
    return bound if bound.isfinite().all() else log_likelihood


def must_agree(there: Tensor, here: Tensor, what: str) -> None:
    """Raise AssertionError where the mean difference of values of the same examples is more than its standard error explains."""
    difference = there - here
    mean, allowed = float(difference.mean()), ERRORS * _error(difference) + ROUNDING * float(here.abs().mean())
    assert abs(mean) <= allowed, f"{what}: {float(there.mean()):.4f} there, {float(here.mean()):.4f} on the CPU, allowed {allowed:.4f}"


def _error(values: Tensor) -> float:
    """The standard error of their mean."""
    return float(values.std()) / math.sqrt(len(values))


# --- the checks --------------------------------------------------------------------------------------


def learns(name: str, device: torch.device) -> None:
    """Its held-out bound is that of the same weights on the CPU, and that of a training there, but for what draws explain."""
    there, here = trained(name, device), trained(name, CPU)
    found, other = bounds(there.parts.vae, there), bounds(here.parts.vae, here)
    must_agree(found, bounds(on_cpu(there), there), "the bound of the same weights")
    # rounded products, and what is not drawn by row, move the bound of all examples together: by less than a standard error
    apart, allowed = float((found - other).mean()), ERRORS * math.hypot(_error(found), _error(other))
    assert abs(apart) <= allowed, f"trained there {apart:+.3f} nats from what the CPU trained, allowed {allowed:.3f}"


def resumes(name: str, device: torch.device) -> None:
    """Left in its second epoch, written, read and taken up, it ends with the bits of a training that nothing interrupted."""
    whole, first, second = trained(name, device), Training.begun(name, device), Training.begun(name, device)
    first.go_on(LEFT_AFTER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.safetensors"
        checkpoint.save_training(path, first.parts.vae, first.parts.estimators, first.state, {})
        checkpoint.load_training(path, second.parts.vae, second.parts.estimators, second.state)
    assert second.state.step == LEFT_AFTER
    second.go_on()
    ends = whole.weights()
    other = [key for key, value in second.weights().items() if not torch.equal(value, ends[key])]
    assert not other, f"other bits in {', '.join(other)}"


def evaluates(name: str, device: torch.device) -> None:
    """``evaluate`` there says what it says on the CPU of the same weights."""
    training, few = trained(name, device), data()[1].view(torch.arange(EVALUATED))
    there, here = (lb.evaluate(vae, few, samples=DRAWS) for vae in (training.parts.vae, on_cpu(training)))
    assert (there.density is None) == (here.density is None)
    if there.density is not None and here.density is not None:
        must_agree(there.density.log_p, here.density.log_p, there.of)
    error = abs(there.reconstruction_error - here.reconstruction_error)
    assert error <= 1e-3 * here.reconstruction_error, f"reconstruction errors {error} apart"


def completes(name: str, device: torch.device) -> None:
    """``complete`` leaves what was observed as it was; a model that cannot be asked says so there as on the CPU."""
    few = data()[1].view(torch.arange(2))
    observed = torch.ones(len(few), *few.event_shape, dtype=torch.bool)
    observed[..., few.event_shape[-1] // 2 :] = False

    def ask(vae: Model) -> Any:
        return complete(vae, few, observed, 2, samples=40)

    found = _alike(trained(name, device), ask)
    if found is not None:
        assert found.values.shape == (2, *observed.shape)
        assert all(part.isfinite().all() for part in (found.values, found.mean, found.spread))
        assert torch.equal(found.values[:, observed], few[:][observed].expand(2, -1))


def samples(name: str, device: torch.device) -> None:
    """New data, latents, reconstructions, ways between and along latents: all finite, made there, and those of tasks given here."""
    vae, few = trained(name, device).parts.vae, data()[1].view(torch.arange(6))
    with seeded(0, "samples", device=device):
        given = read(vae, few, torch.arange(6), 0).vae
        made = [given.sample(6), given.sample(6, draw=True)]
        latents = encode.encode(vae, few)
        assert latents.device == CPU
        one = given.some(slice(0, 1))
        ends = latents.to(device)
        made += [
            generate.interpolate(one, ends[0], ends[1], 3),
            generate.traverse(one, torch.arange(2, device=device), torch.linspace(-1, 1, 3, device=device)),
        ]
    assert all(one.device.type == device.type and one.isfinite().all() for one in made)
    assert made[0].shape[0] == 6
    assert encode.reconstruct(vae, few).isfinite().all()


def fills(name: str, device: torch.device) -> None:
    """Images made larger and tables filled in, where the model can be asked; else the same refusal as on the CPU."""
    training, few = trained(name, device), data()[1].view(torch.arange(1))
    small = upscale.reduced(few[:], 4)
    holed = few[:].clone()
    holed[..., 0] = torch.nan
    larger = _alike(training, lambda vae: upscale.upscale(vae, small, 4, 1, samples=20))
    filled = _alike(training, lambda vae: impute.impute(vae, holed, 2, samples=40))
    assert larger is None or larger.values.isfinite().all()
    assert filled is None or filled.draws.isfinite().all()


def _alike(training: Training, ask: Callable[[Model], Any]) -> Any:
    """What the model answers there; None where it refuses, as it then does on the CPU."""
    try:
        return ask(training.parts.vae)
    except LowerboundError as refusal:
        try:
            ask(on_cpu(training))
        except type(refusal):
            return None
        raise


def missing_for_commands() -> str | None:
    """Which packages of the command line are not on this machine; None where all are."""
    lacking = [name for name in ("filelock", "jinja2", "platformdirs", "rich", "tomli_w") if importlib.util.find_spec(name) is None]
    return f"{', '.join(lacking)} not installed" if lacking else None


def commands(device: torch.device, folder: Path) -> None:
    """A run is trained on the device by the command line, goes on, and does there all that a run of images can."""
    run = str(folder / "run")
    there = ["--device", str(device)]
    for words in (
        ["train", "digits", "--epochs", "1", "--out", run],
        ["resume", run, "--epochs", "2"],
        ["evaluate", run, "--samples", "20"],
        ["sample", run, "--n", "4", "-o", str(folder / "samples.png")],
        ["encode", run, "-o", str(folder / "latents.npz")],
        ["reconstruct", run, "--n", "4", "-o", str(folder / "reconstructed.png")],
        ["decode", run, str(folder / "latents.npz"), "-o", str(folder / "decoded.npy")],
        ["interpolate", run, "--n", "3", "-o", str(folder / "between.png")],
        ["score", run, "--samples", "20", "-o", str(folder / "scores.csv")],
        ["upscale", run, "--n", "1", "--samples", "20", "-o", str(folder / "larger.png")],
        ["complete", run, "--missing", "left", "--n", "2", "--samples", "40", "-o", str(folder / "completed.png")],
    ):
        assert main([*words, *there]) == 0, " ".join(words)
    few = data()[1].view(torch.arange(8))
    regrets = [lb.likelihood_regret(lb.load(run, where).vae, few, steps=5) for where in (str(device), "cpu")]
    must_agree(*regrets, "likelihood regret")


CHECKS: dict[str, Callable[[str, torch.device], None]] = {
    "learns": learns,
    "resumes": resumes,
    "evaluates": evaluates,
    "completes": completes,
    "samples": samples,
    "fills": fills,
}
