"""Which array of a file is what: the data, or their parts, and the labels, by their names. What is not read is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lowerbound.data import archives, arrays
from lowerbound.data.archives import Archive
from lowerbound.data.arrays import LABELS, VALUES
from lowerbound.data.axes import examples_last
from lowerbound.data.dataset import Splits
from lowerbound.data.folders import PARTS
from lowerbound.data.part_labels import Part, labels_of
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError, nearest

Arrays = Mapping[str, np.ndarray]
#: names of the values and of the labels of a part, of Keras' files, MedMNIST's and MATLAB's
NAMES = {
    "train": (("x_train", "y_train"), ("train_images", "train_labels"), ("X_train", "y_train"), ("train_data", "train_labels")),
    "validation": (
        ("x_val", "y_val"),
        ("val_images", "val_labels"),
        ("X_val", "y_val"),
        ("x_valid", "y_valid"),
        ("x_validation", "y_validation"),
        ("val_data", "val_labels"),
    ),
    "test": (("x_test", "y_test"), ("test_images", "test_labels"), ("X_test", "y_test"), ("test_data", "test_labels")),
}


def load(path: Path, how: Reading) -> Splits:
    """The data of a file of arrays, or of one array in it: ``FILE.h5:/path``; where ``how`` allows holes, NaN in it are missing values.

    The array named as in ``VALUES``, or the only one: vectors, series, images or volumes, as axes.py has it. What its numbers mean is
    settled by meaning.py. ``x_train``, ``x_val`` and ``x_test`` with ``y_train`` … are the parts, MedMNIST's and MATLAB's names too.
    Labels are names or numbers, unknown where they are −1 or empty. Notes name each array that is not read.
    Errors: DataError for anything else, for infinity, and for NaN without ``holes``.
    """
    file, inside = archives.split(path)
    held = archives.read(file, inside)
    return of_archive(path, held if inside is None else _inside(file, held, inside), how)


@dataclass(frozen=True)
class Arranged:
    """The values of each part by its name, views of a file's arrays with examples first, and the labels of all parts one after the other.

    ``notes`` say how they are arranged, ``more`` what else there is.
    """

    parts: dict[str, np.ndarray]
    labels: np.ndarray | None
    notes: tuple[str, ...]
    more: tuple[str, ...]


def of_archive(path: Path, held: Archive, how: Reading) -> Splits:
    """The data of named arrays; ``path`` is what they are called in errors and notes."""
    found = arranged(path, held, how)
    values = list(found.parts.values())
    meant = arrays.interpreted(path, np.concatenate(values) if len(values) > 1 else values[0], how)
    notes = (*found.notes, *meant.notes, *found.more)
    whole = arrays.labelled(path, meant, found.labels)
    if len(values) == 1:
        return Splits.of(whole, notes)
    rows = torch.arange(len(whole)).split([len(array) for array in values])
    return Splits.of_parts(whole, dict(zip(found.parts, rows, strict=True)), notes)


def arranged(path: Path, held: Archive, how: Reading) -> Arranged:
    """Which of the arrays are the values of which part, and which their labels. Errors: DataError."""
    found = _by_part(held.arrays)
    parts = _parts(path, found, held)
    values, turned = _examples_first(path, found, parts, how, held.by_columns)
    if len({(part.shape[1:], part.dtype) for part in values}) > 1:
        kinds = " and ".join(f"{part.values} {array.dtype} {array.shape}" for part, array in zip(parts.values(), values, strict=True))
        raise DataError(f"{path}: its parts are {kinds}; all must have the same shape and type")
    labels, taken, more = labels_of(path, found, parts, [len(array) for array in values], how)
    left = [name for name in [*found, *held.unread] if name not in {part.values for part in parts.values()} | taken]
    more = (*more, *((f"{path}: not read: {', '.join(left)}",) if left else ()))
    return Arranged(dict(zip(parts, values, strict=True)), labels, turned, more)


def _inside(path: Path, held: Archive, name: str) -> Archive:
    """One array of a file as its data, with what lies beside it in the same group."""
    name = name.strip("/")
    if name not in held.arrays:
        known = [*held.arrays, *held.unread]
        raise DataError(f"{path} holds no array '{name}'{nearest(name, known) if known else ''}")
    group, _, leaf = name.rpartition("/")
    beside = {other.rpartition("/")[2]: array for other, array in held.arrays.items() if other.rpartition("/")[0] == group}
    others = {other: array for other, array in beside.items() if other != leaf and other not in VALUES}
    return Archive({VALUES[0]: beside[leaf], **others}, by_columns=held.by_columns)


def _by_part(held: Arrays) -> Arrays:
    """Names without their groups, where those do not matter: ``train/x`` is ``x_train``, ``group/images`` is ``images``."""
    leaves = Counter(name.rpartition("/")[2] for name in held)
    flat: dict[str, np.ndarray] = {}
    for name, array in held.items():
        *groups, leaf = name.split("/")
        part = PARTS.get(groups[-1].lower()) if groups else None
        kind = "x" if leaf in VALUES else "y" if leaf in LABELS else None
        alone = leaf if leaves[leaf] == 1 else name
        flat[alone if part is None or kind is None else f"{kind}_{part}"] = array
    return flat if len(flat) == len(held) else held


def _parts(path: Path, held: Arrays, archive: Archive) -> dict[str, Part]:
    """Training, validation and test data where the names say so, else all as the first."""
    lost = [name for name in VALUES if name in archive.unread]
    if lost and not any(name in held for name in VALUES):
        raise DataError(f"{path}: {lost[0]} cannot be read (sparse, a struct, or references); save it as a plain array of numbers")
    parts = {part: found for part, names in NAMES.items() if (found := _of_part(held, names)) is not None}
    if parts and "train" not in parts:
        raise DataError(f"{path} holds {', '.join(held)}: a part to test on and none to learn from; name that one x_train")
    if parts:
        return parts
    name = arrays.picked(path, held)
    return {"train": Part(name, next((key for key in LABELS if key in held and key != name), None))}


def _of_part(held: Arrays, names: Sequence[tuple[str, str]]) -> Part | None:
    """The names of a part's values and labels, where they are there."""
    return next((Part(values, labels if labels in held else None) for values, labels in names if values in held), None)


def _examples_first(
    path: Path, held: Arrays, parts: Mapping[str, Part], how: Reading, by_columns: bool
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """The values of each part with examples first, all turned or none, and notes. Errors: DataError where that cannot be known."""
    each = [held[part.values] for part in parts.values()]
    if any(array.ndim == 0 for array in each):
        raise DataError(f"{path}: {next(iter(parts.values())).values} is a single number; arrays of examples are needed")
    last = [
        examples_last(f"{path}: {part.values}", array, None if part.labels is None else held[part.labels].shape, how.shape, by_columns)
        for part, array in zip(parts.values(), each, strict=True)
    ]
    if True in last and False in last:
        raise DataError(f"{path}: some parts have their examples on the first axis and some on the last; save them alike")
    if True in last:
        return [np.moveaxis(array, -1, 0) for array in each], (f"{path}: its examples are on the last axis, and it is turned",)
    flat = by_columns and any(array.ndim == 2 and 1 not in array.shape for array in each)
    if not flat or (how.shape is None and all(part.labels is not None for part in parts.values())):
        return each, ()
    advice = "its rows are read as examples" + (
        ", and unflattened by rows; what MATLAB flattened by columns comes out transposed" if how.shape is not None else ""
    )
    return each, (f"{path}: {advice}",)
