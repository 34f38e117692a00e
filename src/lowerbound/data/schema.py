"""The columns of a table side by side: its rows as a model's values, and values as rows.

A run keeps this description, so that its model can be used without the table it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lowerbound.data.cells import Marks
from lowerbound.data.column import Column
from lowerbound.data.texts import Texts
from lowerbound.errors import DataError


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in their order: what each is called, of which kind it is, and how its cells become numbers and come back.

    It is what a model of a table has of its training's table, so that other tables are read in the same way.

    >>> import numpy as np
    >>> import pyarrow
    >>> import lowerbound as lb
    >>> frame = pyarrow.table({"height": [1.5, 1.75, None, 1.65] * 5, "city": ["Rome", "Oslo", "Rome", None] * 5})
    >>> schema = lb.data.load(frame).schema
    >>> [(column.name, column.kind) for column in schema.columns]
    [('height', 'number'), ('city', 'category')]
    >>> schema.texts(np.array([[0.0, 1.0]], dtype=np.float32))  # the mean height, and the second of the cities
    {'height': ['1.62'], 'city': ['Rome']}
    """

    columns: tuple[Column, ...]

    @classmethod
    def read(cls, words: Any) -> Schema:
        """The schema from the content of a JSON file. Errors: TypeError, KeyError, ValueError for an invalid description."""
        columns = tuple(Column.read(each) for each in words["columns"])
        if len({column.name for column in columns}) != len(columns) or not any(column.is_modelled for column in columns):
            raise ValueError("columns")
        return cls(columns)

    def words(self) -> dict[str, Any]:
        """The content of its JSON file."""
        return {"columns": [asdict(column) for column in self.columns]}

    @property
    def modelled(self) -> tuple[Column, ...]:
        """The columns that a model includes: its D values, in order."""
        return tuple(column for column in self.columns if column.is_modelled)

    @property
    def levels(self) -> tuple[int, ...]:
        """The number of categories of each value; 0 for other kinds."""
        return tuple(column.classes for column in self.modelled)

    @property
    def marks(self) -> dict[str, Marks]:
        """Which texts of each column mean that a cell is missing."""
        return {column.name: column.marks for column in self.columns}

    def like(self, cells: Mapping[str, Sequence[str | None]]) -> Schema:
        """The schema in the spelling of another table's cells; its numbers are kept."""
        return Schema(tuple(column.like(cells.get(column.name, ())) for column in self.columns))

    def values(self, cells: Mapping[str, Sequence[str | None]]) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
        """The values ``(N, D)`` of a table's cells, and notes on what was left out.

        Errors: DataError for a missing column, and for a cell that is not of its column's kind.
        """
        lacking = [column.name for column in self.modelled if column.name not in cells]
        if lacking:
            raise DataError(f"the table has no column {_quoted(lacking)}, which the model needs; use a table with all of its columns")
        known = {column.name for column in self.columns}
        extra = [name for name in cells if name not in known]
        notes = [f"ignored, because the model has no such column: {_quoted(extra)}"] if extra else []
        found = []
        for column in self.modelled:
            texts = Texts.of(cells[column.name])
            values, strange = column.like(texts).numbers(texts)
            unseen = f"{strange:,} cells have a category that training has not seen, and count as its least likely one"
            notes += [f"column '{column.name}': {unseen}"] if strange else []
            with np.errstate(over="ignore"):
                found.append(values.astype(np.float32))
            if np.isinf(found[-1]).any():
                row = int(np.isinf(found[-1]).argmax())
                raise DataError(f"{texts.where(column.name, row)}: {texts[row]} is too far from the training values")
        return np.stack(found, 1), tuple(notes)

    def texts(self, values: npt.NDArray[np.floating[Any]]) -> dict[str, list[str | None]]:
        """The cells for values ``(N, D)`` given by a model, column by column; None in columns that it leaves out, unless constant."""
        places = {column.name: place for place, column in enumerate(self.modelled)}

        def column_of(column: Column) -> list[str | None]:
            if column.name in places:
                return [column.text(float(value)) for value in values[:, places[column.name]]]
            return [column.text(0.0) if column.kind == "constant" else None] * len(values)

        return {column.name: column_of(column) for column in self.columns}

    def texts_at(self, rows: Mapping[str, Sequence[int]], values: npt.NDArray[np.floating[Any]]) -> dict[str, dict[int, str]]:
        """The cells of some rows of each column by name, constant ones included, for values ``(N, D)`` given by a model."""
        places = {column.name: place for place, column in enumerate(self.modelled)}

        def at(column: Column) -> dict[int, str]:
            some = rows[column.name]
            given = values[some, places[column.name]].tolist() if column.name in places else [0.0] * len(some)
            return {row: column.text(value) for row, value in zip(some, given, strict=True)}

        return {column.name: at(column) for column in self.columns if column.name in rows}

    def typed(self, cells: Mapping[str, Sequence[str | None]]) -> dict[str, list[Any]]:
        """Cells as typed values of their columns; the texts for columns that are not in the schema."""
        known = {column.name: column for column in self.columns}
        return {name: known[name].typed(column) if name in known else list(column) for name, column in cells.items()}


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    return f"{shown} and {len(names) - 5} others" if len(names) > 5 else shown
