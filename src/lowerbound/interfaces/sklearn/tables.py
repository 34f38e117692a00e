"""X of columns of several kinds, a frame or an array, as the rows of a table; and a model's values as such a frame or array again."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float
from torch import Tensor

from lowerbound.data import Dataset, Schema, frames, tables
from lowerbound.data.column import Column
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError
from lowerbound.interfaces.sklearn.cells import as_numbers, fill_array, fill_frame, like
from lowerbound.interfaces.sklearn.numbers import FEWEST, checked


@dataclass
class Table:
    """Reads X by a schema, which is that of the X it learns from. ``types`` and ``missing_as`` are those of ``lb.data.load``.

    ``head`` is the frame of the training without its rows, None where that was an array, whose type is ``dtype``.
    """

    types: Mapping[str, Any] | None = None
    missing_as: str | None = None
    schema: Schema | None = None
    names: list[str] = field(default_factory=list)
    head: Any = None
    dtype: Any = None

    def learn(self, estimator: Any, X: Any) -> Dataset:
        """X of a training, by which columns and features are known from now on; what is left out is a warning.

        Errors: ValueError, TypeError as sklearn has them; DataError for a table that cannot be one.
        """
        table = self._arrow(estimator, X, True)
        self.head, said = None, dict(self.types or {})
        if frames.is_frame(X):
            import narwhals as nw

            frame = nw.from_native(X, eager_only=True)
            self.head = frame.head(0).to_native()
            said = _categories(frame) | said
        how = Reading(types=said, missing_as=self.missing_as)
        found = tables.of_frame(table, how)
        numbers = _numbers(table)
        assert found.schema is not None
        unsaid = [column.name for column in found.schema.columns if column.kind == "ignore" and column.name in numbers - said.keys()]
        if unsaid:  # whole numbers that all differ, which a file would have as identifiers
            found = tables.of_frame(table, replace(how, types=said | dict.fromkeys(unsaid, "number")))
        self.schema = found.schema
        return _whole(found)

    def read(self, estimator: Any, X: Any) -> Dataset:
        """X of later. Errors: as for ``learn``, and for other columns."""
        return _whole(tables.of_frame(self._arrow(estimator, X, False), Reading(schema=self.schema)))

    def _arrow(self, estimator: Any, X: Any, reset: bool) -> Any:
        """X as a table of pyarrow's, its columns named as those of the training are."""
        import pyarrow

        if not frames.is_frame(X):
            values = checked(estimator, X, reset, dtype=None)
            if reset:
                self.names, self.dtype = [f"x{place}" for place in range(values.shape[1])], values.dtype
            return pyarrow.table(dict(zip(self.names, map(_column, values.T), strict=True)))
        from sklearn.utils.validation import validate_data

        validate_data(estimator, X, reset=reset, skip_check_array=True)
        table = frames.arrow(X)
        fewest = FEWEST if reset else 1
        if len(table) < fewest:
            raise ValueError(f"Found a frame with {len(table)} sample(s) while a minimum of {fewest} is required.")
        if reset:
            self.names = table.column_names
        return table.rename_columns(self.names)

    def name_of(self, feature: Any) -> str:
        """The column of a feature, by its name, or of an array by its number. Errors: DataError for one that there is not."""
        name = feature if feature in self.names else self.names[feature] if feature in range(len(self.names)) else None
        if name is None:
            raise DataError(f"X has no feature {feature!r}; there are {', '.join(self.names[:10])}")
        return str(name)

    # --- back ------------------------------------------------------------------------------------------

    @property
    def of_numbers(self) -> bool:
        """Whether the training had an array of numbers."""
        return self.head is None and self.dtype.kind in "biuf"

    def write(self, values: Float[Tensor, "N D"]) -> Any:
        """A model's values as rows of a frame, or of an array, as that of the training was."""
        assert self.schema is not None
        array = values.numpy()
        if self.of_numbers:
            return np.stack([as_numbers(column, each) for column, each in _by_column(self.schema, array)], 1)
        texts = self.schema.texts(array)
        typed = self.schema.typed(texts)
        if self.head is None:
            return np.array(list(zip(*typed.values(), strict=True)), dtype=object)
        return like(self.head, texts, typed)

    def fill(self, X: Any, missing: npt.NDArray[np.bool_], values: Float[Tensor, "N D"]) -> Any:
        """X with these values where ``missing`` ``(N, D)``, numbers not rounded; index and types are kept.

        Columns that the model leaves out stay as they are, but of constant ones empty cells are filled.
        """
        assert self.schema is not None
        holes = [mask for _, mask in _by_column(self.schema, missing)]
        found = [each for _, each in _by_column(self.schema, values.numpy())]
        columns = list(zip(self.schema.columns, holes, found, strict=True))
        return fill_frame(X, columns) if frames.is_frame(X) else fill_array(X, columns)


def in_library(X: Any, library: str) -> Any:
    """A frame in the library of that name, which scikit-learn then gives its names; arrays, and frames of the "default", as they are."""
    if library == "default" or not frames.is_frame(X):
        return X
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True)
    return {"pandas": frame.to_pandas, "polars": frame.to_polars}[library]()


def _by_column(schema: Schema, values: npt.NDArray[Any]) -> list[tuple[Column, npt.NDArray[Any]]]:
    """Each column with its values ``(N,)``; zeros for one that is left out."""
    places = {column.name: place for place, column in enumerate(schema.modelled)}
    nothing = np.zeros(len(values), values.dtype)
    return [(column, values[:, places[column.name]] if column.name in places else nothing) for column in schema.columns]


def _whole(found: Any) -> Dataset:
    for note in found.notes:
        warnings.warn(note, stacklevel=4)
    whole: Dataset = found.whole
    return whole


def _categories(frame: Any) -> dict[str, str]:
    """What columns are that the frame itself says to be categories; one that is always the same is left to be found out."""
    import narwhals as nw

    said = [name for name, kind in frame.schema.items() if kind in (nw.Categorical, nw.Enum)]
    return {str(name): "category" for name in said if frame[name].drop_nulls().n_unique() > 1}


def _numbers(table: Any) -> set[str]:
    """The columns that hold numbers, by their type, two different ones at least."""
    from pyarrow import compute, types

    of_numbers = [each.name for each in table.schema if types.is_integer(each.type) or types.is_floating(each.type)]
    return {name for name in of_numbers if compute.count_distinct(table[name], mode="only_valid").as_py() > 1}


def _column(cells: npt.NDArray[Any]) -> Any:
    """Cells of an array as a column: numbers where all are, else texts."""
    import pyarrow

    try:
        return pyarrow.array(cells.astype(np.float64))
    except (TypeError, ValueError):
        return pyarrow.array([None if cell is None else str(cell) for cell in cells], pyarrow.string())
