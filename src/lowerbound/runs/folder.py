"""A run folder, as it is written: what a run is, what is added while it trains, and what is removed."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from lowerbound.errors import OutputError, RunError, reason
from lowerbound.recipes import recipe as recipes
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs.data_record import DataRecord
from lowerbound.system.files import make_folder, to_json, write_json, written

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
#: what trackers leave, but for what one of them keeps in a folder of its own
TRACKED = ("metrics.csv", "summary.csv", "events.out.tfevents.*", "*.id")
#: what a training leaves that has come somewhere
EARNED = (layout.REPORT, layout.RESULT, layout.EVALUATION, layout.METRICS, layout.BEST)
#: what a run leaves in its folder, in the order in which it is removed; without the recipe nothing there is a run
WRITTEN = (
    *EARNED,
    *(layout.RECIPE, layout.TRAINING, layout.BEFORE, layout.COMING),
    *(layout.WEIGHTS, layout.ENVIRONMENT, layout.COLUMNS, layout.DATA),
)

LIBRARIES = ("lowerbound", "torch", "numpy", "safetensors", "matplotlib", "pillow", "scikit-learn")


# --- whose it is ---------------------------------------------------------------------------------------


def must_be_free(folder: Path, overwrite: bool) -> None:
    """Raise RunError where something is in a folder that a new run may not replace."""
    if not folder.exists():
        return
    if folder.is_dir() and was_only_begun(folder):
        return
    if not all((folder / name).is_file() for name in (layout.RECIPE, layout.DATA)):
        raise RunError(f"{folder} exists and is no run; choose another --out")
    if not overwrite:
        raise RunError(f"{folder} holds a run already; choose another --out, go on with resume, or give --overwrite")


def was_only_begun(folder: Path) -> bool:
    """Whether nobody else's file is in there, and no run nor what one has earned: a training was killed as it began, or none was."""
    ours = {layout.LOCK, *WRITTEN, *(path.name for path in unfinished(folder))} - {*EARNED, layout.RECIPE}
    return all(path.name in ours for path in folder.iterdir())


class FolderLock(FileLock):
    """The lock of a folder, one in a process. Within that it is its ``owner``'s: of the training that took it last."""

    owner: object | None = None

    def leave(self, owner: object) -> None:
        """Let others have the folder, where it is still the owner's."""
        if self.owner is owner:
            self.owner = None
            self.release()


def locked(folder: Path, owner: object, wait: float = 0.0) -> FolderLock:
    """The folder's lock, taken for ``owner``; it goes with the process, however that ends, for which it can ``wait`` some seconds.

    A training of this process and thread that has it, one that was left in a notebook, loses it.
    Errors: RunError where another process's training has it, or another thread's; OutputError.
    """
    lock = FolderLock(folder.resolve() / layout.LOCK, is_singleton=True)
    if lock.is_locked and not Path(lock.lock_file).exists():  # the folder was removed by hand
        lock.release(force=True)
    try:
        if not lock.is_locked:
            lock.acquire(timeout=wait)
        lock.owner = owner
    except Timeout as error:
        raise RunError(f"another training is writing into {folder}; wait for its end, or choose another --out") from error
    except OSError as error:
        raise OutputError(f"cannot write into {folder}: {reason(error)}") from error
    return lock


# --- what is written -----------------------------------------------------------------------------------


@contextmanager
def new_run(folder: Path, recipe: Recipe, record: DataRecord, device: torch.device, overwrite: bool, owner: object) -> Iterator[FolderLock]:
    """A new run's folder, for its first state to be written into it in the block, and the folder's lock, ``owner``'s.

    The recipe comes last: with it the folder is a run. Nothing stays there where anything of it cannot be written.
    Errors: OutputError; RunError where the folder is taken.
    """
    make_folder(folder)
    lock = locked(folder, owner)
    try:
        must_be_free(folder, overwrite)  # of another, meanwhile
        clear(folder)
        _describe(folder, recipe, record, device)
        yield lock
        write_recipe(folder, recipe)
    except OutputError:
        clear(folder)
        (folder / layout.LOCK).unlink(missing_ok=True)
        with suppress(OSError):  # it stays where somebody else's files are in it
            folder.rmdir()
        raise


def _describe(folder: Path, recipe: Recipe, record: DataRecord, device: torch.device) -> None:
    write_json(folder / layout.DATA, record.words())
    if record.spec.schema is not None:
        write_json(folder / layout.COLUMNS, record.spec.schema.words())
    write_json(folder / layout.ENVIRONMENT, environment(recipe, device))


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """The recipe: of a new run, or with another number of epochs than before."""
    with written(folder / layout.RECIPE) as file:
        file.write(recipes.to_toml(recipe).encode())


def append_metrics(folder: Path, line: dict[str, Any]) -> None:
    """One more line. Errors: OutputError."""
    path = folder / layout.METRICS
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(to_json(line) + "\n")
            file.flush()
            os.fsync(file.fileno())  # or a state could outlive a loss of power that its metrics do not
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason(error)}") from error


def write_metrics(folder: Path, lines: Sequence[dict[str, Any]]) -> None:
    """The metrics anew, as a whole."""
    with written(folder / layout.METRICS) as file:
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
    remove([folder / layout.RESULT, folder / layout.EVALUATION, *unfinished(folder)])


def clear(folder: Path) -> None:
    """Remove what a run wrote into ``folder``, and nothing that somebody else put there. Errors: OutputError."""
    files = [*(folder / name for name in WRITTEN), *(folder / layout.FIGURES / name for name in DRAWN), *unfinished(folder)]
    files += [path for pattern in TRACKED for path in (folder / layout.TRACKERS).glob(pattern)]
    for path in files:
        if path.is_dir():  # looked at before anything is gone
            raise OutputError(f"cannot clear {folder}: a folder stands where a file is wanted, {path}")
    remove(files)


def unfinished(folder: Path) -> list[Path]:
    """Files that were being written when a training was killed."""
    figures = (path for name in DRAWN for path in (folder / layout.FIGURES).glob(f".{name}.*"))
    return [folder / layout.COMING, *(path for name in WRITTEN for path in folder.glob(f".{name}.*")), *figures]


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
