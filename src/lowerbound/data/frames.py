"""A frame of pandas, polars, pyarrow or any other library that narwhals knows, as numbers. narwhals is imported only where one is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.errors import DataError


def may_be(source: object) -> bool:
    """Whether it has what a frame has, or a column of one; without a look at it, for which some frames would be computed."""
    return any(hasattr(type(source), name) for name in ("columns", "to_frame"))


def is_frame(source: object) -> bool:
    """Whether it is a frame, or a column of one."""
    if not may_be(source):
        return False
    import narwhals as nw

    return isinstance(_read(source), nw.DataFrame | nw.LazyFrame | nw.Series)


def _read(source: object) -> Any:
    """The frame as narwhals sees it; all else as it is. Errors: DataError for two columns of one name."""
    import narwhals as nw

    try:
        return nw.from_native(source, pass_through=True, allow_series=True)
    except ValueError as error:
        raise DataError(f"this {type(source).__name__} is no frame of columns with one name each; rename some") from error


def _computed(frame: Any) -> Any:
    """A frame as narwhals sees it. Errors: DataError for a column alone, for a frame that is not computed yet, or has no columns."""
    import narwhals as nw

    table = _read(frame)
    if isinstance(table, nw.Series):
        raise DataError("this is one column of a frame; give the frame itself, or a frame of that column alone")
    if isinstance(table, nw.LazyFrame):
        raise DataError("this frame is not computed yet; give frame.collect()")
    if not table.columns:
        raise DataError("this frame has no columns; give one that has some")
    return table


def arrow(frame: Any) -> Any:
    """The frame as a table of pyarrow's, without an index. Errors: DataError for what no such table can hold."""
    table = _computed(frame)
    try:
        return table.to_arrow().select([str(name) for name in table.columns])
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:  # pyarrow's own are of these kinds
        raise DataError(f"a column of this frame is of no type that a table can have: {': '.join(map(str, error.args))}") from error


def matrix(frame: Any) -> Float[Tensor, "N D"]:
    """The columns of a frame, one after the other: numbers as they are, truths as 0 and 1, NaN in empty cells.

    Errors: DataError for a column alone, for a frame that is not computed yet, and for a column of anything else.
    """
    import narwhals as nw

    columns = list(_computed(frame).iter_columns())
    strange = [f"'{column.name}' ({column.dtype})" for column in columns if not (column.dtype.is_numeric() or column.dtype == nw.Boolean)]
    if strange:
        raise DataError(
            f"column {', '.join(strange[:3])} holds no numbers; leave it out, or read the frame with lb.data.load(frame), "
            "which knows categories and dates, for a likelihood of columns"
        )
    values = np.stack([column.cast(nw.Float64).to_numpy() for column in columns], 1)
    with np.errstate(over="ignore"):
        return torch.from_numpy(values.astype(np.float32))
