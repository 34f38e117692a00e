"""A run of Weights & Biases; nothing leaves the machine unless ``WANDB_MODE`` says so. Source: https://docs.wandb.ai."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from lowerbound.interfaces.trackers.tracker import PROJECT, Log, new_id
from lowerbound.runs.run import Run


@final
class WandB(Log):
    """The run of the project ``WANDB_PROJECT``, or ``lowerbound``, kept in the run's folder: ``wandb sync`` sends it later."""

    def open(self, run: Run, epochs: int) -> None:
        """The run that was, or a new one; curves are over the epoch, which may come again as wandb's own steps may not."""
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.folder.name,
            dir=self.folder.resolve(),
            id=self.kept_id("wandb") or self.keep_id("wandb", new_id()),
            resume="allow",
            mode=os.environ.get("WANDB_MODE", "offline"),
            config=run.recipe.words(),
            settings=wandb.Settings(silent=True, console="off"),
        )
        self._run.define_metric("epoch", hidden=True)
        self._run.define_metric("*", step_metric="epoch")

    def curves(self, epoch: int, values: Mapping[str, float]) -> None:
        """One line of its history."""
        self._run.log({**values, "epoch": epoch})

    def end(self, epoch: int, test: Mapping[str, float], figures: Sequence[Path]) -> None:
        """The summary, and pictures."""
        import wandb

        self._run.log({**{f"figures/{path.stem}": wandb.Image(str(path)) for path in figures}, **test, "epoch": epoch})
        self._run.summary.update(dict(test))
        self._run.finish()
