"""Columns of parts, of one type in all of them: pyarrow's, which is imported only here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lowerbound.data import Schema, dates
from lowerbound.data.column import Column
from lowerbound.data.dataset import Dataset
from lowerbound.errors import DataError

ROW, LABEL = "row", "label"


def table(columns: Mapping[str, Any]) -> Any:
    """A table of arrays by name."""
    import pyarrow

    return pyarrow.table(dict(columns))


def floats(values: Sequence[float | None]) -> Any:
    """Numbers in double precision, null where there is none."""
    import pyarrow

    return pyarrow.array(values, pyarrow.float64())


def lists(values: np.ndarray) -> Any:
    """Examples of any shape, each a list of as many numbers."""
    import pyarrow

    flat = values.reshape(len(values), -1)
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flat.reshape(-1)), flat.shape[1])


def numbers(first: int, rows: int) -> Any:
    """The numbers of rows that follow one another."""
    import pyarrow

    return pyarrow.array(range(first, first + rows), pyarrow.int64())


def numbered(data: Dataset, columns: Mapping[str, Any]) -> Any:
    """A table with the number and, where the data have labels, the class of each example before other columns."""
    import pyarrow

    names = data.names
    label = {} if names is None else {LABEL: pyarrow.array(names, pyarrow.string())}
    return table({ROW: numbers(data.first_row, len(data)), **label, **columns})


def with_numbers(cells: Any, first: int) -> Any:
    """A table of cells, its rows numbered where it has no such column of its own."""
    return cells if ROW in cells.column_names else cells.add_column(0, ROW, numbers(first, len(cells)))


def types(schema: Schema, cells: Mapping[str, Sequence[str | None]]) -> dict[str, Any]:
    """The type of each column of a table that has these cells: of one that has none here the type of its kind."""
    import pyarrow

    known = {column.name: column for column in schema.columns}
    found = {name: pyarrow.array(values).type for name, values in schema.typed(cells).items()}
    usual = {name: _of_kind(known[name]) if name in known else pyarrow.string() for name in found}
    return {name: usual[name] if pyarrow.types.is_null(kind) else kind for name, kind in found.items()}


def typed(schema: Schema, cells: Mapping[str, Sequence[str | None]], kinds: Mapping[str, Any]) -> Any:
    """Cells as a table of these types. Errors: DataError for a cell that is none of its column's type."""
    import pyarrow

    try:
        return table({name: pyarrow.array(values, kinds[name]) for name, values in schema.typed(cells).items()})
    except pyarrow.ArrowException as error:
        raise DataError(f"a cell is not of its column's type: {' '.join(str(error).split())}") from error


def _of_kind(column: Column) -> Any:
    import pyarrow

    if column.kind == "boolean":
        return pyarrow.bool_()
    if column.kind == "date":
        zone = "UTC" if dates.has_zone(column.format) else None
        return pyarrow.timestamp("us", zone) if dates.has_time(column.format) else pyarrow.date32()
    if column.kind in ("number", "count"):
        return pyarrow.int64() if column.kind == "count" or column.decimals == 0 else pyarrow.float64()
    return pyarrow.string()
