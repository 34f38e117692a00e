"""A run folder, as it is written: what a run is, what is added while it trains, and what is removed."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from lowerbound.errors import OutputError, reason
from lowerbound.recipes import recipe as recipes
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs.data_record import DataRecord
from lowerbound.runs.layout import (
    BEFORE,
    BEST,
    COLUMNS,
    COMING,
    DATA,
    ENVIRONMENT,
    EVALUATION,
    FIGURES,
    LOCK,
    METRICS,
    RECIPE,
    REPORT,
    RESULT,
    TRAINING,
    WEIGHTS,
)
from lowerbound.system.files import to_json, write_json, written

#: the files in there that a report or ``lowerbound plot`` leaves when nobody says otherwise
DRAWN = (
    "curves.png",
    "manifold.png",
    "scatter.png",
    "reconstructions.png",
    "samples.png",
    "traversal.gif",
    "density.png",
    "dimensions.png",
    "scores.png",
    "styles.png",
    "bubbles.png",
    "confusion.png",
    "calibration.png",
)
#: what a training leaves that has come somewhere
EARNED = (REPORT, RESULT, EVALUATION, METRICS, BEST)
#: what a run leaves in its folder, in the order in which it is removed; without the recipe nothing there is a run
WRITTEN = (*EARNED, RECIPE, TRAINING, BEFORE, COMING, WEIGHTS, ENVIRONMENT, COLUMNS, DATA)

LIBRARIES = ("lowerbound", "torch", "numpy", "safetensors", "matplotlib", "pillow", "scikit-learn")


def describe_new(folder: Path, recipe: Recipe, record: DataRecord, device: torch.device) -> None:
    """Write what a new run is, before its first step, but for the recipe, which makes it one."""
    write_json(folder / DATA, record.words())
    if record.spec.schema is not None:
        write_json(folder / COLUMNS, record.spec.schema.words())
    write_json(folder / ENVIRONMENT, environment(recipe, device))


def extend(folder: Path, recipe: Recipe) -> None:
    """Write the recipe: of a new run, or with another number of epochs than before."""
    with written(folder / RECIPE) as file:
        file.write(recipes.to_toml(recipe).encode())


def append_metrics(folder: Path, line: dict[str, Any]) -> None:
    """One more line. Errors: OutputError."""
    path = folder / METRICS
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(to_json(line) + "\n")
            file.flush()
            os.fsync(file.fileno())  # or a state could outlive a loss of power that its metrics do not
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason(error)}") from error


def write_metrics(folder: Path, lines: Sequence[dict[str, Any]]) -> None:
    """The metrics anew, as a whole."""
    with written(folder / METRICS) as file:
        file.write("".join(to_json(line) + "\n" for line in lines).encode())


def environment(recipe: Recipe, device: torch.device) -> dict[str, Any]:
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
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        },
        "command": sys.argv,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


# --- what goes -----------------------------------------------------------------------------------------


def reopen(folder: Path) -> None:
    """What was the end is the end no more, and what was found of these weights will be true of others no more. Errors: OutputError."""
    remove([folder / RESULT, folder / EVALUATION, *unfinished(folder)])


def clear(folder: Path) -> None:
    """Remove what a run wrote into ``folder``, and nothing that somebody else put there. Errors: OutputError."""
    files = [*(folder / name for name in WRITTEN), *(folder / FIGURES / name for name in DRAWN), *unfinished(folder)]
    for path in files:
        if path.is_dir():  # looked at before anything is gone
            raise OutputError(f"cannot clear {folder}: a folder stands where a file is wanted, {path}")
    remove(files)


def unfinished(folder: Path) -> list[Path]:
    """Files that were being written when a training was killed."""
    figures = (path for name in DRAWN for path in (folder / FIGURES).glob(f".{name}.*"))
    return [folder / COMING, *(path for name in WRITTEN for path in folder.glob(f".{name}.*")), *figures]


def rename(path: Path, to: Path) -> None:
    """Another name for a file. Errors: OutputError."""
    try:
        path.replace(to)
    except OSError as error:
        raise OutputError(f"cannot write {to}: {reason(error)}") from error


def remove(files: Sequence[Path]) -> None:
    """Those of some files that are there. Errors: OutputError."""
    for path in files:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot remove {path}: {reason(error)}") from error


def was_only_begun(folder: Path) -> bool:
    """Whether nobody else's file is in there, and no run nor what one has earned: a training was killed as it began, or none was."""
    ours = {LOCK, *WRITTEN, *(path.name for path in unfinished(folder))} - {*EARNED, RECIPE}
    return all(path.name in ours for path in folder.iterdir())
