"""A run folder, as it is read: recipe, data, weights, metrics, figures; ``load`` is the way in."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from lowerbound import checkpoint, data, devices, recipes
from lowerbound.data import Dataset, Splits
from lowerbound.errors import DataError, OutputError, RunError
from lowerbound.files import reason, to_json, write_json, written
from lowerbound.model import VAE
from lowerbound.recipes import Parts, Recipe

FORMAT = 1  # of the folder; counted up when an older program could not read it

RECIPE = "recipe.toml"
DATA = "data.json"
ENVIRONMENT = "environment.json"
METRICS = "metrics.jsonl"
WEIGHTS = "weights.safetensors"
TRAINING = "checkpoint.safetensors"
RESULT = "result.json"
FIGURES = "figures"
REPORT = "report.html"

LIBRARIES = ("lowerbound", "torch", "numpy", "safetensors", "matplotlib", "pillow", "scikit-learn")


@dataclass(frozen=True)
class Facts:
    """What a model has to know of the data it was made for, so that it can be used without them."""

    event_shape: tuple[int, ...]
    unit_interval: bool
    classes: tuple[str, ...]
    train: int
    validation: int
    test: int
    fingerprint: str
    format: int = FORMAT

    @classmethod
    def of(cls, train: Dataset, validation: Dataset, test: Dataset) -> Facts:
        """The facts of the data that a training uses."""
        low, high = (float(value) for value in train.extremes)
        sizes = len(train), len(validation), len(test)
        return cls(train.event_shape, low >= 0 and high <= 1, train.classes, *sizes, train.fingerprint())

    @property
    def dimensions(self) -> int:
        """D, the number of values of one datum."""
        return int(torch.Size(self.event_shape).numel())


@dataclass(frozen=True)
class Run:
    """A trained, or half-trained, model in its folder; the model is in evaluation mode."""

    folder: Path
    recipe: Recipe
    facts: Facts
    parts: Parts

    @property
    def vae(self) -> VAE:
        """The model."""
        return self.parts.vae

    def read(self, source: str | Path | None = None, data_dir: str | Path | None = None) -> Splits:
        """Data for this model: those it was trained on, or another source, images made alike.

        Errors: DataError where they are gone, or of another shape than the model's.
        """
        if source is None or str(source) == self.recipe.data:
            splits = load_data(self.recipe, data_dir)
        elif data.is_image_folder(source):
            color = "grey" if self.facts.event_shape[0] == 1 else "rgb"
            splits = data.load(source, size=self.recipe.size, color=color, skip_unreadable=self.recipe.skip_unreadable)
        else:
            splits = data.load(source, data_dir=data_dir)
        if splits.train.event_shape != self.facts.event_shape:
            shapes = f"{splits.train.event_shape}, and this run's model is for {self.facts.event_shape}"
            raise DataError(f"the data are of shape {shapes}; give data of that shape")
        return splits

    def environment(self) -> dict[str, Any]:
        """Versions and machine of its training."""
        return _read_json(self.folder / ENVIRONMENT)

    def history(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``, one an epoch."""
        return read_metrics(self.folder)

    def result(self) -> dict[str, Any] | None:
        """The final figures, or None for a run that has not come to its end."""
        path = self.folder / RESULT
        return _read_json(path) if path.is_file() else None


def load(folder: str | Path, device: str = devices.AUTO) -> Run:
    """The run of a folder, its model on ``device``. Errors: RunError where there is none, or it is damaged."""
    folder = Path(folder)
    recipe, facts = describe(folder)
    parts = recipes.build(recipe, facts.event_shape, facts.unit_interval)
    checkpoint.load_weights(folder / WEIGHTS, parts.vae)
    parts.vae.to(devices.choose(device)).eval()
    return Run(folder, recipe, facts, parts)


def describe(folder: Path) -> tuple[Recipe, Facts]:
    """A run's recipe and facts, without its weights. Errors: RunError where the folder is no run."""
    if not (folder / RECIPE).is_file():
        raise RunError(f"{folder} is no run: it has no {RECIPE}; train one with: lowerbound train --out {folder}")
    recipe = Recipe(**recipes.read(folder / RECIPE))
    words = _read_json(folder / DATA)
    if words.get("format", 0) > FORMAT:
        raise RunError(f"{folder} was written by a newer lowerbound; update this one")
    try:
        facts = Facts(**{**words, "event_shape": tuple(words["event_shape"]), "classes": tuple(words["classes"])})
    except (TypeError, KeyError) as error:
        raise RunError(f"{folder / DATA} is damaged ({error}); train again, or copy it anew from where it came") from error
    return recipe, facts


def load_data(recipe: Recipe, data_dir: str | Path | None) -> Splits:
    """The data that a recipe asks for."""
    return data.load(
        recipe.data,
        data_dir=data_dir,
        size=recipe.size,
        color=recipe.color,
        skip_unreadable=recipe.skip_unreadable,
    )


def describe_new(folder: Path, recipe: Recipe, facts: Facts) -> None:
    """Write what a new run is, before its first step."""
    with written(folder / RECIPE) as file:
        file.write(recipes.to_toml(recipe).encode())
    write_json(folder / DATA, asdict(facts))
    write_json(folder / ENVIRONMENT, environment(recipe))


def extend(folder: Path, recipe: Recipe) -> None:
    """Write the recipe anew, with its other number of epochs; what was the end is the end no more."""
    (folder / RESULT).unlink(missing_ok=True)
    with written(folder / RECIPE) as file:
        file.write(recipes.to_toml(recipe).encode())


def clear(folder: Path) -> None:
    """Remove what a run wrote into ``folder``, and nothing that somebody else put there. Errors: OutputError."""
    try:
        for name in (REPORT, RESULT, METRICS, TRAINING, WEIGHTS, ENVIRONMENT, DATA, RECIPE):
            (folder / name).unlink(missing_ok=True)
        for figure in (folder / FIGURES).glob("*"):
            figure.unlink()
    except OSError as error:
        raise OutputError(f"cannot clear {folder}: {reason(error)}") from error


def environment(recipe: Recipe) -> dict[str, Any]:
    """What a figure may depend on besides the recipe: versions, machine, threads."""
    return {
        "seed": recipe.seed,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in LIBRARIES},
        "machine": {
            "system": platform.platform(),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "command": sys.argv,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's metrics; a last line that a crash cut short is left out."""
    path = folder / METRICS
    lines: list[dict[str, Any]] = []
    try:
        for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            lines.append(json.loads(text))
    except (OSError, ValueError):
        pass
    return lines


def append_metrics(folder: Path, line: dict[str, Any]) -> None:
    """One more line. Errors: OutputError."""
    path = folder / METRICS
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(to_json(line) + "\n")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason(error)}") from error


def write_metrics(folder: Path, lines: Sequence[dict[str, Any]]) -> None:
    """The metrics anew, as a whole."""
    with written(folder / METRICS) as file:
        file.write("".join(to_json(line) + "\n" for line in lines).encode())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return value
    except (OSError, ValueError) as error:
        raise RunError(f"{path} is missing or damaged ({error}); train again, or copy it anew from where it came") from error
