"""The labels of the parts of a file of arrays: the column that is asked for, or the array that is called as labels are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lowerbound.data import arrays, label_columns
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError

Arrays = Mapping[str, np.ndarray]
CLASSES = "classes"  # the names of classes, which encode writes beside their numbers


@dataclass(frozen=True)
class Part:
    """Names of the arrays of a part of the data: its values, and its labels where it has some."""

    values: str
    labels: str | None


def labels_of(
    path: Path, held: Arrays, parts: Mapping[str, Part], sizes: Sequence[int], how: Reading
) -> tuple[np.ndarray | None, set[str], tuple[str, ...]]:
    """The labels of all parts, one after the other, the names of the arrays that they are of, and notes. Errors: DataError."""
    first = next(iter(parts.values()))
    beside = {name: array for name, array in held.items() if name not in (first.values, CLASSES)} if len(parts) == 1 else {}
    each = [
        label_columns.columns(({} if part.labels is None else {part.labels: held[part.labels]}) | beside, n)
        for part, n in zip(parts.values(), sizes, strict=True)
    ]
    names = next((list(found) for found in each if found), [])
    wanted = how.label_column
    if wanted is not None and (wanted in names or not how.of_run):
        label_columns.chosen(path, dict.fromkeys(names), wanted)
        labels = [list(found.values())[names.index(wanted)] if found else None for found in each]
        taken = {name for name in held if name == wanted or wanted.startswith(f"{name}.")} | {part.labels or "" for part in parts.values()}
    else:
        labels = [found.get(part.labels or "") for part, found in zip(parts.values(), each, strict=True)]
        taken = {part.labels or "" for part, label in zip(parts.values(), labels, strict=True) if label is not None}
    _must_be_one_each(path, held, parts, sizes, labels)
    if all(label is None for label in labels):
        return None, set(), () if how.of_run else label_columns.note(path, next((found for found in each if found), {}))
    if CLASSES in held and not wanted:
        labels = [None if label is None else _named(label, held[CLASSES]) for label in labels]
        taken |= {CLASSES}
    return _together(path, sizes, labels), taken, ()


def _must_be_one_each(
    path: Path, held: Arrays, parts: Mapping[str, Part], sizes: Sequence[int], labels: Sequence[np.ndarray | None]
) -> None:
    """Raise DataError for an array of labels of one axis that is of another length than its values."""
    for part, n, label in zip(parts.values(), sizes, labels, strict=True):
        there = None if part.labels is None else held[part.labels]
        if label is None and there is not None and there.size != n and (there.ndim == 1 or 1 in there.shape):
            shapes = f"labels {part.labels} have the shape {there.shape}, {part.values} {held[part.values].shape}"
            raise DataError(f"{path}: {shapes}; give one label per example")


def _named(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Labels that are numbers of named classes as those names; as they are where they are not."""
    whole = classes.ndim == 1 and classes.dtype.kind == "U" and labels.dtype.kind in "iu"
    if not whole or labels.min(initial=0) < -1 or labels.max(initial=-1) >= len(classes):
        return labels
    return np.append(classes, "")[labels]  # −1 is not known


def _together(path: Path, sizes: Sequence[int], labels: Sequence[np.ndarray | None]) -> np.ndarray:
    """The labels of all parts, one after the other: unknown in parts that have none, where others have some."""
    if any(label is not None and label.dtype.kind == "f" and not np.isfinite(label).all() for label in labels):
        raise DataError(f"{path}: some labels are NaN or infinite; remove those examples or leave the labels out")
    kinds = {label.dtype.kind for label in labels if label is not None}
    if len(kinds) > 1 and kinds <= set("biu"):
        return np.concatenate([np.full(n, -1) if label is None else label.astype(np.int64) for n, label in zip(sizes, labels, strict=True)])
    each = [np.full(n, "") if label is None else label for n, label in zip(sizes, labels, strict=True)]
    if len({label.dtype.kind for label in each}) > 1:  # names, or no labels at all, beside numbers
        each = [np.array([arrays.name_of(one) or "" for one in label]) for label in each]
    return np.concatenate(each) if len(each) > 1 else each[0]
