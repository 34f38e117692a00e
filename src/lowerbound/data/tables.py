"""Tables, CSV and what pyarrow reads, as data: an array of floats ``(N, D)``, one value per column, NaN for an empty cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lowerbound.data import arrow_files, column_words, csv_files, frames, inference, parquet_files
from lowerbound.data import cells as kinds
from lowerbound.data.column_words import TableWords
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
#: how messages name a frame, and the options of ``load`` that one has
FRAME, OF_FRAME = "the frame", frozenset({"types", "schema"})


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
    return table, *_schema_of(str(path), table, types)


def _schema_of(name: str, table: Table, types: str | Path | None) -> tuple[Schema, tuple[str, ...]]:
    if len(table) < 2:
        raise DataError(f"{name} has one row, too few to learn from")
    cells = table.cells
    numbered = f"{name}: the first line is taken for names, and all of them are numbers; if it is a row, say --no-header"
    named = (numbered,) if all(map(kinds.is_number, table.names)) else ()
    schema, notes = inference.infer(cells, TableWords() if types is None else column_words.read(Path(types)), table.types)
    train = Splits.of(Dataset(torch.zeros(len(table), 1))).train.rows
    assert train is not None
    return inference.standardized(schema, cells, train.tolist()), (*named, *notes)


def load(path: Path, how: Reading) -> Splits:
    """The rows of a table as a model sees them: by the model's ``schema``, else by one that is inferred or specified in ``types``.

    Errors: DataError for a damaged file, and for a table that does not fit the schema.
    """
    header = how.header
    table, schema, notes = inferred(path, how.types, header) if how.schema is None else (read(path, header), how.schema, ())
    return _splits(table, schema, notes)


def of_frame(frame: Any, how: Reading) -> Splits:
    """The rows of a frame of pandas, polars or another library, as those of a table in a Parquet file. Errors: as for ``load``."""
    table = Parquet(frames.arrow(frame))
    schema, notes = _schema_of(FRAME, table, how.types) if how.schema is None else (how.schema, ())
    return _splits(table, schema, notes)


def _splits(table: Table, schema: Schema, notes: tuple[str, ...]) -> Splits:
    values, more = schema.values(table.cells)
    return replace(Splits.of(Dataset(torch.from_numpy(values)), (*notes, *more)), schema=schema)
