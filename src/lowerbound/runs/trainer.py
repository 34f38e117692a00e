"""A training under way: its steps, what is noted and kept between them, and how it steps back from numbers that are not finite."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import torch
from filelock import FileLock
from torch import Tensor

from lowerbound.data import Dataset
from lowerbound.errors import Diverged
from lowerbound.evaluation.bound import Score, score
from lowerbound.recipes.networks import products
from lowerbound.recipes.schedules import CONSTANT, schedule
from lowerbound.runs import checkpoint, divergence, folder, layout
from lowerbound.runs.setup import Opened
from lowerbound.runs.snapshots import Every, Kept, Progress
from lowerbound.training.batches import rows_of, steps_an_epoch
from lowerbound.training.loop import Record, fit
from lowerbound.training.processes import SAVE
from lowerbound.vae.model import VAE
from lowerbound.vae.schedules import Scaled

SAVE_AFTER = 5.0  # seconds of training at least between states kept at the ends of epochs
SAVE_WITHIN = 120.0  # seconds of training at most between states, also in the middle of an epoch
LOOK = 50  # steps between two looks at an accelerator's numbers, which make it wait


@dataclass
class Underway(Opened):
    """What ``opening`` made, with how far it is; ``notes`` grow while it trains."""

    progress: Progress = field(default_factory=Progress)
    latest: dict[str, Any] | None = None  # the last line of the metrics
    every: Every | None = None
    _lock: FileLock | None = None
    _best: dict[str, Tensor] | None = None  # the weights of the best epoch, until they are written
    _saved_at: float = 0.0
    _uncounted: list[Record] = field(default_factory=list)

    @property
    def steps_an_epoch(self) -> int:
        """How many steps make an epoch."""
        return steps_an_epoch(len(self.train_data), self.run.recipe.batch)

    @property
    def epochs_done(self) -> int:
        """How many epochs are complete."""
        return self.state.step // self.steps_an_epoch

    @property
    def kept(self) -> Kept:
        """What is saved and taken up together."""
        return Kept(self.run.folder, self.run.vae, self.run.parts.estimators, self.average, self.state)

    @property
    def shown(self) -> VAE:
        """The model with the weights that are scored and kept: their moving average, where there is one."""
        return self.run.vae if self.average is None else cast(VAE, self.average.module)

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the best held-out bound is as many epochs ago as the recipe waits."""
        patience, best = self.run.recipe.patience, self.progress.best
        return patience is not None and best is not None and self.epochs_done - best[1] >= patience

    def train(self) -> Iterator[Record]:
        """Train to the recipe's last epoch, yielding each step's record; epochs are scored, noted and saved.

        Where a number stops being finite it goes on from the last state that was kept, with half the learning rate, and a note.
        Errors: Diverged, naming the step and the term, where that has not helped three times; the last good state is kept.
        """
        while self.epochs_done < self.run.recipe.epochs and not self.is_out_of_patience:
            try:
                yield from self._train()
            except divergence.NotFinite as fault:
                self._step_back(fault)

    @property
    def _slower(self) -> float:
        """The share of its learning rate that faults have left."""
        return divergence.SLOWING ** len(self.progress.faults)

    def _steps(self) -> Iterator[Record]:
        """The steps from where the state stands."""
        recipe, parts = self.run.recipe, self.run.parts
        slower = self._slower
        return fit(
            parts.vae,
            self.train_data,
            epochs=recipe.epochs,
            batch=recipe.batch,
            objective=parts.objective,
            estimator=parts.estimator,
            loss=parts.loss,
            state=self.state,
            products=products(recipe.precision, parts.vae.device),
            rate=None if recipe.schedule is None and slower == 1 else Scaled(schedule(recipe.schedule or CONSTANT), slower),
            clip=recipe.clip,
            group=self.group,
        )

    def _train(self) -> Iterator[Record]:
        """To the end, or to the end of its patience. Errors: NotFinite."""
        at_once = self.run.vae.device.type == "cpu"
        started = time.perf_counter()
        self._saved_at = self.progress.seconds
        for record in self._steps():
            self._uncounted.append(record)
            if self.average is not None:
                self.average.update_parameters(self.run.vae)
            if at_once or len(self._uncounted) >= LOOK:
                self._count()
            self.progress.seconds += time.perf_counter() - started
            if record.ends_epoch:
                self._end_epoch(record)
            elif self._is_due(record):
                self.save()
            yield record
            if record.ends_epoch and self.is_out_of_patience:
                return
            started = time.perf_counter()

    def _is_due(self, record: Record) -> bool:
        """Whether the state after this step is to be kept. Of several processes the first's clock decides, and all know a step later."""
        if record.ends_epoch and (record.epoch == self.run.recipe.epochs or self.is_out_of_patience):
            return True
        if self.group.is_rank_zero and self._is_time(record):
            self.group.raise_flag(SAVE)
        return self.group.flagged(SAVE)

    def _is_time(self, record: Record) -> bool:
        seconds = self.progress.seconds - self._saved_at
        if self.every is not None:
            return self.every.is_due(record.step, seconds)
        return seconds > (SAVE_AFTER if record.ends_epoch else SAVE_WITHIN)

    def _step_back(self, fault: divergence.NotFinite) -> None:
        """Say what was not finite, take up the last state, and go on slower. Errors: Diverged after three times."""
        step, before, saved = fault.step, self.progress.faults, self.progress.seconds
        self._take_up(before)
        at, rows = self.state.step, len(self.train_data)
        batches = (rows_of(rows, self.run.recipe.batch, self.state.seed, taken) for taken in range(at, step))
        found = divergence.first(self.run.vae, self._steps(), self.train_data, batches)
        told = found or f"step {step:,}: {fault.what} was not finite; {divergence.NOT_AGAIN}"
        self._take_up(before)
        if len(before) == divergence.MOST:
            tried = f"with the learning rate halved {divergence.MOST} times it still was so"
            advice = "look at the data, lower --learning-rate, try --clip 10, or with a gaussian raise --scale"
            raise Diverged(f"{told}; {tried}; {advice}. {self.run.folder} keeps the state after step {at:,}")
        told = f"{told}; went on from step {at:,} with {self._slower * divergence.SLOWING:g} of the learning rate"
        self.progress.faults = [*before, {"step": step, "told": told}]
        self.progress.seconds = saved
        self.notes.append(told)
        self.save()

    def _take_up(self, faults_so_far: list[dict[str, Any]]) -> None:
        """The last state that was kept, with these faults."""
        self.progress, taken, note = self.kept.take_up(self.run.recipe.words())
        self.notes += [] if note is None else [note]
        self.progress.faults = faults_so_far
        self._uncounted.clear()
        self._best = None
        self.group.barrier()
        if self.group.is_rank_zero:
            self.kept.settle(taken)
            folder.write_metrics(self.run.folder, self._history())

    def _history(self) -> list[dict[str, Any]]:
        """The lines of the metrics until the state."""
        return [line for line in self.run.history() if line["epoch"] <= self.epochs_done]

    def _count(self) -> None:
        """Add up what the steps since the last count gave; apart from the step, which should wait for nothing. Errors: NotFinite."""
        divergence.refuse(self._uncounted)
        for record in self._uncounted:
            parts = zip(self.progress.sums, record.means.tolist(), strict=True)
            self.progress.sums = [total + mean * record.rows for total, mean in parts]
            self.progress.rows += record.rows
        self._uncounted.clear()

    def _end_epoch(self, record: Record) -> None:
        counting = time.perf_counter()
        self._must_be_finite()
        self._count()  # where there is an accelerator, this is where its work is waited for
        self.progress.seconds += time.perf_counter() - counting
        bound, log_likelihood, kl = (total / self.progress.rows for total in self.progress.sums)
        train = {"bound": bound, "log_likelihood_term": log_likelihood, "kl": kl}
        validation = self._score_held_out(record)
        line = {"epoch": record.epoch, "step": record.step, "seconds": self.progress.seconds}
        self.latest = {**line, "train": train, "validation": validation}
        if self.group.is_rank_zero:
            folder.append_metrics(self.run.folder, self.latest)
        self.progress.sums, self.progress.rows = Progress().sums, 0
        if self._is_due(record):
            self.save()

    def _score_held_out(self, record: Record) -> dict[str, Any] | None:
        """The score of the validation data, its best remembered with the weights. Errors: NotFinite."""
        if not len(self.validation):
            return None
        found = self.group.broadcast(lambda: asdict(score(self.shown, self.validation, objective=self.run.parts.objective)))
        if any(math.isnan(found[term]) for term in ("log_likelihood_term", "kl")):
            raise divergence.NotFinite(record.step, "the held-out bound")
        best = next((found[term] for term in ("bound", "log_likelihood_term") if math.isfinite(found[term])), None)  # a point has no bound
        if best is not None and (self.progress.best is None or best > self.progress.best[0]):
            self.progress.best = best, record.epoch
            self._best = {name: tensor.detach().cpu().clone() for name, tensor in self.shown.state_dict().items()}
        return found

    def score(self, rows: Dataset) -> Score:
        """The bound of ``rows`` under the run's own objective, in nats a datum. Errors: Diverged where it is not finite."""
        found = score(self.shown, rows, objective=self.run.parts.objective)
        if math.isnan(found.log_likelihood_term) or math.isnan(found.kl):
            raise Diverged(f"the bound of {found.rows:,} data is not finite; look at them, or lower --learning-rate")
        return found

    def save(self) -> None:
        """Keep all that going on needs, and the weights alone. Errors: OutputError; NotFinite where they are not finite."""
        self._count()
        self._must_be_finite()
        if self.group.is_rank_zero:
            checkpoint.save_weights(self.run.folder / layout.WEIGHTS, self.shown)
            self.kept.save(self.progress, self.run.recipe.words(), self._best)
        self._best = None
        self._saved_at = self.progress.seconds

    def _must_be_finite(self) -> None:
        if not all(torch.isfinite(parameter).all() for parameter in self.run.vae.parameters()):
            raise divergence.NotFinite(self.state.step, "a weight")

    def close(self) -> None:
        """Leave the folder to others."""
        if self._lock is not None:
            self._lock.release()
