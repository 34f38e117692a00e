"""Labels for some of the examples: a few of the existing ones, equally many of each class, or those of a file."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowerbound.data import arrays, label_columns, numpy_files
from lowerbound.data.dataset import UNKNOWN, Dataset, Splits
from lowerbound.errors import DataError, nearest, reason
from lowerbound.system.seeding import permutation

COLUMN = "label"
LONGEST = 200  # characters in a class name: a longer text is not a name


def few(data: Dataset, n: int, seed: int) -> Dataset:
    """The same data with all but n labels hidden: equally many of each class, one more of the first classes if n is not a multiple.

    Classes without examples here do not count. Errors: DataError where a class has too few labels, or n is below one per class.
    """
    if data.targets is None:
        raise DataError("these data have no labels; give a file of labels with --labels FILE")
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
    """Raise DataError for data whose known labels are all of one class, or that have none."""
    labels = data.labels
    found = torch.empty(0) if labels is None else labels[labels != UNKNOWN].unique()
    if len(found) < 2:
        one = f"all known labels are '{data.classes[int(found[0])]}'" if len(found) else "no label is known"
        raise DataError(f"{one}: there is nothing to classify; give labels of several classes")


def must_be_known(data: Dataset) -> None:
    """Raise DataError for data of which some labels are known and some are not."""
    unknown = 0 if data.labels is None else len(data) - len(data.known)
    if unknown:
        raise DataError(
            f"{unknown:,} of these examples have no known label, and this model is conditioned on labels; leave those out, or train with "
            "--semi-supervised m2"
        )


def _shares(n: int, classes: int) -> list[int]:
    return [n // classes + (number < n % classes) for number in range(classes)]


def _some(data: Dataset, rows: Tensor, number: int, share: int) -> Tensor:
    if len(rows) < share:
        there = f"class '{data.classes[number]}' has {len(rows):,} training examples"
        raise DataError(f"{there}, and {share:,} labels of it were requested; ask for fewer labels")
    return rows[:share]


def of_file(splits: Splits, path: Path) -> Splits:
    """The data with the labels of a file, one per example in order: of all examples, or of the training examples.

    Errors: DataError for a file of another length, or a label that is not one of the data's classes, if they have any.
    """
    names = read(path)
    part = next((each for each in (splits.whole, splits.train) if each is not None and _fits(names, len(each))), None)
    if part is None:
        there = len(splits.train if splits.whole is None else splits.whole)
        raise DataError(f"{path} has {len(names):,} labels, but there are {there:,} examples; write one each, empty where unknown")
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
    """Whether these can be the labels of n examples: blank lines at the end of a file do not count."""
    return len(names) >= n and not any(names[n:])


def read(path: Path) -> list[str | None]:
    """The labels of a file, None where one is unknown: a ``.npy`` of names or whole numbers, a ``.npz`` written by ``encode``, or text with
    one label per line or a column ``label``. An unknown label is empty or −1.

    Errors: DataError.
    """
    found = _of_array(path) if path.suffix in (".npy", ".npz") else [arrays.name_of(text) for text in _of_text(path)]
    endless = next((row for row, name in enumerate(found) if name is not None and len(name) > LONGEST), None)
    if endless is not None:
        raise DataError(
            f"{path}: the label of example {endless} has {len(found[endless] or ''):,} characters; a class name has at most {LONGEST}"
        )
    return found


def _of_array(path: Path) -> list[str | None]:
    named = arrays.load_classes(path)
    if named is not None:
        return named
    held = numpy_files.read(path)
    array = next((held[name] for name in (*arrays.LABELS, numpy_files.ALONE) if name in held), None)
    array = None if array is None else label_columns.flat(array, array.size)
    numbers = array is not None and array.dtype.kind == "f" and bool((array == np.floor(array)).all())  # no NaN, no infinity
    if array is None or array.ndim != 1 or not (array.dtype.kind in "biuU" or (numbers and bool(np.isfinite(array).all()))):
        raise DataError(f"{path} has no list of labels; write class numbers or class names")
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
        raise DataError(f"{path} has several columns and none is called '{COLUMN}'; give the column of labels that name")
    return [line[0] if line else "" for line in lines]


def _classes(path: Path, names: Sequence[str | None], known: Sequence[str]) -> tuple[str, ...]:
    """The classes of the data or, if they have none, those of the file, numbers in numerical order."""
    if known:
        strange = next((row for row, name in enumerate(names) if name is not None and name not in known), None)
        if strange is not None:
            raise DataError(
                f"{path}: label '{names[strange]}' of example {strange} is not a class of these data{nearest(str(names[strange]), known)}"
            )
        return tuple(known)
    found = {name for name in names if name is not None}
    return tuple(sorted(found, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)))
