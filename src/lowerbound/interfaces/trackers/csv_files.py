"""Curves, recipe and test scores as tables that any program reads: ``metrics.csv`` and ``summary.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from lowerbound.interfaces.trackers.tracker import Log, figures_of
from lowerbound.runs.run import Run
from lowerbound.system.files import written


@final
class CsvFiles(Log):
    """``metrics.csv`` has a row an epoch, written anew where one comes again; ``summary.csv`` the recipe's words, then the test scores."""

    def open(self, run: Run, epochs: int) -> None:
        """The recipe, and the epochs that are done."""
        self._names: list[str] = []
        self._words: Mapping[str, Any] = run.recipe.words()
        self._lines = {line["epoch"]: figures_of(line) for line in run.history() if line["epoch"] <= epochs}
        self._write_all()
        self._summarize({})

    def curves(self, epoch: int, values: Mapping[str, float]) -> None:
        """One more row."""
        follows = epoch > max(self._lines, default=0) and set(values) <= set(self._names)
        self._lines = {before: line for before, line in self._lines.items() if before < epoch} | {epoch: dict(values)}
        if not follows:
            self._write_all()
            return
        with (self.folder / "metrics.csv").open("a", encoding="utf-8", newline="") as file:
            file.write(_table([self._row(epoch)]))

    def end(self, epoch: int, test: Mapping[str, float], figures: Sequence[Path]) -> None:
        """The summary with the scores; pictures are where the run has them."""
        self._summarize(test)

    def _write_all(self) -> None:
        self._names = list(dict.fromkeys(name for line in self._lines.values() for name in line))
        with written(self.folder / "metrics.csv") as file:
            file.write(_table([["epoch", *self._names], *map(self._row, self._lines)]).encode())

    def _row(self, epoch: int) -> list[Any]:
        return [epoch, *(self._lines[epoch].get(name, "") for name in self._names)]

    def _summarize(self, test: Mapping[str, float]) -> None:
        with written(self.folder / "summary.csv") as file:
            file.write(_table([("name", "value"), *self._words.items(), *test.items()]).encode())


def _table(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
