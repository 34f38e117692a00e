"""A training under way: its steps, what is noted and kept between them, and how it steps back from numbers that are not finite."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from lowerbound.data import Dataset
from lowerbound.errors import Diverged, RunError
from lowerbound.evaluation.mean_bound import MeanBound, bound_of_rows, mean_bound
from lowerbound.recipes.networks import products
from lowerbound.recipes.schedules import CONSTANT, schedule
from lowerbound.runs import checkpoint, divergence, layout
from lowerbound.runs.folder import append_metrics, write_metrics
from lowerbound.runs.run import Run
from lowerbound.runs.setup import Setup
from lowerbound.runs.snapshots import TERMS, Progress, Snapshots
from lowerbound.system.interrupts import uninterrupted
from lowerbound.training.batches import fewest, rows_of, steps_an_epoch
from lowerbound.training.finite import LOOK, NotFinite
from lowerbound.training.loop import Record, fit
from lowerbound.training.processes import SAVE
from lowerbound.training.settling import settle
from lowerbound.vae.schedules import Scaled


@runtime_checkable
class Observer(Protocol):
    """Who is to know how a training goes: a report, a tracker. Of several processes only the first tells them."""

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch has ended; ``record`` is its line of ``metrics.jsonl``. After a step back, or a resume, an epoch may come again."""

    def finished(self, run: Run, result: dict[str, Any]) -> None:
        """The run has come to its end; ``result`` is what ``result.json`` will hold. That is written after this has returned."""


