"""A training whose processes come and go: begun by those that are there first, and taken up by all who are there later.

No process can tell which of both it is: a new node counts no restarts, nor do old ones that were stopped to let it in. What is in the
folder says it, and the first process alone looks, since a folder of a network may look different elsewhere for some seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import describe, folder_of, is_begun
from lowerbound.runs.setup import absolute
from lowerbound.runs.snapshots import Every
from lowerbound.runs.trainer import Observer
from lowerbound.system import devices
from lowerbound.training.processes import ProcessGroup


def begun_or_resumed(
    recipe: Recipe,
    folder: str | Path,
    *,
    data_dir: str | Path | None = None,
    device: str = devices.AUTO,
    every: Every | None = None,
    observers: Sequence[Observer] = (),
    group: ProcessGroup | None = None,
) -> Experiment:
    """The run of this recipe in the folder, taken up where its last state stands; where there is none it is begun.

    All processes must see one folder. Errors: those of ``Experiment.begin`` and ``resume``; RunError for another recipe's run.

    >>> import tempfile, lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first = begun_or_resumed(lb.Recipe(data="digits", latent=2, epochs=2), folder, device="cpu")
    ...     _ = next(first.train()), first.save()
    ...     begun_or_resumed(lb.Recipe(data="digits", latent=2, epochs=2), folder, device="cpu").state.step
    1
    """
    folder, group = folder_of(folder), group or ProcessGroup()
    if group.broadcast(lambda: _is_there(folder, recipe)):
        return Experiment.resume(folder, data_dir=data_dir, device=device, every=every, observers=observers, group=group)
    return Experiment.begin(recipe, folder, data_dir=data_dir, device=device, every=every, observers=observers, group=group)


def is_complete(folder: Path, recipe: Recipe) -> bool:
    """Whether the run of this recipe is in the folder and has come to its end."""
    return _is_there(folder, recipe) and (folder / layout.RESULT).is_file()


def _is_there(folder: Path, recipe: Recipe) -> bool:
    """Whether the folder has the run of this recipe; that data stayed on disk because they were large is in the run's alone."""
    if not is_begun(folder):
        return False
    kept, asked = describe(folder)[0], absolute(recipe)
    return kept == (replace(asked, stream=kept.stream) if asked.stream is None else asked)
