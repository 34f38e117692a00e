"""NumPy files: ``.npy`` (one array) and ``.npz`` (an array with its labels, or training and test data)."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lowerbound.data.dataset import UNKNOWN, Dataset, Splits
from lowerbound.errors import DataError

VALUES = ("images", "x", "X", "data", "values", "latents")
LABELS = ("labels", "y", "target", "targets", "subject")
SUFFIXES = (".npy", ".npz")
COLOURS = (1, 3)
MAGIC = (b"\x93N", b"PK")  # first bytes of a .npy and a .npz
#: what numpy and zipfile raise for a damaged file, or one of another format
DAMAGE = (ValueError, EOFError, KeyError, zipfile.BadZipFile, SyntaxError, TokenError, zlib.error, NotImplementedError, TypeError)


def load_file(path: Path, holes: bool = False) -> Splits:
    """The data of a file; with ``holes``, NaN in it are missing values.

    ``.npy`` or the array of an ``.npz`` named as in ``VALUES`` (or the only one): ``(N, D)`` vectors,
    ``(N, H, W)`` grey images, ``(N, H, W, C)`` or ``(N, C, H, W)`` images with C = 1 or 3. Integers
    must be pixels (0–255), floats are kept. ``x_train``/``x_test`` with ``y_train``/``y_test`` give both splits. Labels are names or
    numbers, unknown where they are −1 or empty. Errors: DataError for anything else, for infinity, and for NaN without ``holes``.
    """
    arrays = read(path)
    if "x_train" in arrays and "x_test" in arrays:
        return _two_parts(path, arrays, holes)
    if "x_train" in arrays:
        return Splits.of(dataset_of(path, arrays["x_train"], arrays.get("y_train"), holes))
    return Splits.of(dataset_of(path, pick(path, arrays), next((arrays[k] for k in LABELS if k in arrays), None), holes))


def _two_parts(path: Path, arrays: dict[str, np.ndarray], holes: bool) -> Splits:
    """Training and test data, read together so that shapes, types and class numbers agree."""
    values = [arrays["x_train"], arrays["x_test"]]
    if values[0].shape[1:] != values[1].shape[1:] or values[0].dtype.kind != values[1].dtype.kind:
        kinds = " and ".join(f"{part.dtype} {part.shape}" for part in values)
        raise DataError(f"{path}: x_train and x_test are {kinds}; both must have the same shape and type")
    labels = [arrays[name] for name in ("y_train", "y_test") if name in arrays]
    both = dataset_of(path, np.concatenate(values), np.concatenate(labels) if len(labels) == len(values) else None, holes)
    rows = torch.arange(len(both)).split([len(part) for part in values])
    return Splits(both.view(rows[0]), both.view(rows[1]))


def load_values(path: Path) -> Tensor:
    """Only the array of a file, uint8 or float32. Errors: DataError as for ``load_file``."""
    return _checked(path, pick(path, read(path)))


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
            found = {"data": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
        for name, array in found.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{name} is not an array")
        return found
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except MemoryError as error:
        raise DataError(f"{path} claims to be larger than the memory; it is damaged, or use fewer examples") from error
    except (
        ValueError,
        EOFError,
        KeyError,
        zipfile.BadZipFile,
        SyntaxError,
        zlib.error,
        NotImplementedError,
        TypeError,
        TokenError,
    ) as error:
        raise DataError(f"{path} is not a NumPy file of plain numbers or is damaged: {error}") from error


def pick(path: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The array of the data. Errors: DataError where it is ambiguous."""
    named = [arrays[name] for name in VALUES if name in arrays]
    candidates = named or [array for name, array in arrays.items() if name not in LABELS]
    if len(candidates) == 1 or named:
        return candidates[0]
    raise DataError(f"{path} holds {', '.join(arrays) or 'no arrays'}; name the array of the data 'images' or 'x'")


def dataset_of(path: Path, values: np.ndarray, labels: np.ndarray | None, holes: bool) -> Dataset:
    """Arrays of any file as data, with the layouts, types and labels of ``load_file``. Errors: DataError, which names the path."""
    tensor = _event_layout(path, _checked(path, values, holes))
    if labels is None:
        return Dataset(tensor)
    labels = flat(labels)
    if labels.shape != (len(tensor),):
        raise DataError(f"{path}: labels have the shape {labels.shape}, data {tuple(tensor.shape)}; give one label per example")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError(f"{path}: some labels are NaN or infinite; remove those examples or leave the labels out")
    found, rows = np.unique(labels, return_inverse=True)
    names = [name_of(label) for label in found]
    classes = tuple(dict.fromkeys(name for name in names if name is not None))
    numbers = torch.tensor([UNKNOWN if name is None else classes.index(name) for name in names])
    return Dataset(tensor, numbers[torch.from_numpy(rows)], classes)


def flat(labels: np.ndarray) -> np.ndarray:
    """Labels ``(N, 1)`` as ``(N,)``; others unchanged."""
    return labels.reshape(-1) if labels.ndim == 2 and labels.shape[1] == 1 else labels


def name_of(label: Any) -> str | None:
    """The class name of a label, the same for equal whole numbers of any type; None where it is not known: empty, or −1."""
    whole = isinstance(label, (float, np.floating)) and label == int(label)
    name = str(int(label) if whole else label).strip()
    return None if name in ("", str(UNKNOWN)) else name


def _checked(path: Path, values: np.ndarray, holes: bool = False) -> Tensor:
    """The values as uint8 or float32, all finite except NaN with ``holes``."""
    if values.size == 0 or values.ndim == 0:
        raise DataError(f"{path} is empty: its shape is {values.shape}")
    if values.dtype.kind == "b":
        return torch.from_numpy(values.astype(np.float32))
    if values.dtype.kind in "iu":
        if values.min() < 0 or values.max() > 255:
            raise DataError(
                f"{path}: integers are read as pixels, 0–255, but these go from {values.min()} to {values.max()}; save them as floats"
            )
        return torch.from_numpy(values.astype(np.uint8, copy=False))
    if values.dtype.kind != "f":
        raise DataError(f"{path} holds {values.dtype}; numbers are needed")
    wrong = np.isinf(values) if holes else ~np.isfinite(values)
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(f"{path}: {int(wrong.sum()):,} values are NaN or infinite, the first at {where}; remove or fill them in")
    if np.isnan(values).all():
        raise DataError(f"{path}: all values are NaN; there is nothing to learn from")
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if np.isinf(single).any():
        raise DataError(f"{path}: values beyond ±3.4e38 do not fit in single precision; rescale them")
    return torch.from_numpy(single)


def _event_layout(path: Path, values: Tensor) -> Tensor:
    match tuple(values.shape):
        case (_, _):
            return values
        case (_, _, _):
            return values.unsqueeze(1)
        case (_, _, _, c) if c in COLOURS:
            return values.permute(0, 3, 1, 2).contiguous()
        case (_, c, _, _) if c in COLOURS:
            return values
        case shape:
            raise DataError(f"{path} has the shape {shape}; (N, D), (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3 is needed")
