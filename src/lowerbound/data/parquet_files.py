"""A Parquet file as its cells, and back in its own types. pyarrow is imported only here, when a file is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from lowerbound.data import arrow_files, dates
from lowerbound.data import cells as kinds
from lowerbound.data.cells import Marks
from lowerbound.data.csv_files import Cells
from lowerbound.data.texts import OTHER, TEXT, Texts, codes_of
from lowerbound.errors import DataError

#: times to the microsecond, the most that we keep
ISO = "%Y-%m-%dT%H:%M:%S.%f"


@dataclass(frozen=True)
class Parquet:
    """A table with the types of its file."""

    table: Any  # pyarrow's

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.table.column_names)

    @property
    def types(self) -> dict[str, str]:
        """The type of each column: text, number, boolean, date, or other."""
        return {field.name: _type(_plain(field.type))[0] for field in self.table.schema}

    def texts(self, marks: Mapping[str, Marks]) -> dict[str, Texts]:
        """The text of the cells of each column, None for missing ones: null, NaN among numbers, and those that its marks add."""
        return {name: texts.without(marks.get(name, Marks()).among(texts, ())) for name, texts in self._texts.items()}

    @property
    def cells(self) -> dict[str, Texts]:
        """The text of the cells of each column, None for empty ones."""
        return self.texts({})

    @cached_property
    def _texts(self) -> dict[str, Texts]:
        return {name: self._texts_of(name) for name in self.names}

    def _texts_of(self, name: str) -> Texts:
        column = self.table[name].cast(_plain(self.table[name].type))
        kind, text = _type(column.type)
        values = _encoded(column)
        return Texts.coded([text(value) for value in values.dictionary.to_pylist()], codes_of(values), typed=kind != TEXT)

    def must_be_told(self, cells: Mapping[str, Sequence[str | None]]) -> None:
        """Raise DataError for a cell that is not empty but whose text in a CSV would mean that it is."""
        for name, texts in cells.items():
            row = next((row for row, text in enumerate(texts) if text is not None and kinds.is_missing(text.strip())), None)
            if row is not None:
                what = f"'{texts[row]}'" if self.types[name] == TEXT else f"of type {self.table[name].type}"
                raise DataError(f"column '{name}', row {row + 1}: a cell {what} cannot be written in a CSV; write a .parquet")

    def filled(self, cells: Cells) -> bytes:
        """The file with these cells in place of the ones it has, with its types and metadata. Errors: DataError."""
        import pyarrow
        import pyarrow.parquet

        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(self.with_cells(cells), sink)
        return bytes(sink.getvalue().to_pybytes())

    def with_cells(self, cells: Cells) -> Any:
        """The table, pyarrow's, with these cells in place of the ones it has, with its types and metadata. Errors: DataError."""
        table = self.table
        for place, name in enumerate(self.names):
            if cells.get(name):
                table = table.set_column(place, self.table.schema.field(name), self._with(name, cells[name]))
        return table.replace_schema_metadata(self.table.schema.metadata)

    def _with(self, name: str, texts: Mapping[int, str]) -> Any:
        import pyarrow
        from pyarrow import compute

        column, kind = self.table[name], _plain(self.table[name].type)
        try:
            new = _array([texts.get(row) for row in range(len(self))], kind)
            whole = compute.if_else(new.is_valid(), new, column.cast(kind))
            return whole.dictionary_encode().cast(column.type) if pyarrow.types.is_dictionary(column.type) else whole
        except (pyarrow.ArrowException, ValueError, ArithmeticError) as error:
            raise DataError(f"column '{name}' cannot be filled in as {column.type}: {error}") from error


def _array(texts: Sequence[str | None], kind: Any) -> Any:
    """Texts as the nearest values of a type. Errors: ArrowException, ValueError for a text that cannot be converted."""
    import pyarrow
    from pyarrow import types

    if types.is_boolean(kind):
        return pyarrow.array([None if text is None else kinds.truth(text) for text in texts], kind)
    if types.is_integer(kind):
        last = 2 ** (kind.bit_width - types.is_signed_integer(kind)) - 1
        first = -last - 1 if types.is_signed_integer(kind) else 0
        return pyarrow.array([None if text is None else min(max(_nearest(text), first), last) for text in texts], kind)
    if types.is_decimal(kind):
        last, unit = Decimal(10**kind.precision - 1).scaleb(-kind.scale), Decimal(1).scaleb(-kind.scale)
        return pyarrow.array([None if text is None else min(max(Decimal(text), -last), last).quantize(unit) for text in texts], kind)
    if types.is_timestamp(kind) or types.is_date(kind):
        return pyarrow.array(_moments(texts, kind), pyarrow.string()).cast(kind)
    return pyarrow.array(texts, pyarrow.string()).cast(kind)


def _nearest(text: str) -> int:
    whole = kinds.integer(text)
    return round(float(text)) if whole is None else whole


def _moments(texts: Sequence[str | None], kind: Any) -> list[str | None]:
    """Dates in a known format, written for the type: in UTC, marked so where it has a zone; as days, or to the digits of its unit."""
    from pyarrow import types

    there = [text for text in texts if text is not None]
    form = dates.date_format(there) or dates.FORMATS[0]
    if there and dates.moment(there[0], form) is None:
        raise ValueError(f"'{there[0]}' is not a date such as {dates.as_date(0.0, form)}")
    seconds = [None if text is None else dates.moment(text, form) for text in texts]
    if types.is_date(kind):
        return [None if when is None else dates.as_date(when, "%Y-%m-%d") for when in seconds]
    digits, zone = {"s": 19, "ms": 23}.get(kind.unit, 26), "Z" if kind.tz else ""
    last = 2**63 / 1e9 - 1 if kind.unit == "ns" else dates.LAST
    return [None if when is None else dates.as_date(min(max(when, -last), last), ISO)[:digits] + zone for when in seconds]


def _plain(kind: Any) -> Any:
    """The type of the values of a dictionary, or the type itself."""
    import pyarrow

    return kind.value_type if pyarrow.types.is_dictionary(kind) else kind


def _type(kind: Any) -> tuple[str, Callable[[Any], str]]:
    """The kind of a type, and the function that writes its values as text."""
    from pyarrow import types

    if types.is_boolean(kind):
        return "boolean", lambda value: "true" if value else "false"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number", str
    if types.is_string(kind) or types.is_large_string(kind):
        return TEXT, str
    if types.is_date(kind):
        return "date", lambda value: value.isoformat()
    if types.is_timestamp(kind):
        return "date", lambda value: value.isoformat(timespec="microseconds") + ("Z" if kind.tz else "")
    return OTHER, lambda value: value if isinstance(value, str) else ""


def _encoded(column: Any) -> Any:
    """Its values, each kept once: timestamps in UTC to the microsecond, NaN as null, times of day as text; other types as True."""
    import pyarrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_timestamp(kind):
        column = column.cast(pyarrow.timestamp("us", kind.tz), safe=False).cast(pyarrow.timestamp("us"))
    elif types.is_floating(kind):
        column = compute.if_else(compute.is_nan(column.cast(pyarrow.float64())), None, column.cast(pyarrow.float64()))
    elif types.is_time(kind):
        column = column.cast(pyarrow.string())
    elif _type(kind)[0] == OTHER:
        column = compute.if_else(column.is_valid(), True, None)
    return column.combine_chunks().dictionary_encode()


def read(path: Path) -> Parquet:
    """The table of a file that pyarrow reads. Errors: DataError for a damaged file, or two columns of one name."""
    return Parquet(arrow_files.table(path))
