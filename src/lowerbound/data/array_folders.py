"""A folder of NumPy's files: an array each that its name tells (``x_train.npy``, KMNIST's), or an example each, its folder the class."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from lowerbound.data import archives, arrays, folders, named_arrays
from lowerbound.data.archives import Archive
from lowerbound.data.dataset import Splits
from lowerbound.data.folders import PARTS
from lowerbound.data.images import SUFFIXES as IMAGES
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError

SUFFIXES = frozenset({".npy", ".npz"})
PART = re.compile(r"(?:^|[-_])(train|training|val|valid|validation|dev|test|testing)(?=[-_]|$)")
KINDS = {"x": re.compile(r"(?:^|[-_])(x|imgs|images|data|values)(?=[-_]|$)"), "y": re.compile(r"(?:^|[-_])(y|labels?|targets?)(?=[-_]|$)")}
ALONE = {"x": "images", "y": "labels"}  # without parts


def takes(path: Path) -> bool:
    """Whether a folder has such files, and no images."""
    found = False
    for _, within, names in os.walk(path):  # by names alone: there may be many images
        within[:] = [name for name in within if not name.startswith(".")]
        endings = {"." + name.lower().rpartition(".")[2] for name in names if not name.startswith(".")}
        if endings & IMAGES:
            return False
        found = found or bool(endings & SUFFIXES)
    return found


def load(path: Path, how: Reading) -> Splits:
    """The arrays by their names, or all files as examples of one shape. Errors: DataError."""
    files, others = folders.files(path, SUFFIXES)
    left = folders.left_out(others, "arrays")
    if (named := roles(path)) is not None:
        found = named_arrays.of_archive(path, Archive({role: _only(file) for role, file in named.items()}), how)
        return replace(found, notes=(*found.notes, *left))
    if how.label_column is not None:
        raise DataError(f"{path} has an example in each file, and no columns of labels; leave --label-column out")
    each = [_only(file) for file in files]
    first = each[0]
    for file, array in zip(files, each, strict=True):
        if (array.shape, array.dtype) != (first.shape, first.dtype):
            kinds = f"{array.dtype} {array.shape}, and {files[0].name} {first.dtype} {first.shape}"
            raise DataError(f"{file} is {kinds}; where each file is an example, all have one shape and type")
    found = arrays.splits_of(path, np.stack(each), how)
    assert found.whole is not None
    note = f"{path}: each of {len(files):,} files is one example"
    return folders.splits(path, found.whole, files, (*found.notes, note, *left))


def roles(path: Path) -> dict[str, Path] | None:
    """The files of a folder by what their names say of them; None where some say nothing, and each is an example."""
    files, _ = folders.files(path, SUFFIXES)
    found = {role: file for file in files if (role := _role(file.stem.lower())) is not None}
    return found if len(found) == len(files) else None


def _role(stem: str) -> str | None:
    """What the name of a file says of it: ``x_train``, ``labels``; None where it says nothing."""
    kind = next((kind for kind, name in KINDS.items() if name.search(stem)), None)
    part = PART.search(stem)
    if kind is None:
        return None
    return ALONE[kind] if part is None else f"{kind}_{PARTS[part[1]]}"


def _only(path: Path) -> np.ndarray:
    """The one array of a file. Errors: DataError where there are several."""
    held = archives.read(path).arrays
    if len(held) > 1:
        raise DataError(f"{path} holds {', '.join(held)}; in a folder of arrays each file has one")
    return next(iter(held.values()))
