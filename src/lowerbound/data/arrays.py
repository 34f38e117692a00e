"""NumPy files: ``.npy`` (one array) and ``.npz`` (an array with its labels, or training and test data)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lowerbound.data.axes import laid_out
from lowerbound.data.dataset import UNKNOWN, Dataset, Splits
from lowerbound.data.meaning import Numbers, numbers
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError

VALUES = ("images", "x", "X", "data", "values", "latents", "imgs")
LABELS = ("labels", "label", "y", "target", "targets", "subject")
#: names of the values and of the labels of a part, of Keras' files and of MedMNIST's
TRAIN = (("x_train", "y_train"), ("train_images", "train_labels"), ("X_train", "y_train"))
VALIDATION = (("x_val", "y_val"), ("val_images", "val_labels"), ("X_val", "y_val"), ("x_valid", "y_valid"))
TEST = (("x_test", "y_test"), ("test_images", "test_labels"), ("X_test", "y_test"))
SUFFIXES = (".npy", ".npz")
MAGIC = (b"\x93N", b"PK")  # first bytes of a .npy and a .npz
#: what numpy and zipfile raise for a damaged file, or one of another format
DAMAGE = (ValueError, EOFError, KeyError, zipfile.BadZipFile, SyntaxError, TokenError, zlib.error, NotImplementedError, TypeError)


def load_file(path: Path, how: Reading = Reading()) -> Splits:  # noqa: B008 - it cannot be changed
    """The data of a file; where ``how`` allows holes, NaN in it are missing values.

    ``.npy`` or the array of an ``.npz`` named as in ``VALUES`` (or the only one): vectors, series, images or volumes, as axes.py has it.
    What its numbers mean is settled by meaning.py. ``x_train``, ``x_val`` and ``x_test`` with ``y_train`` … are the parts, MedMNIST's
    names too. Labels are names or numbers, unknown where they are −1 or empty. Notes name each array that is not read.
    Errors: DataError for anything else, for infinity, and for NaN without ``holes``.
    """
    arrays = read(path)
    parts = _named_parts(path, arrays)
    there = [part for part in parts if part is not None]
    values = [arrays[name] for name, _ in there]
    if any(part.ndim == 0 for part in values):
        raise DataError(f"{path}: {there[0][0]} is a single number; arrays of examples are needed")
    if len({(part.shape[1:], part.dtype) for part in values}) > 1:
        kinds = " and ".join(f"{name} {part.dtype} {part.shape}" for (name, _), part in zip(there, values, strict=True))
        raise DataError(f"{path}: its parts are {kinds}; all must have the same shape and type")
    labels = _labels_of(path, arrays, there)
    found = _laid_out(path, np.concatenate(values) if len(values) > 1 else values[0], how)
    notes = (*found.notes, *_left_out(path, arrays, there))
    whole = labelled(path, found, labels)
    if len(there) == 1:
        return Splits.of(whole, notes)
    rows = iter(torch.arange(len(whole)).split([len(part) for part in values]))
    named = {name: next(rows) for name, part in zip(("train", "validation", "test"), parts, strict=True) if part is not None}
    return Splits.of_parts(whole, named, notes)


Part = tuple[str, str | None]


def _named_parts(path: Path, arrays: dict[str, np.ndarray]) -> list[Part | None]:
    """Training, validation and test data where the names say so, else all as the first."""
    parts = [_of_part(arrays, names) for names in (TRAIN, VALIDATION, TEST)]
    if parts[0] is None and any(parts):
        raise DataError(f"{path} holds {', '.join(arrays)}: a part to test on and none to learn from; name that one x_train")
    if parts[0] is None:
        name = _picked(path, arrays)
        parts[0] = name, next((key for key in LABELS if key in arrays and key != name), None)
    return parts


def _left_out(path: Path, arrays: dict[str, np.ndarray], parts: Sequence[Part]) -> tuple[str, ...]:
    """A note that names each array of which nothing is made."""
    used = {name for part in parts for name in part}
    used |= {"classes"} if any(label is not None for _, label in parts) else set()  # the names of classes, which encode writes
    left = [name for name in [*arrays, *_pickled(path, arrays)] if name not in used]
    return (f"{path}: not read: {', '.join(left)}",) if left else ()


def _of_part(arrays: dict[str, np.ndarray], names: Sequence[tuple[str, str]]) -> Part | None:
    """The names of a part's values and labels, where they are there."""
    return next(((values, labels if labels in arrays else None) for values, labels in names if values in arrays), None)