@dataclass
class Trainer:
    """The steps of what was set up, from where its state stands. ``notes`` grow while it trains."""

    setup: Setup
    snapshots: Snapshots
    observers: Sequence[Observer] = ()
    progress: Progress = field(default_factory=Progress)
    notes: list[str] = field(init=False)
    latest: dict[str, Any] | None = None  # the last line of the metrics
    _best: dict[str, Tensor] | None = None  # the weights of the best epoch, until they are written
    _saved_at: float = 0.0
    _saved_step: int | None = None  # of what was kept last
    _uncounted: list[Record] = field(default_factory=list)
    _ended: Record | None = None  # the last step of an epoch whose end is not yet noted

    def __post_init__(self) -> None:
        self.notes = [*self.setup.notes]
        self._least = fewest(self.run.vae)

    @property
    def run(self) -> Run:
        """The run that is trained."""
        return self.setup.run

    @property
    def steps_an_epoch(self) -> int:
        """How many steps make an epoch."""
        return steps_an_epoch(len(self.setup.train), self.run.recipe.batch, self._least)

    @property
    def epochs_done(self) -> int:
        """How many epochs are complete."""
        return self.setup.state.step // self.steps_an_epoch

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the best held-out bound is as many epochs ago as the recipe waits."""
        patience, best = self.run.recipe.patience, self.progress.best
        return patience is not None and best is not None and self.epochs_done - best[1] >= patience

    @property
    def is_at_its_end(self) -> bool:
        """Whether no step is left to take, nor an epoch's end to be noted."""
        return self._ended is None and (self.epochs_done >= self.run.recipe.epochs or self.is_out_of_patience)

    # --- steps -----------------------------------------------------------------------------------------

    def train(self) -> Iterator[Record]:
        """Train to the recipe's last epoch, yielding each step's record; epochs are scored, noted and saved.

        Where a number stops being finite it goes on from the last state that was kept, with half the learning rate, and a note.
        A Ctrl-C comes between two steps, and another ``train()`` goes on from there to the same bits; a second one comes at once.
        Errors: Diverged, naming the step and the term, where that has not helped three times; the last good state is kept.
        """
        self._least = fewest(self.run.vae)  # looked at once, and not at each step
        while not self.is_at_its_end:
            try:
                yield from self._train()
            except NotFinite as fault:
                with uninterrupted():
                    self._step_back(fault)

    def _steps(self) -> Iterator[Record]:
        """The steps from where the state stands."""
        recipe, parts = self.run.recipe, self.run.parts
        slower = self._slower
        return fit(
            parts.vae,
            self.setup.train,
            epochs=recipe.epochs,
            batch=recipe.batch,
            objective=parts.objective,
            estimator=parts.estimator,
            loss=parts.loss,
            state=self.setup.state,
            products=products(recipe.precision, parts.vae.device),
            rate=None if recipe.schedule is None and slower == 1 else Scaled(schedule(recipe.schedule or CONSTANT), slower),
            clip=recipe.clip,
            skip=recipe.skip,
            group=self.setup.group,
        )

    def _train(self) -> Iterator[Record]:
        """To the end, or to the end of its patience. Errors: NotFinite."""
        self._saved_at = self.progress.seconds
        if self._ended is not None:  # interrupted amid its end
            self._end_epoch(self._ended)
        steps = self._steps()
        while not self.is_at_its_end:
            with uninterrupted():
                record = self._next(steps)
            if record.ends_epoch:
                self._end_epoch(record)
            elif self._is_due(record):
                self.save()
            yield record

    def _next(self, steps: Iterator[Record]) -> Record:
        """The next step, taken and noted."""
        started = time.perf_counter()
        record = next(steps)
        self._uncounted.append(record)
        self._ended = record if record.ends_epoch else None
        if self.setup.average is not None:
            self.setup.average.update_parameters(self.run.vae)
        if self.run.vae.device.type == "cpu" or len(self._uncounted) >= LOOK:
            self._count()
        self.progress.seconds += time.perf_counter() - started
        return record

    def _count(self) -> None:
        """Add up what the steps since the last count gave; apart from the step, which should wait for nothing."""
        for record in self._uncounted:
            self.progress.sums = [total + mean * record.rows for total, mean in zip(self.progress.sums, record.means.tolist(), strict=True)]
            self.progress.rows += record.rows
            self.progress.skipped += record.skipped
        self._uncounted.clear()

    # --- the end of an epoch ---------------------------------------------------------------------------

    def _end_epoch(self, record: Record) -> None:
        counting = time.perf_counter()
        self._must_be_finite()
        if self.setup.average is not None:
            settle(self.setup.shown, self.setup.train, self.setup.state.seed)
        self._count()  # where there is an accelerator, this is where its work is waited for
        self.progress.seconds += time.perf_counter() - counting
        train = {term: total / self.progress.rows for term, total in zip(TERMS, self.progress.sums, strict=True)}
        line = {"epoch": record.epoch, "step": record.step, "seconds": self.progress.seconds, "skipped": self.progress.skipped}
        held_out = self._score_held_out(record)
        with uninterrupted():
            self.latest = {**line, "train": train, "validation": held_out}
            if self.setup.group.is_rank_zero:
                append_metrics(self.run.folder, self.latest)
                for observer in self.observers:
                    observer.epoch(self.latest)
            self.progress.sums, self.progress.rows, self.progress.skipped, self._ended = Progress().sums, 0, 0, None
        if self._is_due(record):
            self.save()

    def _score_held_out(self, record: Record) -> dict[str, Any] | None:
        """The score of the validation data, its best remembered with the weights. Errors: NotFinite."""
        shown, rows, objective = self.setup.shown, self.setup.validation, self.run.parts.objective
        if not len(rows):
            return None
        found = self.setup.group.broadcast(lambda: asdict(bound_of_rows(shown, rows, objective)))
        if any(math.isnan(found[term]) for term in ("log_likelihood_term", "kl")):
            raise divergence.found(record.step, "the held-out bound")
        best = next((found[term] for term in ("bound", "log_likelihood_term") if math.isfinite(found[term])), None)  # a point has no bound
        if best is not None and (self.progress.best is None or best > self.progress.best[0]):
            self._best = {name: tensor.detach().cpu().clone() for name, tensor in shown.state_dict().items()}
            self.progress.best = best, record.epoch
        return found

    def mean_bound(self, rows: Dataset) -> MeanBound:
        """The bound of ``rows`` under the run's own objective, in nats per example. Errors: Diverged where it is not finite."""
        found = mean_bound(self.setup.shown, rows, objective=self.run.parts.objective)
        if math.isnan(found.log_likelihood_term) or math.isnan(found.kl):
            raise Diverged(f"the bound of {found.rows:,} examples is not finite; look at them, or lower --learning-rate")
        return found

    # --- what is kept ----------------------------------------------------------------------------------

    def save(self) -> None:
        """Keep all that going on needs, and the weights alone. Errors: OutputError; NotFinite where they are not finite."""
        self._count()
        self._must_be_finite()
        if self.setup.group.is_rank_zero:
            checkpoint.save_weights(self.run.folder / layout.WEIGHTS, self.setup.shown)
            self.snapshots.save(self.progress, self.run.recipe.words(), self._best)
        self._best = None
        self._saved_at, self._saved_step = self.progress.seconds, self.setup.state.step

    def keep_up(self) -> None:
        """``save``, unless what was kept last is of this step. Errors: as for ``save``."""
        if self._saved_step != self.setup.state.step:
            self.save()

    def _must_be_finite(self) -> None:
        if not all(torch.isfinite(parameter).all() for parameter in self.run.vae.parameters()):
            raise divergence.found(self.setup.state.step, "a weight")

    def _is_due(self, record: Record) -> bool:
        """Whether the state after this step is to be kept. Of several processes the first's clock decides, and all know a step later."""
        if record.ends_epoch and (record.epoch == self.run.recipe.epochs or self.is_out_of_patience):
            return True
        group = self.setup.group
        if group.is_rank_zero and self.snapshots.is_due(record, self.progress.seconds - self._saved_at):
            group.raise_flag(SAVE)
        return group.flagged(SAVE)

    def take_up(self) -> str:
        """Stand where the last state that was kept stands; its file. Errors: RunError where there is none of this training."""
        self.progress, taken, note = self.snapshots.take_up(self.run.recipe.words())
        self.notes += [] if note is None else [note]
        self._uncounted.clear()
        self._best = self._ended = None
        self._saved_step = self.setup.state.step if taken == layout.TRAINING else None
        return taken

    def history(self) -> list[dict[str, Any]]:
        """The lines of the metrics until the state."""
        return [line for line in self.run.history() if line["epoch"] <= self.epochs_done]

    def keep_final_weights(self) -> list[str]:
        """Put the weights that the run ends with into its model: the best where it had patience, else the last; a note where it cannot."""
        setup, folder, notes = self.setup, self.run.folder, []
        if self.run.recipe.patience is not None and self.progress.best is not None:
            try:
                checkpoint.load_kept(folder / layout.BEST, setup.shown)
                checkpoint.save_weights(folder / layout.WEIGHTS, setup.shown)
            except RunError as error:
                notes = [f"{error}; ended with the last weights in place of the best"]
        if setup.average is not None:
            self.run.vae.load_state_dict(setup.shown.state_dict())
        return notes

    # --- stepping back ---------------------------------------------------------------------------------

    @property
    def _slower(self) -> float:
        """The share of its learning rate that faults have left."""
        return divergence.SLOWING ** len(self.progress.faults)

    def _step_back(self, fault: NotFinite) -> None:
        """Say what was not finite, take up the last state, and go on slower. Errors: Diverged after three times."""
        step, before, saved = fault.step, self.progress.faults, self.progress.seconds
        self._take_up(before)
        at = self.setup.state.step
        note = self._cause(step) or f"step {step:,}: {fault.what} was not finite; {divergence.NOT_AGAIN}"
        self._take_up(before)
        if len(before) == divergence.MOST:
            tried = f"with the learning rate halved {divergence.MOST} times it still was so"
            advice = "look at the data, lower --learning-rate, try --clip 10, or with a gaussian raise --scale"
            raise Diverged(f"{note}; {tried}; {advice}. {self.run.folder} keeps the state after step {at:,}")
        note += f"; went on from step {at:,} with {self._slower * divergence.SLOWING:g} of the learning rate"
        self.progress.faults = [*before, {"step": step, "told": note}]
        self.progress.seconds = saved
        self.notes.append(note)
        self.save()

    def _cause(self, step: int) -> str | None:
        """What is not finite first, as the steps from the state to ``step`` are taken again; None where all is finite."""
        data, batch, seed = self.setup.train, self.run.recipe.batch, self.setup.state.seed
        batches = (rows_of(data, batch, seed, taken, self._least) for taken in range(self.setup.state.step, step))
        return divergence.first(self.run.vae, self._steps(), batches)

    def _take_up(self, faults: list[dict[str, Any]]) -> None:
        """The last state that was kept, with these faults; the folder says no more than that."""
        taken = self.take_up()
        self.progress.faults = faults
        self.setup.group.barrier()
        if self.setup.group.is_rank_zero:
            self.snapshots.settle(taken)
            write_metrics(self.run.folder, self.history())
