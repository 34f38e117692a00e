"""Tables, CSV and what pyarrow reads, as data: an array of floats ``(N, D)``, one value per column, NaN for an empty cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from lowerbound.data import arrow_files, csv_files, inference, parquet_files
from lowerbound.data import cells as kinds
from lowerbound.data.csv_files import Csv
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.parquet_files import Parquet
from lowerbound.data.reading import Reading
from lowerbound.data.schema import Schema
from lowerbound.errors import DataError

#: endings of the files that tables are written to, and of all that are read, CSV gzipped too
SUFFIXES = (".csv", ".tsv", ".parquet")
READ = (*csv_files.SUFFIXES, *arrow_files.READERS)

Table = Csv | Parquet


def is_table(source: str | Path) -> bool:
    """Whether it is a file that ``read`` accepts."""
    path = Path(source)
    return csv_files.is_csv(path) or arrow_files.is_arrow(path)


def read(path: Path, header: bool = True) -> Table:
    """The table of a file; without ``header`` the first line of a CSV is a row. Errors: DataError for a damaged or empty file."""
    if csv_files.suffix(path) not in READ:
        raise DataError(f"{path} is not named as a table; its suffix must be one of {', '.join(READ)}")
    table: Table = csv_files.read(path, header) if csv_files.suffix(path) in csv_files.SUFFIXES else parquet_files.read(path)
    if not len(table):
        raise DataError(f"{path} has column names but no row")
    return table


def inferred(path: Path, types: str | Path | None = None, header: bool = True) -> tuple[Table, Schema, tuple[str, ...]]:
    """A table, its schema, standardized by the training rows, and notes on what is left out.

    ``types`` is a TOML file that overrides inference. Errors: DataError.
    """
    table = read(path, header)
    if len(table) < 2:
        raise DataError(f"{path} has one row, too few to learn from")
    cells = table.cells
    numbered = f"{path}: the first line is taken for names, and all of them are numbers; if it is a row, say --no-header"
    named = (numbered,) if all(map(kinds.is_number, table.names)) else ()
    schema, notes = inference.infer(cells, {} if types is None else inference.read_types(Path(types)), table.types)
    train = Splits.of(Dataset(torch.zeros(len(table), 1))).train.rows
    assert train is not None
    return table, inference.standardized(schema, cells, train.tolist()), (*named, *notes)


def load(path: Path, how: Reading) -> Splits:
    """The rows of a table as a model sees them: by the model's ``schema``, else by one that is inferred or specified in ``types``.

    Errors: DataError for a damaged file, and for a table that does not fit the schema.
    """
    header = how.header
    table, schema, notes = inferred(path, how.types, header) if how.schema is None else (read(path, header), how.schema, ())
    values, more = schema.values(table.cells)
    return replace(Splits.of(Dataset(torch.from_numpy(values)), (*notes, *more)), schema=schema)
