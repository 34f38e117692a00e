"""A model's values as cells of a frame or an array: those that were missing filled in, or rows made anew, with index and types kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lowerbound.data.column import Column
from lowerbound.errors import DataError

#: each column with where it has holes, and the model's values
Columns = Sequence[tuple[Column, npt.NDArray[np.bool_], npt.NDArray[Any]]]


def fill_array(X: Any, columns: Columns) -> npt.NDArray[Any]:
    """An array with its holes filled; one of whole numbers is one of floats then."""
    array = np.asarray(X)
    filled = array.copy() if array.dtype.kind in "fO" else array.astype(np.float64)
    for place, (column, holes, values) in enumerate(columns):
        cells = filled[:, place]
        holes = _empty(cells) if column.kind == "constant" else holes
        if holes.any():
            numeric = filled.dtype.kind == "f" or column.kind in ("number", "count")
            cells[holes] = as_numbers(column, values[holes]) if numeric else [column.text(value) for value in values[holes].tolist()]
    return filled


def _empty(cells: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.array([cell is None or cell != cell for cell in cells], bool)


def fill_frame(X: Any, columns: Columns) -> Any:
    """A frame with its holes filled; what is left out stays as it is."""
    import narwhals as nw

    frame = nw.from_native(X, eager_only=True)
    filled = []
    for name, (column, holes, values) in zip(frame.columns, columns, strict=True):
        series = frame[name]
        holes = series.is_null().to_numpy() if column.kind == "constant" else holes
        if holes.any() and column.kind != "ignore":
            filled.append(_scattered(series, np.flatnonzero(holes).tolist(), _cells(series, column, values[holes])))
    return frame.with_columns(*filled).to_native() if filled else frame.clone().to_native()


def _scattered(series: Any, places: list[int], cells: list[Any]) -> Any:
    """The series with other cells in these places, its type as it was."""
    import narwhals as nw

    native = series.to_native()
    if series.implementation.is_pyarrow() and series.dtype == nw.Categorical:  # of a dictionary no cell can be changed
        import pyarrow

        changed = pyarrow.chunked_array([_as_type(_changed(native.to_pylist(), places, cells), native.type)])
        return nw.from_native(changed, series_only=True).alias(series.name)
    if series.implementation.is_pandas() and (series.dtype == nw.Datetime or "dictionary<" in str(native.dtype)):
        changed = type(native)(cells, dtype=native.dtype)  # times of a zone, say, are made of dates here
        changed = type(native)(_changed(list(native), places, list(changed)), native.index, native.dtype, native.name)
        return nw.from_native(changed, series_only=True)
    return series.scatter(places, cells)


def _changed(whole: list[Any], places: list[int], cells: list[Any]) -> list[Any]:
    for place, cell in zip(places, cells, strict=True):
        whole[place] = cell
    return whole


def _as_type(cells: list[Any], kind: Any) -> Any:
    """An array of pyarrow's, whose dictionaries are made of values alone, and whose times by a cast from dates."""
    import pyarrow

    return pyarrow.array(cells, kind) if pyarrow.types.is_dictionary(kind) else pyarrow.array(cells).cast(kind)


def _cells(series: Any, column: Column, values: npt.NDArray[Any]) -> list[Any]:
    """A model's values as cells of a series. Errors: DataError for a category that its type has not."""
    import narwhals as nw

    kind = series.dtype
    if kind.is_integer():
        return _whole(np.rint(as_numbers(column, values)).astype(np.int64).tolist(), kind)
    if kind.is_numeric():
        numbers = as_numbers(column, values)
        return list(numbers.astype(np.float32) if kind == nw.Float32 else numbers)  # or pandas makes all of the column wider
    texts = [column.text(value) for value in values.tolist()]
    if kind in (nw.Categorical, nw.Enum):
        known = _known(series)
        strange = next((text for text in texts if text not in known), None)
        if strange is not None:
            raise DataError(f"column '{series.name}' has no category '{strange}', which is likely there; give it those of the training")
        return [known[text] for text in texts]
    return texts if kind == nw.String else column.typed(texts)


def _whole(cells: Sequence[Any], kind: Any) -> list[Any]:
    """Whole numbers, the nearest that an integer type has: a number's law goes below 0 where an unsigned type does not."""
    ends = np.iinfo(str(kind).lower())
    return [None if cell is None else min(max(cell, int(ends.min)), int(ends.max)) for cell in cells]


def _known(series: Any) -> dict[str, Any]:
    """The categories of a series by their texts."""
    import narwhals.stable.v1 as nw  # where this is to stay

    native = series.to_native()
    if series.implementation.is_pandas() and not hasattr(native, "cat"):  # a dictionary of pyarrow's
        known = list(dict.fromkeys(native.dropna()))
    else:
        known = nw.from_native(native, series_only=True).cat.get_categories().to_list()
    return {text_of(each): each for each in known}


def like(head: Any, texts: Mapping[str, Sequence[str | None]], typed: Mapping[str, Sequence[Any]]) -> Any:
    """Cells as a frame of the library and the types of ``head``."""
    import narwhals as nw

    frame = nw.from_native(head, eager_only=True)
    of_texts = (nw.String, nw.Categorical, nw.Enum, nw.Object)
    cells = {name: list(texts[str(name)] if kind in of_texts else typed[str(name)]) for name, kind in frame.schema.items()}
    for name, kind in frame.schema.items():
        cells[name] = _whole(cells[name], kind) if kind.is_integer() else cells[name]
        if kind in (nw.Categorical, nw.Enum):
            known = _known(frame[name])
            cells[name] = [known.get(cell, cell) for cell in cells[name]]
    if frame.implementation.is_pyarrow():  # whose types are more than narwhals knows, as that of a dictionary's numbers
        import pyarrow

        return pyarrow.table({name: _as_type(cells[name], head.schema.field(name).type) for name in cells})
    made = nw.from_dict(cells, backend=frame.implementation)
    there = [name for name in frame.columns if any(cell is not None for cell in cells[name])]
    if frame.implementation.is_pandas():
        return made.to_native().astype({name: head.dtypes[name] for name in there})
    return made.with_columns(made[name].cast(frame.schema[name]) for name in there).to_native()


def as_numbers(column: Column, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """A model's values of a column as its numbers, not rounded as cells are; of a boolean the probability, of a category its number."""
    match column.kind:
        case "number" | "date":
            return column.loc + column.scale * values.astype(np.float64)
        case "count" | "boolean":
            return values.astype(np.float64)
        case "ignore":
            return np.full(len(values), np.nan)
        case _:
            return np.array([float(column.text(value)) for value in values.tolist()])


def text_of(value: Any) -> str:
    """A value of a frame as the text that its cell has in a table."""
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)
