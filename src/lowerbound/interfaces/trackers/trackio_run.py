"""A run of trackio, in its store on this machine, or where trackio's own settings say. Source: https://github.com/gradio-app/trackio."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from lowerbound.interfaces.trackers.tracker import PROJECT, Log, new_id
from lowerbound.runs.run import Run


@final
class Trackio(Log):
    """The run of the project ``TRACKIO_PROJECT``, or ``lowerbound``; ``trackio show`` is its page."""

    def open(self, run: Run, epochs: int) -> None:
        """The run that was, or a new one. trackio knows runs by their names, of which two folders may have the same."""
        import trackio

        self._run = trackio.init(
            os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=self.kept_id("trackio") or self.keep_id("trackio", f"{run.folder.name}-{new_id()}"),
            config=run.recipe.words(),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def curves(self, epoch: int, values: Mapping[str, float]) -> None:
        """One line, at the epoch."""
        self._run.log(dict(values), step=epoch)

    def end(self, epoch: int, test: Mapping[str, float], figures: Sequence[Path]) -> None:
        """One more line, with the pictures."""
        import trackio

        self._run.log({**{f"figures/{path.stem}": trackio.Image(str(path)) for path in figures}, **test}, step=epoch)
        self._run.finish()
