"""A table with its missing cells filled in: what is written of it, whole or piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lowerbound.data import Dataset, Schema, fingerprint_of, tables
from lowerbound.data.parquet_files import Parquet
from lowerbound.data.streams import row_ranges
from lowerbound.data.streams.row_ranges import RowRanges
from lowerbound.data.streams.sources import LOOK
from lowerbound.errors import UsageError
from lowerbound.interfaces.bulk import columns
from lowerbound.interfaces.bulk.task import DRAWS, Begun, Tables, Task, weights, whole_batches
from lowerbound.runs import run as runs
from lowerbound.runs.run import Run
from lowerbound.tasks.impute import ROWS
from lowerbound.tasks.impute import impute as imputed
from lowerbound.vae.model import Model

ERRORS = "-errors"
Cells = Mapping[str, Sequence[str | None]]
#: cells by column and row
Filled = Mapping[str, Mapping[int, str]]


@dataclass(frozen=True)
class Impute(Task):
    """``lowerbound impute``, of a table that is given, or the run's own."""

    run: str
    device: str
    table: str | None
    together_with: tuple[str, ...]
    draws: int
    samples: int
    memory: int
    seed: int

    @property
    def words(self) -> dict[str, Any]:
        """Its options."""
        others = {"together_with": [weights(other) for other in self.together_with]}
        asked = {"draws": self.draws, "samples": self.samples, "memory": self.memory, "seed": self.seed}
        return {"verb": "impute", "run": weights(self.run), **others, **asked}

    def begin(self) -> Begun:
        """Errors: RunError, DataError; UsageError for a run of no table."""
        run = runs.load(self.run, self.device)
        schema, models = schema_of(run), [run.vae, *others(run, self.together_with, self.device)]
        source = self.table or run.recipe.data
        table = _InFiles(source, schema) if row_ranges.takes(source) else _Whole(source, schema)

        size = whole_batches([ROWS], DRAWS // self.samples, 4 * len(schema.modelled))
        beside = (ERRORS, *(f"-{number}" for number in range(1, self.draws + 1)))
        return Begun(table.rows, size, partial(self._tables, models, table), table.identity, str(run.vae.device), table.notes, beside)

    def _tables(self, models: Sequence[Model], table: _InFiles | _Whole, first: int, end: int) -> Tables:
        """Some rows filled in by the mean and by each draw, and the standard errors of what was."""
        cells, schema, written = table.piece(first, end)
        values, _ = schema.values(cells)
        data = Dataset(torch.from_numpy(values), first_row=first)
        found = imputed(models, data, self.draws, samples=self.samples, memory=self.memory, seed=self.seed)
        missing = missing_of(schema, cells)
        several = {"": found.mean, **{f"-{number}": draw for number, draw in enumerate(found.draws, start=1)}}
        errors = {name: column for name, column in errors_of(schema, cells, found.error).items() if name != columns.ROW}
        of_errors = columns.table({name: columns.floats(column) for name, column in errors.items()})
        answers = {ending: written(schema.texts_at(missing, values.numpy())) for ending, values in several.items()}
        return {ending: columns.with_numbers(one, first) for ending, one in (answers | {ERRORS: of_errors}).items()}


#: cells of a piece, the columns in their spelling, and how the piece is written with cells filled in
Piece = tuple[Cells, Schema, Callable[[Filled], Any]]


class _InFiles:
    """A table in files of pyarrow's, of which a piece is in memory."""

    def __init__(self, source: str, schema: Schema) -> None:
        self.ranges = RowRanges(source)
        look, marked = tables.by_schema(Parquet(self.ranges.look(LOOK)), schema)
        self.schema, self.rows, self.identity = schema.like(look), len(self.ranges), self.ranges.identity
        self.notes = (*self.ranges.notes, *marked, *schema.values(look)[1])

    def piece(self, first: int, end: int) -> Piece:
        """It keeps the types of the files."""
        table = Parquet(self.ranges.read(first, end))
        return tables.by_schema(table, self.schema)[0], self.schema, table.with_cells


class _Whole:
    """Any other table, which is read whole; its columns are written with types that suit them."""

    def __init__(self, source: str, schema: Schema) -> None:
        self.cells, marked = tables.by_schema(tables.read(Path(source)), schema)
        values, notes = schema.values(self.cells)
        self.schema, self.rows = schema.like(self.cells), len(values)
        self.identity, self.notes = fingerprint_of(Dataset(torch.from_numpy(values))), (*marked, *notes)
        self.types = columns.types(self.schema, self.cells)

    def piece(self, first: int, end: int) -> Piece:
        """Some of the rows."""
        cells = {name: column[first:end] for name, column in self.cells.items()}

        def written(filled: Filled) -> Any:
            return columns.typed(self.schema, with_filled(cells, filled), self.types)

        return cells, self.schema, written


def schema_of(run: Run) -> Schema:
    """The columns of the run's table. Errors: UsageError where its data are none."""
    if run.spec.schema is None:
        raise UsageError("this run's model is not of a table; fill in its arrays with: lowerbound complete RUN DATA --missing nan")
    return run.spec.schema


def others(run: Run, folders: Sequence[str], device: str) -> list[Model]:
    """The models of further runs of the same table. Errors: UsageError for runs of another."""
    found = [runs.load(each, device) for each in folders]
    strange = next((each.folder for each in found if each.spec.schema != run.spec.schema), None)
    if strange is not None:
        raise UsageError(f"{strange} has other columns than {run.folder}; give runs of one table, as train --bootstrap makes them")
    return [each.vae for each in found]


def missing_of(schema: Schema, cells: Cells) -> dict[str, list[int]]:
    """The rows whose cell is missing, of each column of the model and of constant ones."""
    kept = [column.name for column in schema.columns if column.kind != "ignore" and column.name in cells]
    return {name: [row for row, text in enumerate(cells[name]) if text is None] for name in kept}


def with_filled(cells: Cells, filled: Filled) -> dict[str, list[str | None]]:
    """All cells, those that are filled in in their places."""
    return {name: [filled.get(name, {}).get(row, text) for row, text in enumerate(column)] for name, column in cells.items()}


def errors_of(schema: Schema, cells: Cells, errors: Tensor) -> dict[str, list[float | None]]:
    """The standard error of each cell that was filled in, in the column's units; None for the others."""
    places = {column.name: place for place, column in enumerate(schema.modelled)}
    units = {column.name: column.unit for column in schema.columns}
    constant = {column.name for column in schema.columns if column.kind == "constant"}

    def error(name: str, row: int) -> float | None:
        if name in constant:
            return 0.0
        return float(errors[row, places[name]]) * units[name] if name in places else None

    return {name: [error(name, row) if text is None else None for row, text in enumerate(column)] for name, column in cells.items()}
