"""A run while it is trained: the body of the loop that keeps metrics and checkpoints, and what ends it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from lowerbound import checkpoint, data, devices, diagnosis, report, runs
from lowerbound.calibration import calibrate
from lowerbound.contexts import Label
from lowerbound.data import Dataset, labels
from lowerbound.errors import DataError, Diverged, OutputError, RunError
from lowerbound.evaluation import Score, score
from lowerbound.facts import Facts
from lowerbound.files import make_folder, write_json
from lowerbound.recipes import Recipe
from lowerbound.runs import Run
from lowerbound.semi import Classifier
from lowerbound.training import Record, State, adam, fit, steps_an_epoch
from lowerbound.words import products

SAVE_AFTER = 5.0  # seconds of training at least between checkpoints at the ends of epochs
SAVE_WITHIN = 120.0  # seconds of training at most between checkpoints, also in the middle of an epoch


@dataclass
class Progress:
    """What a checkpoint keeps besides weights and optimiser.

    ``sums`` are those of bound, reconstruction term and KL over the ``rows`` of the epoch under way so
    far; ``seconds`` is the time spent training, without scoring and saving.
    """

    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    rows: int = 0
    seconds: float = 0.0


@dataclass
class Experiment:
    """A run under way. ``begin`` or ``resume`` one, loop over ``train()``, then ``finish()``.

    Between two records it can be left at any moment: ``save()`` keeps all, and ``resume`` goes on to
    the same bits as if nothing had happened.
    """

    run: Run
    train_data: Dataset
    validation: Dataset
    test: Dataset
    state: State
    progress: Progress
    notes: tuple[str, ...] = ()
    latest: dict[str, Any] | None = None  # the last line of the metrics
    _saved_at: float = 0.0
    _uncounted: list[Record] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        recipe: Recipe,
        folder: str | Path,
        *,
        data_dir: str | Path | None = None,
        device: str = devices.AUTO,
        overwrite: bool = False,
    ) -> Experiment:
        """Read the data, make the model, and only then the folder, so that nothing is left behind by a mistake.

        Errors: DataError, RecipeError; RunError where the folder is taken; OutputError where it cannot be made.
        """
        folder = Path(folder)
        recipe = replace(recipe, data=data.located(recipe.data))
        recipe = recipe if recipe.labels_file is None else replace(recipe, labels=data.located(recipe.labels_file))
        recipe = recipe if recipe.types is None else replace(recipe, types=data.located(recipe.types))
        _refuse_taken(folder, overwrite)
        experiment = cls._prepare(recipe, folder, data_dir, device)
        make_folder(folder)
        runs.clear(folder)
        try:
            runs.describe_new(folder, recipe, experiment.run.facts, experiment.run.vae.device)
            experiment.save()
        except OutputError:
            runs.clear(folder)
            with contextlib.suppress(OSError):  # it stays where somebody else's files are in it
                folder.rmdir()
            raise
        return experiment

    @classmethod
    def resume(
        cls,
        folder: str | Path,
        *,
        epochs: int | None = None,
        data_dir: str | Path | None = None,
        device: str = devices.AUTO,
    ) -> Experiment:
        """Take up a run where its last checkpoint stands, if wanted up to another number of epochs.

        Errors: RunError where the run is damaged or already at its end; DataError where its data are not
        the same any more.
        """
        folder = Path(folder)
        recipe, facts = runs.describe(folder)
        recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
        experiment = cls._prepare(recipe, folder, data_dir, device)
        if experiment.run.facts != facts:
            source = f"'{recipe.data}'" + ("" if recipe.labels_file is None else f", or their labels in {recipe.labels_file},")
            raise DataError(f"the data of {source} are not those that {folder} was trained on; bring those back")
        progress = checkpoint.load_training(folder / runs.TRAINING, experiment.run.vae, experiment.run.parts.estimators, experiment.state)
        _refuse_changed(recipe.words(), progress.pop("recipe"), folder)
        experiment.progress = Progress(**progress)
        done = experiment.epochs_done
        if done > recipe.epochs or (done == recipe.epochs and experiment.run.result() is not None):
            raise RunError(f"{folder} already has its {done} epochs; --epochs N goes on to N")
        history = experiment.run.history()
        if len(history) < done:
            raise RunError(
                f"{folder / runs.METRICS} has {len(history)} epochs, and the checkpoint is after {done}; copy it anew from where it came"
            )
        experiment.run.environment()  # wanted by the report at the end: better to know now that it is damaged
        if epochs is not None:
            runs.extend(folder, recipe)
        runs.reopen(folder)
        runs.write_metrics(folder, history[:done])
        return experiment

    @classmethod
    def _prepare(cls, recipe: Recipe, folder: Path, data_dir: str | Path | None, device: str) -> Experiment:
        where = devices.choose(device)
        splits = runs.load_data(recipe, data_dir)
        train, validation = splits.validation(recipe.validation)
        if recipe.batch > len(train):
            raise DataError(f"a batch of {recipe.batch} is larger than the {len(train):,} training data; choose a smaller --batch")
        if not len(splits.test):
            raise DataError(f"'{recipe.data}' has {len(train):,} data: too few to learn from and to test")
        if recipe.semi_supervised is not None:
            train = train if recipe.labels_kept is None else labels.few(train, recipe.labels_kept, recipe.seed)
            labels.must_be_several(train)
        facts = Facts.of(train, validation, splits.test, labels=recipe.takes_labels, schema=splits.schema)
        parts = runs.build(recipe, facts)
        for part in (train, splits.test):
            parts.vae.likelihood.check(part.extremes)
        if isinstance(parts.vae.context, Label) and recipe.semi_supervised is None:
            for part in (train, validation, splits.test):
                labels.must_be_known(part)
        parts.vae.to(where)
        parts.estimators.to(where)
        state = State(adam(parts.vae, recipe.learning_rate), recipe.seed)
        run = Run(folder, recipe, facts, parts)
        return cls(run, train, validation, splits.test, state, Progress(), (*splits.notes, *_missing(train)))

    @property
    def steps_an_epoch(self) -> int:
        """How many steps make an epoch."""
        return steps_an_epoch(len(self.train_data), self.run.recipe.batch)

    @property
    def epochs_done(self) -> int:
        """How many epochs are complete."""
        return self.state.step // self.steps_an_epoch

    def train(self) -> Iterator[Record]:
        """Train to the recipe's last epoch, yielding each step's record; epochs are scored, noted and saved.

        Errors: Diverged, naming the term, where the bound stops being finite; the last good state is kept.
        """
        recipe, parts = self.run.recipe, self.run.parts
        records = fit(
            parts.vae,
            self.train_data,
            epochs=recipe.epochs,
            batch=recipe.batch,
            objective=parts.objective,
            estimator=parts.estimator,
            loss=parts.loss,
            state=self.state,
            products=products(recipe.precision, parts.vae.device),
        )
        started = time.perf_counter()
        for record in records:
            self._uncounted.append(record)
            self.progress.seconds += time.perf_counter() - started
            if record.ends_epoch:
                self._end_epoch(record)
            elif self.progress.seconds - self._saved_at > SAVE_WITHIN:
                self.save()
            yield record
            started = time.perf_counter()

    def _count(self) -> None:
        """Add up what the steps since the last count gave; apart from the step, which should wait for nothing."""
        for record in self._uncounted:
            parts = zip(self.progress.sums, record.means.tolist(), strict=True)
            self.progress.sums = [total + mean * record.rows for total, mean in parts]
            self.progress.rows += record.rows
        self._uncounted.clear()

    def _end_epoch(self, record: Record) -> None:
        counting = time.perf_counter()
        self._count()  # where there is an accelerator, this is where its work is waited for
        self.progress.seconds += time.perf_counter() - counting
        bound, log_likelihood, kl = (total / self.progress.rows for total in self.progress.sums)
        train = {"bound": bound, "log_likelihood_term": log_likelihood, "kl": kl}
        _refuse_infinite(train, record.epoch, self.run.folder)
        validation = asdict(self.score(self.validation)) if len(self.validation) else None
        line = {"epoch": record.epoch, "step": record.step, "seconds": self.progress.seconds}
        self.latest = {**line, "train": train, "validation": validation}
        runs.append_metrics(self.run.folder, self.latest)
        self.progress.sums, self.progress.rows = Progress().sums, 0
        if self.progress.seconds - self._saved_at > SAVE_AFTER or record.epoch == self.run.recipe.epochs:
            self.save()

    def score(self, rows: Dataset) -> Score:
        """The bound of ``rows`` under the run's own objective, in nats a datum. Errors: Diverged where it is not finite."""
        found = score(self.run.vae, rows, objective=self.run.parts.objective)
        _refuse_infinite(asdict(found), self.epochs_done, self.run.folder)
        return found

    def save(self) -> None:
        """Keep all that going on needs, and the weights alone. Errors: OutputError; Diverged where they are not finite."""
        self._count()
        folder, vae = self.run.folder, self.run.vae
        if not all(torch.isfinite(parameter).all() for parameter in vae.parameters()):
            raise Diverged(f"some weights are not finite any more; lower --learning-rate ({folder} keeps the last good state)")
        checkpoint.save_weights(folder / runs.WEIGHTS, vae)
        progress = {**asdict(self.progress), "recipe": self.run.recipe.words()}
        checkpoint.save_training(folder / runs.TRAINING, vae, self.run.parts.estimators, self.state, progress)
        self._saved_at = self.progress.seconds

    def finish(self) -> dict[str, Any]:
        """Score the test data, once, and leave figures and the report; returns what ``result.json`` holds.

        Of a model that classifies one number more is learned, the temperature of its probabilities, from the labels of the validation data.
        """
        seconds = self.progress.seconds
        result = {
            "run": str(self.run.folder),
            "epochs": self.epochs_done,
            "test": asdict(self.score(self.test)),
            "seconds": seconds,
            "images_per_second": self.epochs_done * len(self.train_data) / seconds,
            "notes": [f"{found.evidence}; {found.advice}" for found in diagnosis.at_floor(self.run.vae, self.test)],
        }
        if isinstance(self.run.vae, Classifier):
            result[runs.CLASSIFIER] = asdict(calibrate(self.run.vae, self.validation))
        report.write(self.run, self.test, result)
        write_json(self.run.folder / runs.RESULT, result)  # last: a run that has it is complete
        return result


