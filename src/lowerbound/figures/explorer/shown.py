"""What a page shows: a model and its data, those of a run or one's own, under a name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lowerbound.data import Dataset, DataSpec, dataset_of
from lowerbound.data.python import Source
from lowerbound.runs.run import Run, learned_from
from lowerbound.vae.misfits import other_numbers
from lowerbound.vae.model import Model
from lowerbound.vae.observation import must_admit, must_fit
from lowerbound.vae.parts import must_be_model

#: called with what is being done, in a few words
Progress = Callable[[str], None]


def nobody(_: str) -> None:
    """Nobody asks for progress."""


@dataclass(frozen=True)
class Shown:
    """A model, data to show it by, and what is said of it; draws follow from the ``seed``.

    ``recipe`` has the words of a run, none of another model. Where data are others than those of the training, ``changed`` is how many
    examples there were, and are.
    """

    name: str
    about: str
    vae: Model
    train: Dataset
    test: Dataset
    spec: DataSpec
    seed: int = 0
    recipe: Mapping[str, Any] = field(default_factory=dict)
    changed: tuple[int, int] | None = None

    @property
    def note(self) -> str | None:
        """In words, where data have changed."""
        if self.changed is None:
            return None
        before, now = self.changed
        number = "as many examples, and not the same" if before == now else f"{before:,} examples then, {now:,} now"
        return f"the data of {self.name} have changed since it was trained: {number}; its page shows them as they are now"


def of_run(run: Run, data_dir: str | Path | None = None, progress: Progress = nobody) -> Shown:
    """A run and the data that it was trained on, or what these are now. Errors: DataError where they are gone."""
    progress(f"{run.folder.name}: reading the data")
    splits = run.read(None, data_dir)
    shown = of_data(run, learned_from(run.recipe, splits)[0], splits.test)
    return replace(shown, changed=run.changed(splits))


def of_data(run: Run, train: Dataset, test: Dataset) -> Shown:
    """A run and data that were read for it."""
    recipe = run.recipe
    about = f"{Path(recipe.data).name}, {recipe.network}, {recipe.likelihood}, {recipe.objective}, z of {run.vae.latent} dimensions"
    return Shown(run.folder.resolve().name, about, run.vae, train.pictured, test.pictured, run.spec, recipe.seed, recipe.words())


def of_model(vae: Model, train: Source, test: Source | None = None, name: str = "model") -> Shown:
    """A model of one's own and data in memory (``lb.data.dataset_of``), ``test`` by default those of the training.

    Errors: UsageError for what is no model; DataError and RecipeError where it is none of such data.
    """
    must_be_model(vae, Model)
    seen = _dataset(vae, train)
    held = seen if test is None else _dataset(vae, test)
    for data in (seen, held):
        must_fit(vae, data)
        if vae.event_shape is not None and math.prod(vae.event_shape) != math.prod(data.event_shape):
            raise other_numbers(vae.event_shape, data.event_shape)
        must_admit(vae, data)
    about = f"{len(seen):,} examples, {type(vae.posterior).__name__}, {type(vae.likelihood).__name__}, {type(vae.prior).__name__}"
    return Shown(name, about, vae, seen, held, DataSpec.of(seen, held))


def _dataset(vae: Model, source: Source) -> Dataset:
    """A source in memory, as ``fit`` reads it."""
    rows = vae.examples(source).rows
    return rows if isinstance(rows, Dataset) else dataset_of(source)
