"""CIFAR-10 and CIFAR-100 in their binary version: records of one label, or a coarse and a fine one, and 3 × 32 × 32 bytes.

Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009, https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lowerbound.data.dataset import Dataset, Splits
from lowerbound.errors import DataError, reason

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
#: files to learn from, files to test on, the file of class names, and which of the labels of a record counts, of how many
TEN = (tuple(f"data_batch_{n}.bin" for n in range(1, 6)), ("test_batch.bin",), "batches.meta.txt", 0, 1)
HUNDRED = (("train.bin",), ("test.bin",), "fine_label_names.txt", 1, 2)
#: the same data as pickles
PYTHON = ("batches.meta", "meta")


def takes(path: Path) -> bool:
    """Whether it is a folder of such files, or of their pickles, which ``load`` refuses."""
    return path.is_dir() and (_kind(path) is not None or _is_pickled(path))


def load(folder: Path) -> Splits:
    """The images ``(N, 3, 32, 32)`` with the names of their classes, in parts. Errors: DataError."""
    kind = _kind(folder)
    if kind is None:
        raise DataError(f"{folder} holds CIFAR as pickles, which may run any code; take the binary version of the same page")
    train, test, meta, which, labels = kind
    names = _names(folder / meta)
    parts = [_records(folder, files, which, labels, names) for files in (train, test) if (folder / files[0]).is_file()]
    note = () if labels == 1 else (f"{folder}: the fine labels are read, the coarse ones left out",)
    there = sum((folder / file).is_file() for file in train)
    note = note if there == len(train) else (f"{folder} has {there} of {len(train)} files to learn from", *note)
    return Splits.of(parts[0], note) if len(parts) == 1 else Splits(parts[0], parts[1], notes=note)


def _kind(folder: Path) -> tuple[Sequence[str], Sequence[str], str, int, int] | None:
    if (folder / TEN[0][0]).is_file():
        return TEN
    is_hundred = (folder / HUNDRED[2]).is_file() and (folder / HUNDRED[0][0]).is_file()
    return HUNDRED if is_hundred else None


def _is_pickled(folder: Path) -> bool:
    named = any((folder / name).is_file() for name in PYTHON)
    return named and any((folder / name).is_file() for name in ("data_batch_1", "train"))


def _records(folder: Path, files: Sequence[str], which: int, labels: int, names: Sequence[str]) -> Dataset:
    rows = np.concatenate([_read(folder / file, labels) for file in files if (folder / file).is_file()])
    targets = torch.from_numpy(rows[:, which].astype(np.int64))
    classes = tuple(names) or tuple(str(number) for number in range(int(targets.max()) + 1))
    if int(targets.max()) >= len(classes):
        raise DataError(f"{folder} has a label {int(targets.max())}, and {len(classes)} names of classes; its files do not belong together")
    return Dataset(torch.from_numpy(rows[:, labels:].reshape(-1, *SHAPE)), targets, classes)


def _read(path: Path, labels: int) -> np.ndarray:
    try:
        found = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
    if not len(found) or len(found) % (labels + PIXELS):
        raise DataError(f"{path} has {len(found):,} bytes, no whole number of records of {labels + PIXELS:,}; download it again")
    return found.reshape(-1, labels + PIXELS)


def _names(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split() if path.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