def _missing(data: Dataset) -> list[str]:
    """A note on values that are not there."""
    return [f"{data.holes / data.array.numel():.1%} of all values are missing, and left out of the bound"] if data.holes else []


def _refuse_infinite(train: dict[str, float], epoch: int, folder: Path) -> None:
    bad = [name for name in ("log_likelihood_term", "kl") if math.isnan(train[name]) or math.isinf(train["log_likelihood_term"])]
    if bad:
        raise Diverged(
            f"epoch {epoch}: {bad[0]} is not finite any more; lower --learning-rate, or with a gaussian raise --scale "
            f"({folder} keeps the last good state)"
        )


def _refuse_changed(now: dict[str, Any], then: dict[str, Any], folder: Path) -> None:
    usual = Recipe().words()
    then = {word: usual[word] for word in now if word in usual} | then  # a run from before there was a word has what is usual
    changed = [word for word in now.keys() | then.keys() if word != "epochs" and now.get(word) != then.get(word)]
    if changed:
        word = min(changed)
        raise RunError(
            f"{folder / runs.RECIPE} was changed: {word} was {then.get(word)} and is {now.get(word)}; change it back, or train anew"
        )


def _refuse_taken(folder: Path, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not all((folder / name).is_file() for name in (runs.RECIPE, runs.DATA, runs.ENVIRONMENT)):
        raise RunError(f"{folder} exists and is no run; choose another --out")
    if not overwrite:
        raise RunError(f"{folder} holds a run already; choose another --out, go on with resume, or give --overwrite")
