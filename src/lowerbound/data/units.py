"""Values of a model written as the numbers of the files that it learned from: bytes as bytes, a range that was said as that range."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from lowerbound.data.spec import DataSpec


def as_stored(values: Tensor, spec: DataSpec, inverted: bool = False) -> np.ndarray:
    """The values in the type and range of the data's files: greys of whole numbers rounded to their levels, and within them.

    Means of bits and of counts are no whole numbers and stay floats. Of data ``inverted`` when they were read black and white are
    exchanged back. Values of a table, and of a run that does not know its files' type, are returned as they are.
    """
    if not spec.stored or spec.schema is not None:
        return values.numpy()
    numbers = (1 - values if inverted else values).double().numpy()
    kind = np.dtype(spec.stored)
    white = spec.white if spec.white is not None else float(spec.unit if kind.kind in "iu" else 1)
    numbers = spec.black + numbers * (white - spec.black)
    if kind.kind not in "biu":
        return numbers.astype(np.float32)
    if spec.unit == 1 and (numbers != np.rint(numbers)).any():
        return numbers.astype(np.float32)
    if spec.unit != 1:
        numbers = np.rint(numbers.clip(spec.black, white))
    limits = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
    return numbers.astype(kind if limits[0] <= numbers.min() and numbers.max() <= limits[1] else np.int64)
