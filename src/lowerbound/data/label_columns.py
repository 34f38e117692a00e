"""Columns beside the examples of a file, one of which may be their labels: arrays ``(N,)``, and the columns of arrays ``(N, K)``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lowerbound.errors import DataError, nearest

MOST = 200  # columns of one array that may be labels: more is data
#: names of the columns of arrays that are known and do not hold them themselves
#: Source: Matthey et al., "dSprites", 2017, https://github.com/google-deepmind/dsprites-dataset
KNOWN = {("latents_classes", 6): ("color", "shape", "scale", "orientation", "posX", "posY")}
NUMBERS = "biuUSf"
MOST_AXES = 4  # of labels: (N, 1, 1, 1) is how some have them


def columns(arrays: Mapping[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
    """By name what may be labels of n examples; of an array of K columns ``labels.0``, ``labels.1`` …"""
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        if array.dtype.kind not in NUMBERS or not 1 <= array.ndim <= MOST_AXES or not array.size:
            continue
        column = flat(array, n)
        if column.shape == (n,):
            found[name] = column
        elif column.shape[0] == n and column.ndim == 2 and column.shape[1] <= MOST:
            names = KNOWN.get((name, column.shape[1])) or [f"{name}.{place}" for place in range(column.shape[1])]
            found |= {each: column[:, place] for place, each in enumerate(names)}
    return found


def chosen(path: Path, found: Mapping[str, Any], name: str) -> Any:
    """The column of that name. Errors: DataError, with the names there are."""
    if name not in found:
        raise DataError(f"{path} has no column '{name}' to take labels from{nearest(name, found) if found else ''}")
    return found[name]


def note(path: Path, found: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """That there are several columns and none is taken for labels."""
    if not found:
        return ()
    names = list(found)
    shown = ", ".join(names[:8]) + (", …" if names[8:] else "")
    return (f"{path}: labels may be {shown}; --label-column NAME takes one",)


def flat(labels: np.ndarray, n: int) -> np.ndarray:
    """Labels ``(n, 1)``, ``(1, n)`` or ``(n, 1, 1)`` as ``(n,)``; others unchanged."""
    is_one = labels.size == n and n in labels.shape and max(labels.shape) == n
    return labels.reshape(-1) if is_one else labels
