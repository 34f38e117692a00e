"""A frame of pandas, polars, pyarrow or any other library that narwhals knows, as numbers. narwhals is imported only where one is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.errors import DataError


def is_frame(source: object) -> bool:
    """Whether it is a frame, or a column of one."""
    if not (hasattr(source, "columns") or hasattr(source, "to_frame")):
        return False
    import narwhals as nw

    return isinstance(nw.from_native(source, pass_through=True, allow_series=True), nw.DataFrame | nw.LazyFrame | nw.Series)


def matrix(frame: Any) -> Float[Tensor, "N D"]:
    """The columns of a frame, one after the other: numbers as they are, truths as 0 and 1, NaN in empty cells.

    Errors: DataError for a column alone, for a frame that is not computed yet, and for a column of anything else.
    """
    import narwhals as nw

    table = nw.from_native(frame, allow_series=True)
    if isinstance(table, nw.Series):
        raise DataError("this is one column of a frame; give the frame itself, or a frame of that column alone")
    if isinstance(table, nw.LazyFrame):
        raise DataError("this frame is not computed yet; give frame.collect()")
    strange = [f"'{name}' ({kind})" for name, kind in table.schema.items() if not (kind.is_numeric() or kind == nw.Boolean)]
    if strange:
        raise DataError(
            f"column {', '.join(strange[:3])} holds no numbers; leave it out, or write the frame to a .parquet file and read that with "
            "lb.data.load, which knows categories and dates"
        )
    if not table.columns:
        raise DataError("this frame has no columns; give one that has some")
    values = np.stack([table[name].cast(nw.Float64).to_numpy() for name in table.columns], 1)
    with np.errstate(over="ignore"):
        return torch.from_numpy(values.astype(np.float32))
