"""Tables, CSV and Parquet, as data: an array of floats ``(N, D)``, one value per column, NaN for an empty cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from lowerbound.data import cells as kinds
from lowerbound.data import csv_files, inference, parquet_files
from lowerbound.data.csv_files import Csv
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.parquet_files import Parquet
from lowerbound.data.schema import Schema
from lowerbound.errors import DataError

SUFFIXES = (".csv", ".tsv", ".parquet")

Table = Csv | Parquet


def is_table(source: str | Path) -> bool:
    """Whether it is a file that ``read`` accepts."""
    path = Path(source)
    return path.suffix in SUFFIXES and path.is_file()


def read(path: Path) -> Table:
    """The table of a file. Errors: DataError for a damaged or empty file."""
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path} is not named as a table; its suffix must be one of {', '.join(SUFFIXES)}")
    table: Table = parquet_files.read(path) if path.suffix == ".parquet" else csv_files.read(path)
    if not len(table):
        raise DataError(f"{path} has column names but no row")
    return table


def inferred(path: Path, types: str | Path | None = None) -> tuple[Table, Schema, tuple[str, ...]]:
    """A table, its schema, standardized by the training rows, and notes on what is left out.

    ``types`` is a TOML file that overrides inference. Errors: DataError.
    """
    table = read(path)
    if len(table) < 2:
        raise DataError(f"{path} has one row, too few to learn from")
    cells = table.cells
    numbered = f"{path}: the first line is taken for names, and all of them are numbers; if it is a row, write a line of names above it"
    named = (numbered,) if all(map(kinds.is_number, table.names)) else ()
    schema, notes = inference.infer(cells, {} if types is None else inference.read_types(Path(types)), table.types)
    train = Splits.of(Dataset(torch.zeros(len(table), 1))).train.rows
    assert train is not None
    return table, inference.standardized(schema, cells, train.tolist()), (*named, *notes)


def load(path: Path, types: str | Path | None = None, schema: Schema | None = None) -> Splits:
    """The rows of a table as a model sees them: by the model's ``schema``, else by one that is inferred or specified in ``types``.

    Errors: DataError for a damaged file, and for a table that does not fit the schema.
    """
    table, schema, notes = inferred(path, types) if schema is None else (read(path), schema, ())
    values, more = schema.values(table.cells)
    return replace(Splits.of(Dataset(torch.from_numpy(values)), (*notes, *more)), schema=schema)
