"""TensorBoard's event files, by tensorboardX, which needs neither TensorFlow nor grpcio. Source: https://github.com/lanpa/tensorboardX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np

from lowerbound.interfaces.trackers.tracker import Log
from lowerbound.runs.run import Run


@final
class TensorBoard(Log):
    """Event files in the run's folder: scalars, images, and the recipe as hyper-parameters beside the test scores."""

    def open(self, run: Run, epochs: int) -> None:
        """A file that begins after the last epoch: of files before it TensorBoard hides what comes again."""
        from tensorboardX import SummaryWriter

        self._words: dict[str, Any] = run.recipe.words()
        self._writer = SummaryWriter(str(self.folder), purge_step=epochs + 1)
        lines = "\n".join(f"| {name} | {value} |" for name, value in self._words.items())
        self._writer.add_text("recipe", f"| word | value |\n|---|---|\n{lines}", epochs)
        self._writer.flush()

    def curves(self, epoch: int, values: Mapping[str, float]) -> None:
        """Scalars."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def end(self, epoch: int, test: Mapping[str, float], figures: Sequence[Path]) -> None:
        """Scalars, the hyper-parameters that they are of, and images."""
        from PIL import Image
        from tensorboardX.summary import hparams

        for name, value in test.items():
            self._writer.add_scalar(name, value, epoch)
        for summary in hparams(self._words, dict(test)):
            self._writer.file_writer.add_summary(summary)
        for path in figures:
            with Image.open(path) as picture:
                self._writer.add_image(path.stem, np.asarray(picture.convert("RGB")), epoch, dataformats="HWC")
        self._writer.close()
