"""Arrays as data: what their numbers mean, which axes are what, and the labels beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lowerbound.data import numpy_files
from lowerbound.data.axes import laid_out
from lowerbound.data.dataset import UNKNOWN, Dataset, Splits
from lowerbound.data.meaning import Numbers, numbers
from lowerbound.data.reading import Reading
from lowerbound.data.sparse_rows import SparseRows
from lowerbound.errors import DataError

#: names of the array of the data, and of that of its labels, in the order in which they are looked for
VALUES = ("images", "x", "X", "data", "values", "latents", "imgs", "fea")
LABELS = ("labels", "label", "y", "target", "targets", "subject", "gnd")


def splits_of(path: Path, values: np.ndarray, how: Reading, labels: np.ndarray | None = None) -> Splits:
    """An array of any file as data, with the layouts, types and labels of ``load_file``. Errors: DataError, which names the path."""
    found = interpreted(path, values, how)
    return Splits.of(labelled(path, found, labels), found.notes)


def labelled(path: Path, found: Numbers, labels: np.ndarray | None) -> Dataset:
    """Numbers ``(N, *event)`` with their labels. Errors: DataError, which names the path."""
    return with_units(path, found.values, found, labels)


def with_units(path: Path, array: Tensor | SparseRows, found: Numbers, labels: np.ndarray | None) -> Dataset:
    """An array ``(N, *event)`` whose numbers mean what was found, with its labels. Errors: DataError, which names the path."""
    whole = Dataset(array, unit=found.unit, white=found.white, black=found.black, stored=found.stored)
    return whole if labels is None else labelled_as(path, whole, labels)


def labelled_as(path: Path, whole: Dataset, labels: np.ndarray) -> Dataset:
    """Data with labels that are names or numbers. Errors: DataError, which names the path."""
    if labels.shape != (len(whole),):
        raise DataError(f"{path}: labels have the shape {labels.shape}, data {tuple(whole.array.shape)}; give one label per example")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError(f"{path}: some labels are NaN or infinite; remove those examples or leave the labels out")
    known, rows = np.unique(labels, return_inverse=True)
    names = [name_of(label) for label in known]
    classes = tuple(dict.fromkeys(name for name in names if name is not None))
    numbered = torch.tensor([UNKNOWN if name is None else classes.index(name) for name in names])
    return replace(whole, targets=numbered[torch.from_numpy(rows)], classes=classes)


def numbers_of(labels: Sequence[Any]) -> np.ndarray:
    """Labels of which some may be missing (None): whole numbers of any type as numbers, −1 where missing; else as text, then empty."""
    names = ["" if label is None or label != label else name_of(label) or "" for label in labels]
    if any(names) and all(re.fullmatch("[0-9]{1,18}", name) for name in names if name):
        return np.array([int(name) if name else UNKNOWN for name in names], np.int64)
    return np.array(names)


def name_of(label: Any) -> str | None:
    """The class name of a label, the same for equal whole numbers of any type; None where it is not known: empty, or −1."""
    whole = isinstance(label, (float, np.floating)) and label == int(label)
    name = str(int(label) if whole else label).strip()
    return None if name in ("", str(UNKNOWN)) else name


def pick(path: Path, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The array of the data. Errors: DataError where it is ambiguous."""
    return arrays[picked(path, arrays)]


def picked(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """The name of the array of the data. Errors: DataError where it is ambiguous."""
    named = [name for name in VALUES if name in arrays]
    candidates = named or [name for name in arrays if name not in LABELS]
    if len(candidates) == 1 or named:
        return candidates[0]
    raise DataError(f"{path} holds {', '.join(arrays) or 'no arrays'}; name the array of the data 'images' or 'x'")


def load_values(path: Path) -> Tensor:
    """The only array of a NumPy file, or that of the data, uint8 or float32. Errors: DataError."""
    return checked(path, pick(path, numpy_files.read(path))).values


def load_classes(path: Path) -> list[str | None] | None:
    """The class name of each example in a file written by ``encode`` (None: not known), or None for a file without labels.

    Errors: DataError for a damaged file.
    """
    arrays = numpy_files.read(path)
    if not {"labels", "classes"} <= arrays.keys():
        return None
    numbers, classes = arrays["labels"], arrays["classes"]
    whole = numbers.ndim == classes.ndim == 1 and numbers.dtype.kind in "iu"
    if not whole or not all(n == UNKNOWN or 0 <= n < len(classes) for n in numbers.tolist()):
        raise DataError(f"{path}: its labels are not the numbers of its classes; encode the data again, or give the class with --label")
    return [None if number == UNKNOWN else str(classes[number]) for number in numbers.tolist()]


def interpreted(path: Path, values: np.ndarray, how: Reading, shape: tuple[int, ...] | None = None) -> Numbers:
    """What the values mean, as ``(N, *event)``, of the ``shape`` that is known, or was said, or follows from the axes."""
    return laid_out(path, checked(path, values, how), shape or how.shape)


def checked(path: Path, values: np.ndarray, how: Reading = Reading()) -> Numbers:  # noqa: B008
    """What the values mean, all of them finite except NaN where ``how`` allows holes."""
    if values.size == 0 or values.ndim == 0:
        raise DataError(f"{path} is empty: its shape is {values.shape}")
    if values.dtype.kind not in "biuf":
        raise DataError(f"{path} holds {values.dtype}; numbers are needed")
    if values.dtype.kind == "f":
        wrong = np.isinf(values) if how.holes else ~np.isfinite(values)
        if wrong.any():
            where = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise DataError(f"{path}: {int(wrong.sum()):,} values are NaN or infinite, the first at {where}; remove or fill them in")
        if np.isnan(values).all():
            raise DataError(f"{path}: all values are NaN; there is nothing to learn from")
    return numbers(path, values, how.limits, how.counts, how.unit, how.white)
