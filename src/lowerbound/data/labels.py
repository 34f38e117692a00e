"""Labels for some of the data: few of those that there are, as many of each class, or those of a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowerbound.data import arrays
from lowerbound.data.dataset import UNKNOWN, Dataset, Splits
from lowerbound.errors import DataError, nearest, reason
from lowerbound.system.seeding import permutation

COLUMN = "label"
LONGEST = 200  # characters in the name of a class: more is no name


def few(data: Dataset, n: int, seed: int) -> Dataset:
    """The same data, all labels hidden but n: as many of each class, those of the first classes one more where n is no multiple.

    A class that no datum here is of is left out of account. Errors: DataError where there are not so many, or not one of each class.
    """
    if data.targets is None:
        raise DataError("these data have no labels; give a file of them with --labels FILE")
    must_be_several(data)
    labels = data.labels
    assert labels is not None
    there = labels[data.known].unique().tolist()
    if n < len(there):
        raise DataError(f"{n:,} labels are too few: at least one of each of the {len(there)} classes is needed")
    order = permutation(len(data), seed, "labels")
    kept = [_some(data, order[labels[order] == number], number, share) for number, share in zip(there, _shares(n, len(there)), strict=True)]
    rows = torch.cat(kept) if data.rows is None else data.rows[torch.cat(kept)]
    targets = torch.full_like(data.targets, UNKNOWN)
    targets[rows] = data.targets[rows]
    return replace(data, targets=targets)


def must_be_several(data: Dataset) -> None:
    """Errors: DataError for data with known labels of one class only, or of none."""
    labels = data.labels
    found = torch.empty(0) if labels is None else labels[labels != UNKNOWN].unique()
    if len(found) < 2:
        one = f"all known labels are '{data.classes[int(found[0])]}'" if len(found) else "no label is known"
        raise DataError(f"{one}: there is nothing to tell apart; bring labels of several classes")


def must_be_known(data: Dataset) -> None:
    """Errors: DataError for data that have labels, but not all of them."""
    unknown = 0 if data.labels is None else len(data) - len(data.known)
    if unknown:
        raise DataError(
            f"{unknown:,} of these data have no known label, and this model is given them; leave those out, or train with "
            "--semi-supervised m2"
        )


def _shares(n: int, classes: int) -> list[int]:
    return [n // classes + (number < n % classes) for number in range(classes)]


def _some(data: Dataset, rows: Tensor, number: int, share: int) -> Tensor:
    if len(rows) < share:
        there = f"class '{data.classes[number]}' has {len(rows):,} training data"
        raise DataError(f"{there}, and {share:,} labels of it were asked for; ask for fewer labels")
    return rows[:share]


def of_file(splits: Splits, path: Path) -> Splits:
    """The data with the labels of a file, one for each datum in their order: of all of them, or of the training data.

    Errors: DataError for a file of another length, or a label that is none of the data's classes, where they have some.
    """
    names = read(path)
    part = next((each for each in (splits.whole, splits.train) if each is not None and _fits(names, len(each))), None)
    if part is None:
        there = len(splits.train if splits.whole is None else splits.whole)
        raise DataError(f"{path} has {len(names):,} labels, and there are {there:,} data; write one for each, nothing where it is unknown")
    classes = _classes(path, names, part.classes)
    numbers = torch.tensor([UNKNOWN if name is None else classes.index(name) for name in names[: len(part)]])
    rows = torch.arange(len(part.array)) if part.rows is None else part.rows
    targets = torch.full((len(part.array),), UNKNOWN) if part.targets is None else part.targets.clone()
    targets[rows] = numbers

    def labelled(each: Dataset) -> Dataset:
        return replace(each, targets=targets, classes=classes) if each.array is part.array else each

    everything = None if splits.whole is None else labelled(splits.whole)
    return replace(splits, train=labelled(splits.train), test=labelled(splits.test), whole=everything)


def _fits(names: Sequence[str | None], n: int) -> bool:
    """Whether these are the labels of n data: lines without one at the end of a file are of no datum."""
    return len(names) >= n and not any(names[n:])


def read(path: Path) -> list[str | None]:
    """The labels of a file, None where one is unknown: a ``.npy`` of names or whole numbers, a ``.npz`` of ``encode``, or text, one a line,
    or with a column ``label``. Unknown is nothing, or −1.

    Errors: DataError.
    """
    found = _of_array(path) if path.suffix in (".npy", ".npz") else [arrays.name_of(text) for text in _of_text(path)]
    endless = next((row for row, name in enumerate(found) if name is not None and len(name) > LONGEST), None)
    if endless is not None:
        raise DataError(
            f"{path}: the label of datum {endless} has {len(found[endless] or ''):,} characters; at most {LONGEST} name a class"
        )
    return found


def _of_array(path: Path) -> list[str | None]:
    named = arrays.load_classes(path)
    if named is not None:
        return named
    held = arrays.read(path)
    array = next((arrays.flat(held[name]) for name in (*arrays.LABELS, "data") if name in held), None)
    numbers = array is not None and array.dtype.kind == "f" and bool((array == np.floor(array)).all())  # NaN is none, infinity has no name
    if array is None or array.ndim != 1 or not (array.dtype.kind in "biuU" or (numbers and bool(np.isfinite(array).all()))):
        raise DataError(f"{path} holds no list of labels, numbers of classes or their names")
    return [arrays.name_of(label) for label in array]


def _of_text(path: Path) -> list[str]:
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"cannot read labels from {path}: {reason(error) if isinstance(error, OSError) else error}") from error
    header = [name.strip().lower() for name in lines[0]] if lines else []
    if COLUMN in header:
        column = header.index(COLUMN)
        return [line[column] if len(line) > column else "" for line in lines[1:]]
    if any(len(line) > 1 for line in lines):
        raise DataError(f"{path} has several columns and none is called '{COLUMN}'; name the one that holds the labels so")
    return [line[0] if line else "" for line in lines]


def _classes(path: Path, names: Sequence[str | None], known: Sequence[str]) -> tuple[str, ...]:
    """The classes of the data, or of data without any those of the file, numbers in their order."""
    if known:
        strange = next((row for row, name in enumerate(names) if name is not None and name not in known), None)
        if strange is not None:
            raise DataError(
                f"{path}: label '{names[strange]}' of datum {strange} is no class of these data{nearest(str(names[strange]), known)}"
            )
        return tuple(known)
    found = {name for name in names if name is not None}
    return tuple(sorted(found, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)))
