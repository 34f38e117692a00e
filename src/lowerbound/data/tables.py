"""Tables, CSV and what pyarrow reads, as data: an array of floats ``(N, D)``, one value per column, NaN for an empty cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lowerbound.data import arrays, arrow_files, column_words, csv_files, frames, inference, label_columns, missing_marks, parquet_files
from lowerbound.data import cells as kinds
from lowerbound.data.column_words import ColumnWords
from lowerbound.data.csv_files import Csv
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.parquet_files import Parquet
from lowerbound.data.reading import Reading
from lowerbound.data.schema import Schema
from lowerbound.data.texts import Texts
from lowerbound.errors import DataError

#: endings of the files that tables are written to, and of all that are read, CSV gzipped too
SUFFIXES = (".csv", ".tsv", ".parquet")
READ = (*csv_files.SUFFIXES, *arrow_files.READERS)

Table = Csv | Parquet
#: how messages name a frame, and the options of ``load`` that one has
FRAME, OF_FRAME = Path("the frame"), frozenset({"types", "missing_as", "schema", "label_column"})


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


def inferred(path: Path, how: Reading) -> tuple[Table, Schema, tuple[str, ...]]:
    """A table, its schema, standardized by the training rows, and notes on what is left out, by what is said of it. Errors: DataError."""
    table = read(path, how.header)
    return table, *_schema_of(path, table, how)


def _schema_of(path: Path, table: Table, how: Reading) -> tuple[Schema, tuple[str, ...]]:
    if len(table) < 2:
        raise DataError(f"{path} has one row, too few to learn from")
    numbered = f"{path}: the first line is taken for names, and all of them are numbers; if it is a row, say --no-header"
    named = (numbered,) if all(map(kinds.is_number, table.names)) else ()
    words = column_words.of(how)
    if how.label_column is not None:
        label_columns.chosen(path, dict.fromkeys(table.names), how.label_column)
        words = words.without(how.label_column)
    schema, notes = inference.infer(table.texts({each: words.marks(each) for each in table.names}), words, table.types)
    train = Splits.of(Dataset(torch.zeros(len(table), 1))).train.rows
    assert train is not None
    return inference.standardized(schema, table.texts(schema.marks), train.tolist(), words), (*named, *notes)


def by_schema(table: Table, schema: Schema) -> tuple[dict[str, Texts], tuple[str, ...]]:
    """The cells of a table that meets a model, read as those that the model learned from; and notes on further marks of missing cells."""
    cells = table.texts(schema.marks)
    notes: list[str] = []
    for column in schema.columns:
        if column.name in cells:
            texts = cells[column.name]
            marks = missing_marks.known(texts, ColumnWords(column.kind, keep=column.keep), True)
            notes += missing_marks.taken(column.name, texts, marks)
            cells[column.name] = texts.without(marks)
    return cells, tuple(notes)


def load(path: Path, how: Reading) -> Splits:
    """The rows of a table as a model sees them: by the model's ``schema``, else by one that is inferred or specified in ``types``.

    Errors: DataError for a damaged file, and for a table that does not fit the schema.
    """
    table, schema, notes = inferred(path, how) if how.schema is None else (read(path, how.header), how.schema, ())
    return _splits(path, table, schema, notes, how)


def of_frame(frame: Any, how: Reading) -> Splits:
    """The rows of a frame of pandas, polars or another library, as those of a table in a Parquet file. Errors: as for ``load``."""
    return of_arrow(FRAME, frames.arrow(frame), how)


def of_arrow(path: Path, table: Any, how: Reading) -> Splits:
    """The rows of a table of pyarrow's; ``path`` is what messages call it. Errors: as for ``load``."""
    typed = Parquet(table)
    schema, notes = _schema_of(path, typed, how) if how.schema is None else (how.schema, ())
    return _splits(path, typed, schema, notes, how)


def labelled(path: Path, rows: Dataset, table: Table, schema: Schema, column: str) -> Dataset:
    """Rows with the labels of a column of a table. Errors: DataError."""
    return arrays.labelled_as(path, rows, arrays.numbers_of([*by_schema(table, schema)[0][column]]))


def _splits(path: Path, table: Table, schema: Schema, notes: tuple[str, ...], how: Reading) -> Splits:
    cells, marked = by_schema(table, schema)
    values, more = schema.values(cells)
    rows = Dataset(torch.from_numpy(values))
    if how.label_column in cells:
        rows = arrays.labelled_as(path, rows, arrays.numbers_of([*cells[how.label_column]]))
    return replace(Splits.of(rows, (*notes, *marked, *more)), schema=schema)
