"""Tables, CSV and Parquet, as data: an array of floats ``(N, D)``, a value a column, NaN where a cell holds nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from lowerbound.data import csv_files, inference, parquet_files
from lowerbound.data.csv_files import Csv
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.parquet_files import Parquet
from lowerbound.data.schema import Schema
from lowerbound.errors import DataError

SUFFIXES = (".csv", ".tsv", ".parquet")

Table = Csv | Parquet


def is_table(source: str | Path) -> bool:
    """Whether ``read`` would read it."""
    path = Path(source)
    return path.suffix in SUFFIXES and path.is_file()


def read(path: Path) -> Table:
    """The table of a file. Errors: DataError for what is damaged or empty."""
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path} is no table by its name; one ends in {', '.join(SUFFIXES)}")
    table: Table = parquet_files.read(path) if path.suffix == ".parquet" else csv_files.read(path)
    if not len(table):
        raise DataError(f"{path} has names of columns and no row")
    return table


def inferred(path: Path, types: str | Path | None = None) -> tuple[Table, Schema, tuple[str, ...]]:
    """A table, what its columns are, standardized by its training rows, and notes on what is left out.

    ``types`` is a TOML file that overrules what is inferred. Errors: DataError.
    """
    table = read(path)
    if len(table) < 2:
        raise DataError(f"{path} has one row: too few to learn from")
    cells = table.cells
    schema, notes = inference.infer(cells, {} if types is None else inference.read_types(Path(types)), table.types)
    train = Splits.of(Dataset(torch.zeros(len(table), 1))).train.rows
    assert train is not None
    return table, inference.standardized(schema, cells, train.tolist()), notes


def load(path: Path, types: str | Path | None = None, schema: Schema | None = None) -> Splits:
    """The rows of a table as a model sees them: by the ``schema`` of the model, or by one that is inferred, or told by ``types``.

    Errors: DataError for what is damaged, and for a table that is not of the schema.
    """
    table, schema, notes = inferred(path, types) if schema is None else (read(path), schema, ())
    values, more = schema.values(table.cells)
    return replace(Splits.of(Dataset(torch.from_numpy(values)), (*notes, *more)), schema=schema)
