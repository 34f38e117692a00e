"""A run: how its training begins, or is taken up again, and what is left of it at the end."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lowerbound.errors import DataError, OutputError, RunError
from lowerbound.evaluation import diagnosis
from lowerbound.evaluation.calibration import calibrate
from lowerbound.figures import report
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import checkpoint, layout, setup
from lowerbound.runs import folder as folders
from lowerbound.runs import run as runs
from lowerbound.runs.snapshots import Every, locked
from lowerbound.runs.trainer import Underway
from lowerbound.system import devices
from lowerbound.system.files import make_folder, write_json
from lowerbound.training.processes import ProcessGroup
from lowerbound.vae.semi_supervised import Classifier


@dataclass
class Experiment(Underway):
    """A run under way. ``begin`` or ``resume`` one, loop over ``train()``, then ``finish()``.

    Between two records it can be left at any moment: ``save()`` keeps all, and ``resume`` goes on to
    the same bits as if nothing had happened. The folder is its own until it is finished or closed.
    """

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
        group: ProcessGroup | None = None,
    ) -> Experiment:
        """Read the data, make the model, and only then the folder, so that nothing is left behind by a mistake.

        ``every`` says how often a state is kept (by default at the ends of epochs and each two minutes), ``group`` which of several
        processes this is. Errors: DataError, RecipeError; RunError where the folder is taken; OutputError where it cannot be made.
        """
        folder, recipe, group = Path(folder), setup.absolute(recipe), group or ProcessGroup()
        group.on_rank_zero(lambda: setup.must_be_free(folder, overwrite))
        experiment = cls(**vars(setup.opened(recipe, folder, data_dir, device, group)), every=every)
        group.on_rank_zero(lambda: experiment._describe(overwrite))
        return experiment

    def _describe(self, overwrite: bool) -> None:
        """Make the folder, with what the run is and its first weights; nothing of it stays where that fails."""
        run, folder = self.run, self.run.folder
        make_folder(folder)
        self._lock = locked(folder)
        try:
            setup.must_be_free(folder, overwrite)  # of another, meanwhile
            folders.clear(folder)
            folders.describe_new(folder, run.recipe, run.record, run.vae.device)
            self.save()
            folders.extend(folder, run.recipe)  # last: with it the folder is a run
        except OutputError:
            folders.clear(folder)
            (folder / layout.LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # it stays where somebody else's files are in it
                folder.rmdir()
            raise

    @classmethod
    def resume(
        cls,
        folder: str | Path,
        *,
        epochs: int | None = None,
        data_dir: str | Path | None = None,
        device: str = devices.AUTO,
        every: Every | None = None,
        group: ProcessGroup | None = None,
    ) -> Experiment:
        """Take up a run where its last state stands, if wanted up to another number of epochs.

        Where the newest state is damaged it is the one before, with a note. Errors: RunError where the run is damaged, already at its end,
        or another training's; DataError where its data are not the same any more.
        """
        folder, group = Path(folder), group or ProcessGroup()
        recipe, record = runs.describe(folder)
        recipe = recipe if epochs is None else replace(recipe, epochs=epochs)
        experiment = cls(**vars(setup.opened(recipe, folder, data_dir, device, group)), every=every)
        if experiment.run.record != record:
            source = f"'{recipe.data}'" + ("" if recipe.labels_file is None else f", or their labels in {recipe.labels_file},")
            raise DataError(f"the data of {source} are not those that {folder} was trained on; bring those back")
        group.on_rank_zero(experiment._lock_out)
        taken, history = experiment._go_on(), experiment._history()
        group.barrier()
        if epochs is not None:
            group.on_rank_zero(lambda: folders.extend(folder, recipe))
        group.on_rank_zero(lambda: experiment._reopen(taken, history))
        return experiment

    def _lock_out(self) -> None:
        """Keep other trainings out of the folder."""
        self._lock = locked(self.run.folder)

    def _reopen(self, taken: str, history: list[dict[str, Any]]) -> None:
        """Let the folder be that of a training which stands where it was taken up."""
        folder = self.run.folder
        self.kept.settle(taken)
        folders.reopen(folder)
        folders.write_metrics(folder, history)

    def _go_on(self) -> str:
        """Take up the last state; its file. Errors: RunError where it does not go on."""
        folder, recipe = self.run.folder, self.run.recipe
        self.progress, taken, note = self.kept.take_up(recipe.words())
        self.notes += [] if note is None else [note]
        done, result, lines = self.epochs_done, self.run.result(), len(self._history())
        if result is not None and self.is_out_of_patience:
            raise RunError(f"{folder} ended at epoch {done}, out of --patience {recipe.patience}; train anew with more")
        if done > recipe.epochs or (done == recipe.epochs and result is not None):
            raise RunError(f"{folder} already has its {done} epochs; --epochs N goes on to N")
        if lines < done:
            self.notes.append(f"{folder / layout.METRICS} has lost {done - lines} of {done} epochs; the curves will lack them")
        self.run.environment()  # wanted by the report at the end: better to know now that it is damaged
        return taken

    def finish(self) -> dict[str, Any]:
        """Score the test data, once, and leave figures and the report; returns what ``result.json`` holds.

        A run that had patience ends with its best weights, others with their last.
        Of a model that classifies one number more is learned, the temperature of its probabilities, from the labels of the validation data.
        """
        seconds, notes = self.progress.seconds, self._show_last()
        folders.remove([self.run.folder / layout.EVALUATION])  # of weights on the way here
        result = {
            "run": str(self.run.folder),
            "epochs": self.epochs_done,
            "test": asdict(self.score(self.test)),
            "seconds": seconds,
            "images_per_second": self.epochs_done * len(self.train_data) / seconds,
            "notes": notes + [f"{found.evidence}; {found.advice}" for found in diagnosis.scale_at_floor(self.run.vae, self.test)],
        }
        if isinstance(self.run.vae, Classifier):
            result[layout.CLASSIFIER] = asdict(calibrate(self.run.vae, self.validation))
        report.write(self.run, self.test, result)
        write_json(self.run.folder / layout.RESULT, result)  # last: a run that has it is complete
        self.close()
        return result

    def _show_last(self) -> list[str]:
        """Put the weights that are kept into the model; what is to be known of them."""
        vae, folder, notes = self.run.vae, self.run.folder, [fault["told"] for fault in self.progress.faults]
        if self.run.recipe.patience is not None and self.progress.best is not None:
            try:
                checkpoint.load_weights(folder / layout.BEST, self.shown)
                checkpoint.save_weights(folder / layout.WEIGHTS, self.shown)
            except RunError as error:
                notes.append(f"{error}; ended with the last weights in place of the best")
        if self.average is not None:
            vae.load_state_dict(self.shown.state_dict())
            self.average = None
        return notes
