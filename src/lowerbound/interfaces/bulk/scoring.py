"""What ``score`` says of each example: log p(x), and of a table's rows a rank and log p of each cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from lowerbound.data.dataset import Dataset
from lowerbound.data.schema import Schema
from lowerbound.evaluation import cells, log_likelihood, regret
from lowerbound.evaluation.density import Density
from lowerbound.interfaces.bulk.columns import floats, numbered
from lowerbound.interfaces.bulk.task import DRAWS, Asked, Begun, Tables, Task, weights
from lowerbound.runs.run import Run
from lowerbound.tasks import impute
from lowerbound.tasks import rank as ranking

CELLS = "-cells"
Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Score(Task):
    """``lowerbound score``; ranks are among the rows of the ``reference``, where there is one."""

    of: Asked
    samples: int
    memory: int
    seed: int
    regret: bool
    cells: bool
    reference: Dataset | None = None

    @property
    def words(self) -> dict[str, Any]:
        """Its options."""
        asked = {"samples": self.samples, "memory": self.memory, "seed": self.seed, "regret": self.regret, "cells": self.cells}
        return {"verb": "score", "run": weights(self.of.run), **asked, "ranks": self.reference is not None}

    def begin(self) -> Begun:
        """Errors: RunError, DataError; UsageError for too little memory."""
        run, data = self.of.open()
        first = data.read(0, 1)
        batches = [log_likelihood.asked_for(run.vae, first, self.samples, self.memory, self.seed).at_once]
        if run.spec.schema is not None:
            batches.append(impute.ROWS)  # of what is asked of rows with holes
        if self.regret:
            batches.append(regret.at_once(run.vae, first, self.memory, self.seed))
        return self.of.begun(
            run, data, batches, DRAWS // self.samples, lambda piece: self.tables(run, piece), (CELLS,) if self.cells else ()
        )

    def tables(self, run: Run, data: Dataset) -> Tables:
        """What is said of a piece."""
        density = log_likelihood.log_likelihood(run.vae, data, self.samples, memory=self.memory, seed=self.seed)
        said = {name: floats(values) if name not in WHOLE else values for name, values in self.columns(run, data, density).items()}
        found = {"": numbered(data, said)}
        if self.cells and run.spec.schema is not None:
            each = {name: floats(values) for name, values in self.of_cells(run, run.spec.schema, data).items()}
            found[CELLS] = numbered(data, each)
        return found

    def columns(self, run: Run, data: Dataset, density: Density) -> Columns:
        """What is said of each example, by name."""
        found: dict[str, Any] = {"log_p": density.log_p, "log_p_se": density.se, "ess": density.ess, "elbo": density.elbo}
        if run.spec.schema is not None:
            found |= self._of_rows(run, data, density.log_p)
        if self.regret:
            found["regret"] = regret.likelihood_regret(run.vae, data, memory=self.memory, seed=self.seed)
        return {name: column if isinstance(column, list) else column.tolist() for name, column in found.items()}

    def _of_rows(self, run: Run, data: Dataset, log_p: torch.Tensor) -> dict[str, Any]:
        """How many cells of each row are counted, log p for each of them, and the row's rank; None where a row has no cell."""
        there = (~data[:].isnan()).sum(1)
        found: dict[str, Any] = {
            "cells": there,
            "log_p_per_cell": [float(log_p[row]) / n if n else None for row, n in enumerate(there.tolist())],
        }
        if self.reference is None:
            return found
        ranks = ranking.rank(run.vae, data, self.reference, memory=self.memory, seed=self.seed)
        return found | {"rank": _or_none(ranks)}

    def of_cells(self, run: Run, schema: Schema, data: Dataset) -> Columns:
        """log p of each cell given the others of its row, by column; None where there is none."""
        each = cells.log_p_of_values(run.vae, data, memory=self.memory, seed=self.seed)
        return {column.name: _or_none(values) for column, values in zip(schema.modelled, each.unbind(1), strict=True)}


#: columns of whole numbers
WHOLE = ("cells",)


def _or_none(values: torch.Tensor) -> list[float | None]:
    """Numbers as a file has them: an empty cell where there is none."""
    return [None if math.isnan(value) else value for value in values.tolist()]
