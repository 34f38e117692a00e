"""A run folder, as it is read: recipe, data, weights, metrics, figures; ``load`` is the way in."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lowerbound import data
from lowerbound.data import Dataset, Schema, Splits, labels
from lowerbound.data.reading import Reading
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, RunError
from lowerbound.evaluation.calibration import UNCALIBRATED, Calibration
from lowerbound.evaluation.evaluation import Evaluation
from lowerbound.evaluation.mean_bound import MeanBound
from lowerbound.recipes import recipe as recipes
from lowerbound.recipes.build import Parts, build
from lowerbound.recipes.likelihoods import OF_COUNTS
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import checkpoint, layout
from lowerbound.runs.data_record import FORMAT, DataRecord
from lowerbound.runs.pulled import is_address, pulled
from lowerbound.runs.readings import damaged, must_be_figures, read_json
from lowerbound.runs.readings import read_metrics as read_metrics
from lowerbound.system import devices, markup
from lowerbound.system.arguments import one_of
from lowerbound.system.seeding import drawn_again
from lowerbound.vae.model import Model

#: how far beyond [0, 1] values may lie, and the share of a run's span that other data have at least, or a note says so
SLACK, NARROW = 0.01, 0.1


@dataclass(frozen=True)
class Run:
    """A trained, or half-trained, model in its folder; the model is in evaluation mode. ``lb.load(folder)`` makes one.

    ``vae`` is the model, ``recipe`` how it was made, ``spec`` what it knows of its data, ``read()`` its data. What is in the folder are
    ``history()``, ``result()`` and ``evaluation()``.

    >>> import tempfile
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     experiment = lb.Experiment.begin(lb.Recipe(data="digits", network="mlp:16", epochs=2), f"{folder}/run")
    ...     _ = list(experiment.train()), experiment.finish()
    ...     run = lb.load(f"{folder}/run")
    ...     run.recipe.network, len(run.history()), run.result()["test"]["rows"], run.vae.sample(16).shape, len(run.read().test)
    ('mlp:16', 2, 179, torch.Size([16, 1, 8, 8]), 179)
    """

    folder: Path
    recipe: Recipe
    record: DataRecord
    parts: Parts

    @property
    def vae(self) -> Model:
        """The model, in evaluation mode."""
        return self.parts.vae

    @property
    def spec(self) -> DataSpec:
        """What the model knows of its data: their shape and range, their classes, a table's columns."""
        return self.record.spec

    def _repr_html_(self) -> str:
        result = self.result()
        test = {} if result is None else {f"test {name}": value for name, value in result["test"].items() if value is not None}
        record, done = self.record, len(self.history())
        examples = f"{record.train:,} training, {record.validation:,} validation, {record.test:,} test"
        known = {"examples": examples, "epochs done": f"{done:,}"}
        return markup.table(f"Run {self.folder}", known | test | self.recipe.words())

    def is_own(self, source: str | Path | None) -> bool:
        """Whether ``source`` (None: not said) is what this run was trained on."""
        return source is None or data.located(str(source)) == self.recipe.data

    def read(
        self,
        source: str | Path | None = None,
        data_dir: str | Path | None = None,
        holes: bool = False,
        small: tuple[int, ...] | None = None,
    ) -> Splits:
        """Data for this model: those it was trained on, or another source, images made alike; NaN in a file only where ``holes`` are.

        Data of the shape ``small``, where it is said, are taken as they are.

        Errors: DataError where they are gone, or of another shape than the model's.
        """
        if source is None or self.is_own(source):
            splits = load_data(self.recipe, data_dir, self.spec)
        else:
            splits = self._read_other(source, data_dir, holes, small)
        return self.suited(splits, self.is_own(source), small)

    def suited(self, splits: Splits, own: bool, small: tuple[int, ...] | None = None) -> Splits:
        """Data that were read for this model, classes numbered as it has them, with a note where they are not ``own`` and of another range.

        Errors: DataError where they are of another shape than the model's, or out of its range.
        """
        if splits.train.event_shape not in (self.spec.event_shape, small):
            shapes = f"{splits.train.event_shape}, and this run's model is for {self.spec.event_shape}"
            raise DataError(f"the data are of shape {shapes}; give data of that shape")
        if not own:
            splits = replace(splits, notes=(*splits.notes, *_unlike(self.spec, splits)))
        self.vae.likelihood.check(splits.train.extremes)
        return splits.relabelled(self.spec.classes) if self.recipe.takes_labels else splits

    def reading(self, own: bool) -> Reading:
        """How files of data for this model are read, its ``own`` or others, where they are read in pieces."""
        recipe, spec = self.recipe, self.spec
        shape = recipe.shape or (spec.event_shape if own and len(spec.event_shape) > 1 else None)
        words = recipe.reading | {"types": None, "missing_as": None, "shape": shape}
        words |= {} if own else {"color": "grey" if spec.event_shape[0] == 1 else "rgb"}
        of_run: dict[str, Any] = {"schema": spec.schema, "counts": _are_counts(recipe, spec.unit), "unit": spec.unit, "white": spec.white}
        return data.reading_of(**words, **of_run, holes=spec.holes, of_run=True, variables=spec.variables)

    def _read_other(self, source: str | Path, data_dir: str | Path | None, holes: bool, small: tuple[int, ...] | None) -> Splits:
        """Data that are not the run's own, by those of its words that the source has."""
        recipe, spec = self.recipe, self.spec
        words = recipe.reading | {"color": "grey" if spec.event_shape[0] == 1 else "rgb"}
        size, _, _ = words.pop("size"), words.pop("types"), words.pop("missing_as")  # a table is read by its schema
        del words["stream"]  # which is about the run's own data: others stay on disk where they are large
        of_run: dict[str, Any] = {"schema": spec.schema, "counts": _are_counts(recipe, spec.unit), "unit": spec.unit, "white": spec.white}
        of_run |= {"of_run": True, "variables": spec.variables}
        options = data.options_of(source, data.reading_of(**words, schema=spec.schema))
        there = {name: value for name, value in words.items() if name in options}
        read = partial(data.load, source, data_dir=data_dir, holes=holes or spec.holes, **of_run, **there)
        if "size" not in options:
            if recipe.shape is not None and small is not None and "shape" in options:
                with contextlib.suppress(DataError):  # of the model's own shape, say
                    return read(shape=small)
            return read()
        if small is not None:
            with contextlib.suppress(DataError):  # of several sizes, say
                splits = read()
                if splits.train.event_shape == small:
                    return splits
        return read(size=size)

    def changed(self, splits: Splits) -> tuple[int, int] | None:
        """Where data that were read for this run are others than those of its training, how many there were and are; else None."""
        record = self.record
        now = DataRecord.of(*learned_from(self.recipe, splits), splits.test, self.recipe.takes_labels, splits.schema)
        if now.fingerprint == record.fingerprint:
            return None
        before, after = (one.train + one.validation + one.test for one in (record, now))
        return before, after

    def environment(self) -> dict[str, Any]:
        """Versions and machine of its training. Errors: RunError for a damaged file."""
        return read_json(self.folder / layout.ENVIRONMENT, "python", "versions", "machine")

    def history(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``, one an epoch, bounds in nats per example. Errors: RunError for a damaged file."""
        return read_metrics(self.folder)

    def result(self) -> dict[str, Any] | None:
        """The final figures, what ``result.json`` holds, or None for a run that has not come to its end.

        Errors: RunError for a damaged file.
        """
        path = self.folder / layout.RESULT
        if not path.is_file():
            return None
        found = read_json(path, "epochs", "seconds", "images_per_second", "test")
        try:
            must_be_figures(found["test"], *MeanBound.__dataclass_fields__)
            return found
        except (TypeError, KeyError, ValueError) as error:
            raise damaged(path, error) from error

    def calibration(self) -> Calibration:
        """The temperature of its classifier, 1 for a run that has not come to its end, or classifies nothing. Errors: RunError."""
        found = (self.result() or {}).get(layout.CLASSIFIER)
        try:
            return UNCALIBRATED if found is None else Calibration.read(found)
        except (TypeError, KeyError, ValueError) as error:
            raise damaged(self.folder / layout.RESULT, error) from error

    def evaluation(self) -> Evaluation | None:
        """What ``lowerbound evaluate`` found on the test data, or None where nobody asked. Errors: RunError for a damaged file."""
        path = self.folder / layout.EVALUATION
        if not path.is_file():
            return None
        try:
            return Evaluation.from_json(read_json(path))
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            raise damaged(path, error) from error


def load(folder: str | Path, device: str = devices.AUTO) -> Run:
    """The run of a folder, or of an address as ``hf:owner/name``, its model on ``device``; see ``runs.pulled``.

    Errors: RunError where there is none, or it is damaged.

    >>> import tempfile
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     experiment = lb.Experiment.begin(lb.Recipe(data="digits", network="mlp:16", epochs=1), f"{folder}/run")
    ...     _ = list(experiment.train()), experiment.finish()
    ...     lb.load(f"{folder}/run").vae.reconstruct(lb.data.load("digits").test[:5]).shape
    torch.Size([5, 1, 8, 8])
    """
    folder = pulled(str(folder)) if is_address(folder) else folder_of(folder)
    recipe, record = describe(folder)
    parts = build(recipe, record.spec)
    checkpoint.load_kept(folder / layout.WEIGHTS, parts.vae)
    parts.vae.to(devices.choose(device)).eval()
    return Run(folder, recipe, record, parts)


def folder_of(folder: str | Path) -> Path:
    """A folder by its path. Errors: UsageError for what is no path."""
    return Path(one_of("folder", folder, str | os.PathLike, "'runs/mine'"))


def is_begun(folder: Path) -> bool:
    """Whether a training has kept something there to go on from."""
    return (folder / layout.RECIPE).is_file() and ((folder / layout.TRAINING).is_file() or (folder / layout.BEFORE).is_file())


def describe(folder: Path) -> tuple[Recipe, DataRecord]:
    """A run's recipe and the record of its data, without its weights. Errors: RunError where the folder is no run."""
    if not (folder / layout.RECIPE).is_file():
        raise RunError(f"{folder} is no run: it has no {layout.RECIPE}; train one with: lowerbound train --out {folder}")
    recipe = Recipe(**recipes.read(folder / layout.RECIPE))
    words = read_json(folder / layout.DATA, "format")
    if isinstance(words["format"], int) and words["format"] > FORMAT:
        raise RunError(f"{folder} was written by a newer lowerbound; update this one")
    try:
        record = DataRecord.read(words)
    except (TypeError, KeyError, ValueError) as error:
        raise damaged(folder / layout.DATA, error) from error
    path = folder / layout.COLUMNS
    if not path.is_file():
        return recipe, record
    try:
        schema = Schema.read(read_json(path, "columns"))
        if record.spec.event_shape != (len(schema.modelled),):
            raise ValueError("columns are missing")
        return recipe, replace(record, spec=replace(record.spec, schema=schema))
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise damaged(path, error) from error


def _are_counts(recipe: Recipe, unit: int | None) -> bool:
    """Whether whole numbers are counts: by the likelihood, but of the runs of version 0.1.0, which read them as pixels."""
    return recipe.likelihood in OF_COUNTS and unit in (None, 1)


def _unlike(spec: DataSpec, splits: Splits) -> tuple[str, ...]:
    """A note on data of another range than those of the training. Errors: DataError where those were in [0, 1] and these are not."""
    if spec.schema is not None:
        return ()
    each = torch.stack([part.extremes for part in (splits.train, splits.test) if len(part)])
    low, high, span = float(each[:, 0].min()), float(each[:, 1].max()), spec.high - spec.low
    ranges = f"these data go from {low:.4g} to {high:.4g}, the run's from {spec.low:.4g} to {spec.high:.4g}"
    if spec.unit_interval and (low < -SLACK or high > 1 + SLACK):
        raise DataError(f"{ranges}; bring them to the same range")
    further = low < spec.low - span or high > spec.high + span
    return (ranges,) if further or high - low < NARROW * span else ()


def load_data(recipe: Recipe, data_dir: str | Path | None, spec: DataSpec | None = None, goes_on: DataSpec | None = None) -> Splits:
    """The data that a recipe asks for, with the labels of its file where it names one; read for a model by its ``spec``.

    ``goes_on`` is that of a run whose training goes on: its data are read as they were, a table by its columns, and nothing else of it is
    looked at. What a run read whole is read whole again, and what stayed on disk stays there: which examples are held out depends on it.
    """
    before = spec or goes_on
    unit = None if before is None else before.unit
    known = None if spec is None or len(spec.event_shape) == 1 or not data.has_arrays(recipe.data) else spec.event_shape
    splits = data.load(
        recipe.data,
        data_dir=data_dir,
        holes=spec is None or spec.holes,
        schema=None if before is None else before.schema,
        counts=_are_counts(recipe, unit),
        unit=unit,
        white=None if spec is None else spec.white,
        of_run=spec is not None,
        variables=() if spec is None else spec.variables,
        **(recipe.reading | {"shape": recipe.shape or known, "stream": recipe.stream if before is None else bool(recipe.stream)}),
    )
    return splits if recipe.labels_file is None else labels.of_file(splits, Path(recipe.labels_file))


def learned_from(recipe: Recipe, splits: Splits) -> tuple[Dataset, Dataset]:
    """Training and validation examples of a recipe, the first with as many labels as it keeps, and drawn again where it says so.

    Errors: DataError where nothing would be left to train on.
    """
    train, validation = splits.validation(recipe.validation)
    if recipe.semi_supervised is not None and recipe.labels_kept is not None:
        train = labels.few(train, recipe.labels_kept, recipe.seed)
    return train if recipe.bootstrap is None else train.view(drawn_again(len(train), "bootstrap", recipe.bootstrap)), validation
