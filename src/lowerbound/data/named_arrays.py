"""Which array of a file is what: the data, or their parts, and the labels, by their names. What is not read is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lowerbound.data import archives, arrays, label_columns
from lowerbound.data.archives import Archive
from lowerbound.data.arrays import LABELS, VALUES
from lowerbound.data.axes import examples_first
from lowerbound.data.dataset import Splits
from lowerbound.data.folders import PARTS
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
CLASSES = "classes"  # the names of classes, which encode writes


@dataclass(frozen=True)
class Part:
    """Names of the arrays of a part of the data: its values, and its labels where it has some."""

    values: str
    labels: str | None


def load(path: Path, how: Reading) -> Splits:
    """The data of a file of arrays, or of one array in it: ``FILE.h5:/path``; where ``how`` allows holes, NaN in it are missing values.

    The array named as in ``VALUES``, or the only one: vectors, series, images or volumes, as axes.py has it. What its numbers mean is
    settled by meaning.py. ``x_train``, ``x_val`` and ``x_test`` with ``y_train`` … are the parts, MedMNIST's and MATLAB's names too.
    Labels are names or numbers, unknown where they are −1 or empty. Notes name each array that is not read.
    Errors: DataError for anything else, for infinity, and for NaN without ``holes``.
    """
    file, inside = archives.split(path)
    held = archives.read(file)
    return of_archive(path, held if inside is None else _inside(file, held, inside), how)


def of_archive(path: Path, held: Archive, how: Reading) -> Splits:
    """The data of named arrays; ``path`` is what they are called in errors and notes."""
    found = _by_part(held.arrays)
    parts = _parts(path, found)
    labels, more = _labels(path, found, parts, how)
    values, turned = zip(*(_values(path, found, part, how) for part in parts.values()), strict=True)
    if len({(part.shape[1:], part.dtype) for part in values}) > 1:
        kinds = " and ".join(f"{part.values} {array.dtype} {array.shape}" for part, array in zip(parts.values(), values, strict=True))
        raise DataError(f"{path}: its parts are {kinds}; all must have the same shape and type")
    for part, array, label in zip(parts.values(), values, labels, strict=True):
        if label is not None and len(label) != len(array):
            raise DataError(
                f"{path}: labels {part.labels} have the shape {label.shape}, {part.values} {array.shape}; give one label per example"
            )
    meant = arrays.in_meaning(path, np.concatenate(values) if len(values) > 1 else values[0], how)
    notes = (*dict.fromkeys(note for each in turned for note in each), *meant.notes, *more, *_left_out(path, found, held.unread, parts))
    whole = arrays.labelled(path, meant, _together(path, [len(array) for array in values], labels))
    if len(parts) == 1:
        return Splits.of(whole, notes)
    rows = torch.arange(len(whole)).split([len(array) for array in values])
    return Splits.of_parts(whole, dict(zip(parts, rows, strict=True)), notes)


def _inside(path: Path, held: Archive, name: str) -> Archive:
    """One array of a file as its data, with what lies beside it in the same group."""
    name = name.strip("/")
    if name not in held.arrays:
        raise DataError(f"{path} holds no array '{name}'{nearest(name, held.arrays)}")
    group = name.rpartition("/")[0]
    beside = {other.rpartition("/")[2]: array for other, array in held.arrays.items() if other.rpartition("/")[0] == group}
    leaf = name.rpartition("/")[2]
    return Archive({VALUES[0]: beside.pop(leaf), **{other: array for other, array in beside.items() if other not in VALUES}})


def _by_part(held: Arrays) -> Arrays:
    """Names without their groups, where those do not matter: ``train/x`` is ``x_train``, ``group/images`` is ``images``."""
    flat: dict[str, np.ndarray] = {}
    for name, array in held.items():
        *groups, leaf = name.split("/")
        part = PARTS.get(groups[-1].lower()) if groups else None
        kind = "x" if leaf in VALUES else "y" if leaf in LABELS else None
        flat[leaf if part is None or kind is None else f"{kind}_{part}"] = array
    return flat if len(flat) == len(held) else held


def _parts(path: Path, held: Arrays) -> dict[str, Part]:
    """Training, validation and test data where the names say so, else all as the first."""
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


def _values(path: Path, held: Arrays, part: Part, how: Reading) -> tuple[np.ndarray, tuple[str, ...]]:
    """The values of a part with examples first, and a note where they were not."""
    array = held[part.values]
    if array.ndim == 0:
        raise DataError(f"{path}: {part.values} is a single number; arrays of examples are needed")
    labels = None if part.labels is None else held[part.labels]
    n = None if labels is None or not (labels.ndim == 1 or 1 in labels.shape) else labels.size
    return examples_first(f"{path}: {part.values}", array, n, how.shape)


def _labels(path: Path, held: Arrays, parts: Mapping[str, Part], how: Reading) -> tuple[list[np.ndarray | None], tuple[str, ...]]:
    """The labels of each part, or None: the column that was asked for, else the array of labels if it is one column; and notes."""
    alone = len(parts) == 1
    (first, *_) = parts.values()
    beside = {name: array for name, array in held.items() if name not in (first.values, CLASSES)} if alone else {}
    each: list[dict[str, np.ndarray]] = []
    for part in parts.values():
        own = {} if part.labels is None else {part.labels: held[part.labels]}
        sizes = [array.size if 1 in array.shape else len(array) for array in own.values() if array.ndim in (1, 2)]
        n = sizes[0] if sizes else len(held[part.values]) if held[part.values].ndim else 0
        each.append(label_columns.columns(own | beside, n))
    names = next((list(found) for found in each if found), [])
    if how.label_column is not None:
        place = list(names).index(how.label_column) if how.label_column in names else -1
        label_columns.chosen(path, dict.fromkeys(names, np.empty(0)), how.label_column)
        return [list(found.values())[place] if found else None for found in each], ()
    labels = [found.get(part.labels or "") for part, found in zip(parts.values(), each, strict=True)]
    return labels, () if any(label is not None for label in labels) else label_columns.note(path, next((one for one in each if one), {}))


def _together(path: Path, sizes: Sequence[int], labels: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The labels of all parts, one after the other: unknown in parts that have none, where others have some."""
    if all(label is None for label in labels):
        return None
    if any(label is not None and label.dtype.kind == "f" and not np.isfinite(label).all() for label in labels):
        raise DataError(f"{path}: some labels are NaN or infinite; remove those examples or leave the labels out")
    each = [np.full(n, "") if label is None else label for n, label in zip(sizes, labels, strict=True)]
    if len({label.dtype.kind for label in each}) > 1:  # names, or no labels at all, beside numbers
        each = [np.array([arrays.name_of(one) or "" for one in label]) for label in each]
    return np.concatenate(each) if len(each) > 1 else each[0]


def _left_out(path: Path, held: Arrays, unread: Sequence[str], parts: Mapping[str, Part]) -> tuple[str, ...]:
    """A note that names each array of which nothing is made."""
    used = {name for part in parts.values() for name in (part.values, part.labels)}
    used |= {CLASSES} if any(part.labels is not None for part in parts.values()) else set()
    left = [name for name in [*held, *unread] if name not in used]
    return (f"{path}: not read: {', '.join(left)}",) if left else ()
