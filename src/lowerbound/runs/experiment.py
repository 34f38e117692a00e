"""A run: how its training begins, or is taken up again, and what is left of it at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from lowerbound.data.streams.blocks import streamed
from lowerbound.errors import RunError
from lowerbound.evaluation import diagnosis
from lowerbound.evaluation.calibration import calibrate
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs.folder import FolderLock, locked, must_be_free, new_run, remove, reopen, write_metrics, write_recipe
from lowerbound.runs.run import Run, describe, folder_of
from lowerbound.runs.setup import Setup, absolute, must_be_data_of, set_up
from lowerbound.runs.snapshots import Every, Snapshots
from lowerbound.runs.trainer import Observer, Trainer
from lowerbound.system import devices
from lowerbound.system.arguments import one_of
from lowerbound.system.files import write_json
from lowerbound.training.loop import Record
from lowerbound.training.processes import ProcessGroup, is_elastic
from lowerbound.training.state import State
from lowerbound.vae.semi_supervised import Classifier

#: seconds in which a machine that is cut off loses its lock of a shared folder: NFS takes 90, torchrun 60 to end a training there
LEASE = 120.0


@runtime_checkable
class FromTheStart(Protocol):
    """An observer that is to know of the beginning too, and of each resume."""

    def begun(self, trainer: Trainer) -> None:
        """The folder is a run, and no step was taken since it was begun or taken up. Of several processes only the first says so."""


@dataclass
class Experiment:
    """A run under way. ``begin`` or ``resume`` one, loop over ``train()``, then ``finish()``.

    Between two records it can be left at any moment: ``save()`` keeps all, and ``resume`` goes on to
    the same bits as if nothing had happened. So does ``train()`` once more, also after a Ctrl-C, which comes between two steps. The folder
    is its own until it is finished or closed, or the same process begins or resumes another there.

    >>> import tempfile
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     experiment = lb.Experiment.begin(lb.Recipe(data="digits", network="mlp:16", epochs=2), f"{folder}/run")
    ...     _ = next(experiment.train()), experiment.save()  # one step, and it is left
    ...     again = lb.Experiment.resume(f"{folder}/run")
    ...     steps = [record.step for record in again.train()]
    ...     steps[0], steps[-1], again.finish()["epochs"]
    (2, 24, 2)
    """

    trainer: Trainer
    _lock: FolderLock | None = None
    _finished: dict[str, Any] | None = None  # what result.json holds, of this state
    _token: object = field(default_factory=object)  # by which the lock knows it

    @classmethod
    def begin(
        cls,
        recipe: Recipe,
        folder: str | Path,
        *,
        data_dir: str | Path | None = None,
        device: str = devices.AUTO,
        overwrite: bool = False,
        every: Every | None = None,
        observers: Sequence[Observer] = (),
        group: ProcessGroup | None = None,
    ) -> Experiment:
        """Read the data, make the model, and only then the folder, so that nothing is left behind by a mistake.

        ``every`` says how often a state is kept (by default at the ends of epochs and each two minutes), ``observers`` who is to know of
        each epoch and of the end, and with ``begun(trainer)`` of the beginning, ``group`` which of several processes this is.
        Errors: DataError, RecipeError, UsageError; RunError where the folder is taken; OutputError where it cannot be made.
        """
        recipe = one_of("recipe", recipe, Recipe, "lb.Recipe(data='digits')")
        folder, recipe, group = folder_of(folder), absolute(recipe), group or ProcessGroup()
        group.on_rank_zero(lambda: must_be_free(folder, overwrite))
        experiment = cls(_trainer(set_up(recipe, folder, data_dir, device, group), every, observers))
        group.on_rank_zero(lambda: experiment._make_folder(overwrite))
        return experiment

    @classmethod
    def resume(
        cls,
        folder: str | Path,
        *,
        epochs: int | None = None,
        data_dir: str | Path | None = None,
        device: str = devices.AUTO,
        every: Every | None = None,
        observers: Sequence[Observer] = (),
        group: ProcessGroup | None = None,
    ) -> Experiment:
        """Take up a run where its last state stands, if wanted up to another number of epochs.

        Where the newest state is damaged it is the one before, with a note.
        Errors: RunError where the run is damaged, already at its end, or another training's; DataError where its data are not the same any
        more.
        """
        folder, group = folder_of(folder), group or ProcessGroup()
        recipe, record = describe(folder)
        recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
        setup = set_up(recipe, folder, data_dir, device, group, record.spec)
        must_be_data_of(record, setup, folder)
        experiment = cls(_trainer(setup, every, observers))
        group.on_rank_zero(experiment._lock_folder)
        taken = experiment.trainer.take_up()
        _must_go_on(experiment.trainer)
        _must_stand_together(experiment.trainer)
        group.on_rank_zero(lambda: experiment._reopen(taken, extend=epochs is not None))
        return experiment

    def train(self) -> Iterator[Record]:
        """Train to the recipe's last epoch, yielding each step's record; see ``Trainer.train``.

        Errors: Diverged, OutputError; RunError where the folder is no longer its own.
        """
        records = self.trainer.train()
        while True:
            if not self.trainer.is_at_its_end:
                self._must_be_its_own()
            if (record := next(records, None)) is None:
                return
            yield record

    def save(self) -> None:
        """Keep all that going on needs. Errors: OutputError; Diverged where weights are not finite; RunError as for ``train``."""
        self._must_be_its_own()
        self.trainer.save()

    def finish(self) -> dict[str, Any]:
        """Score the test data, once; returns what ``result.json`` holds.

        A run that had patience ends with its best weights, others with their last, also where it was left before its last epoch. Observers
        know of the end before ``result.json`` is written, which comes last: a run that has it is complete, with all that its observers
        leave. Once more it is what was found.
        Errors: RunError where no step was taken, or the folder is no longer its own.
        """
        if self._finished is not None:
            return self._finished
        self._must_be_its_own()
        if not self.state.step:
            raise RunError("no step was taken yet, of which there is nothing to score; train first: for record in experiment.train(): pass")
        self.trainer.keep_up()
        notes = self.trainer.keep_final_weights()
        remove([self.run.folder / name for name in (layout.EVALUATION, layout.REPORT)])  # of weights on the way here
        result = _result(self.trainer, notes)
        for observer in self.trainer.observers:
            observer.finished(self.run, result)
        write_json(self.run.folder / layout.RESULT, result)
        self._finished = result
        self.close()
        return result

    def close(self) -> None:
        """Leave the folder to others; ``resume`` takes it up again."""
        if self._lock is not None:
            self._lock.leave(self._token)

    def _must_be_its_own(self) -> None:
        """Raise RunError where the folder is another experiment's of this process by now, or was left."""
        if self._lock is not None and self._lock.owner is not self._token:
            folder = self.run.folder
            raise RunError(f"{folder} was left to others, or begun anew; go on with lb.Experiment.resume('{folder}')")

    @property
    def run(self) -> Run:
        """The run that is trained: its folder, recipe and model."""
        return self.trainer.run

    @property
    def state(self) -> State:
        """Where the training stands: its optimizer, seed and step."""
        return self.trainer.setup.state

    @property
    def notes(self) -> list[str]:
        """What a user should know; they grow while it trains."""
        return self.trainer.notes

    @property
    def epochs_done(self) -> int:
        """How many epochs of the training are complete."""
        return self.trainer.epochs_done

    @property
    def latest(self) -> dict[str, Any] | None:
        """The last line of the metrics: of an epoch that ended since it was begun or resumed."""
        return self.trainer.latest

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the best held-out bound is as many epochs ago as the recipe waits."""
        return self.trainer.is_out_of_patience

    def _make_folder(self, overwrite: bool) -> None:
        """The folder, with what the run is and its first state."""
        run = self.run
        with new_run(run.folder, run.recipe, run.record, run.vae.device, overwrite, self._token) as self._lock:
            self.save()
        self._say_begun()

    def _lock_folder(self) -> None:
        """Keep other trainings out."""
        self._lock = locked(self.run.folder, self._token, LEASE if is_elastic() else 0.0)

    def _reopen(self, taken: str, extend: bool) -> None:
        """Let the folder be that of a training which stands where it was taken up."""
        folder, history = self.run.folder, self.trainer.history()
        if extend:
            write_recipe(folder, self.run.recipe)
        self.trainer.snapshots.settle(taken)
        reopen(folder)
        write_metrics(folder, history)
        self._say_begun()

    def _say_begun(self) -> None:
        for observer in self.trainer.observers:
            if isinstance(observer, FromTheStart):
                observer.begun(self.trainer)


def _trainer(setup: Setup, every: Every | None, observers: Sequence[Observer]) -> Trainer:
    """Errors: UsageError for what says not how often, and for an observer that is none."""
    if every is not None:
        one_of("every", every, Every, "lowerbound.runs.snapshots.Every(steps=500)")
    for observer in observers:
        one_of("an observer", observer, Observer, "lowerbound.runs.trainer.Observer, with epoch(record) and finished(run, result)")
    run = setup.run
    return Trainer(setup, Snapshots(run.folder, run.vae, run.parts.estimators, setup.average, setup.state, every), observers)


def _must_go_on(trainer: Trainer) -> None:
    """Raise RunError where a training that was taken up is at its end, or its folder damaged; a note where metrics are lost."""
    folder, recipe, done = trainer.run.folder, trainer.run.recipe, trainer.epochs_done
    result, lines = trainer.run.result(), len(trainer.history())
    if result is not None and trainer.is_out_of_patience:
        raise RunError(f"{folder} ended at epoch {done}, out of --patience {recipe.patience}; train anew with more")
    if done > recipe.epochs or (done == recipe.epochs and result is not None):
        raise RunError(f"{folder} already has its {done} epochs; --epochs N with a larger N goes on to N")
    if lines < done:
        trainer.notes.append(f"{folder / layout.METRICS} has lost {done - lines} of {done} epochs; the curves will lack them")
    trainer.run.environment()  # wanted by the report at the end: better to know now that it is damaged


def _must_stand_together(trainer: Trainer) -> None:
    """Wait for all processes; raise RunError where this one found another state in the folder than the first."""
    own, group, folder = trainer.setup.state.step, trainer.setup.group, trainer.run.folder
    first = group.broadcast(lambda: own)
    if own != first:
        raise RunError(f"{folder} stands at step {own:,} here and at {first:,} where the first process is; let all machines see one folder")
    group.barrier()


def _result(trainer: Trainer, notes: list[str]) -> dict[str, Any]:
    """What ``result.json`` holds: the score of the test data, the pace, and what a user should know.

    Of a model that classifies one number more is learned, the temperature of its probabilities, from the labels of the validation data.
    """
    run, setup, progress = trainer.run, trainer.setup, trainer.progress
    result = {
        "run": str(run.folder),
        "epochs": trainer.epochs_done,
        "test": asdict(trainer.mean_bound(setup.test)),
        "seconds": progress.seconds,
        **({} if (array := streamed(setup.train)) is None else {"seconds_waiting": array.waited}),
        "images_per_second": (trainer.epochs_done * len(setup.train) + progress.rows) / progress.seconds,
        "notes": [*run.record.notes]
        + [fault["told"] for fault in progress.faults]
        + notes
        + [f"{found.evidence}; {found.advice}" for found in diagnosis.scale_at_floor(diagnosis.share_at_floor(run.vae, setup.test))],
    }
    if isinstance(run.vae, Classifier):
        result[layout.CLASSIFIER] = asdict(calibrate(run.vae, setup.validation))
    return result