def _labels_of(path: Path, arrays: dict[str, np.ndarray], parts: Sequence[Part]) -> np.ndarray | None:
    """The labels of all parts, one after the other: unknown in parts that have none, where others have some."""
    if all(label is None for _, label in parts):
        return None
    each = []
    for name, label in parts:
        here = np.full(len(arrays[name]), "") if label is None else flat(arrays[label])
        if here.dtype.kind == "f" and not np.isfinite(here).all():
            raise DataError(f"{path}: some labels are NaN or infinite; remove those examples or leave the labels out")
        if here.shape != (len(arrays[name]),):
            raise DataError(f"{path}: labels {label} have the shape {here.shape}, {name} {arrays[name].shape}; give one label per example")
        each.append(here)
    if len({here.dtype.kind for here in each}) > 1:  # names, or no labels at all, beside numbers
        each = [np.array([name_of(one) or "" for one in here]) for here in each]
    return np.concatenate(each) if len(each) > 1 else each[0]


def load_values(path: Path) -> Tensor:
    """Only the array of a file, uint8 or float32. Errors: DataError as for ``load_file``."""
    arrays = read(path)
    return _checked(path, pick(path, arrays)).values


def load_classes(path: Path) -> list[str | None] | None:
    """The class name of each example in a file written by ``encode`` (None: not known), or None for a file without labels.

    Errors: DataError for a damaged file.
    """
    arrays = read(path)
    if not {"labels", "classes"} <= arrays.keys():
        return None
    numbers, classes = arrays["labels"], arrays["classes"]
    whole = numbers.ndim == classes.ndim == 1 and numbers.dtype.kind in "iu"
    if not whole or not all(n == UNKNOWN or 0 <= n < len(classes) for n in numbers.tolist()):
        raise DataError(f"{path}: its labels are not the numbers of its classes; encode the data again, or give the class with --label")
    return [None if number == UNKNOWN else str(classes[number]) for number in numbers.tolist()]


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a ``.npy`` (under the name ``data``) or ``.npz``; nothing is ever unpickled."""
    try:
        with path.open("rb") as file:
            if file.read(2) not in MAGIC:
                raise DataError(f"{path} is not a NumPy file or is damaged; write it with numpy.save or numpy.savez")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            found = {"data": loaded} if isinstance(loaded, np.ndarray) else _of_archive(loaded)
        for name, array in found.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{name} is not an array")
        return found
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except MemoryError as error:
        raise DataError(f"{path} claims to be larger than the memory; it is damaged, or use fewer examples") from error
    except DAMAGE as error:
        raise DataError(f"{path} is not a NumPy file of plain numbers or is damaged: {error}") from error


def _of_archive(loaded: Any) -> dict[str, np.ndarray]:
    """All arrays but pickled ones, where there are others."""
    found, pickled = {}, None
    for name in loaded.files:
        try:
            found[name] = loaded[name]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            pickled = error
    if pickled is not None and not found:
        raise pickled
    return found


def _pickled(path: Path, arrays: dict[str, np.ndarray]) -> list[str]:
    """The names in an archive that are not among the arrays read from it."""
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return [name for file in archive.namelist() if (name := file.removesuffix(".npy")) not in arrays]


def pick(path: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The array of the data. Errors: DataError where it is ambiguous."""
    return arrays[_picked(path, arrays)]


def _picked(path: Path, arrays: dict[str, np.ndarray]) -> str:
    """The name of the array of the data. Errors: DataError where it is ambiguous."""
    named = [name for name in VALUES if name in arrays]
    candidates = named or [name for name in arrays if name not in LABELS]
    if len(candidates) == 1 or named:
        return candidates[0]
    raise DataError(f"{path} holds {', '.join(arrays) or 'no arrays'}; name the array of the data 'images' or 'x'")


def splits_of(path: Path, values: np.ndarray, how: Reading, labels: np.ndarray | None = None) -> Splits:
    """An array of any file as data, with the layouts, types and labels of ``load_file``. Errors: DataError, which names the path."""
    found = _laid_out(path, values, how)
    return Splits.of(labelled(path, found, None if labels is None else flat(labels)), found.notes)


def labelled(path: Path, found: Numbers, labels: np.ndarray | None) -> Dataset:
    """Numbers ``(N, *event)`` with their labels. Errors: DataError, which names the path."""
    whole = Dataset(found.values, unit=found.unit, white=found.white)
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


def flat(labels: np.ndarray) -> np.ndarray:
    """Labels ``(N, 1)`` as ``(N,)``; others unchanged."""
    return labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels


def name_of(label: Any) -> str | None:
    """The class name of a label, the same for equal whole numbers of any type; None where it is not known: empty, or −1."""
    whole = isinstance(label, (float, np.floating)) and label == int(label)
    name = str(int(label) if whole else label).strip()
    return None if name in ("", str(UNKNOWN)) else name


def _laid_out(path: Path, values: np.ndarray, how: Reading) -> Numbers:
    """What the values mean, as ``(N, *event)``."""
    return laid_out(path, _checked(path, values, how), how.shape)


def _checked(path: Path, values: np.ndarray, how: Reading = Reading()) -> Numbers:  # noqa: B008
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
