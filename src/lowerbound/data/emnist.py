"""EMNIST, as NIST gives it: a set's four IDX files with its name in front, images with rows and columns exchanged, a file of its classes.

Source: Cohen, Afshar, Tapson and van Schaik, "EMNIST: an extension of MNIST to handwritten letters", 2017, https://arxiv.org/abs/1702.05373.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from lowerbound.data import idx
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.errors import DataError, reason

FILE = re.compile(r"(emnist-[a-z]+)-train-images-idx3-ubyte(\.gz)?")
PARTS = ("train", "test")


def takes(path: Path) -> bool:
    """Whether it is a folder of such files, or FOLDER/emnist-NAME, one set of several in it."""
    return bool(_sets(path)) or (not path.exists() and path.name in _sets(path.parent))


def load(path: Path) -> Splits:
    """The images turned upright, with their classes by letter and digit. Errors: DataError, also for a folder of several sets."""
    folder, names = (path, _sets(path)) if path.is_dir() else (path.parent, [path.name])
    if len(names) > 1:
        raise DataError(f"{folder} holds several sets: {', '.join(names)}; give one of them, as {folder / names[0]}")
    (name,) = names
    classes = _classes(folder / f"{name}-mapping.txt")
    note = (f"{folder}: {name} is stored with rows and columns exchanged, which is undone",)
    there = [part for part in PARTS if idx.find(folder, f"{name}-{part}", "images") is not None]
    parts = [_upright(idx.load_part(folder, f"{name}-{part}"), classes) for part in there]
    parts = parts if classes else idx.named(folder, (), *parts)
    if len(parts) == 1:
        return Splits.of(parts[0], note)
    idx.must_be_alike(folder, *parts)
    return Splits(parts[0], parts[1], notes=note)


def _sets(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted({match[1] for file in folder.iterdir() if (match := FILE.fullmatch(file.name)) is not None})


def _upright(part: Dataset, classes: dict[int, str]) -> Dataset:
    """The images transposed, and labels, which may begin at 1, as numbers of ``classes``."""
    assert isinstance(part.array, Tensor)
    images = part.array.transpose(2, 3).contiguous()
    if part.targets is None or not classes:
        return replace(part, array=images)
    place = {label: number for number, label in enumerate(classes)}
    strange = next((label for label in part.targets.unique().tolist() if label not in place), None)
    if strange is not None:
        raise DataError(f"label {strange} is not in the mapping of EMNIST's classes; its files do not belong together")
    targets = part.targets.clone()
    for label, number in place.items():
        targets[part.targets == label] = number
    return replace(part, array=images, targets=targets, classes=tuple(classes.values()))


def _classes(path: Path) -> dict[int, str]:
    """Label → letter or digit, by the first of its codes; empty without the file."""
    if not path.is_file():
        return {}
    try:
        rows = [[int(word) for word in line.split()] for line in path.read_text(encoding="ascii").splitlines() if line.strip()]
        found = {row[0]: chr(row[1]) for row in rows}
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
    except (ValueError, IndexError, OverflowError) as error:
        raise DataError(f"{path} is no mapping of labels to codes of letters; download it again") from error
    if len(set(found.values())) != len(found) or not all(name.isalnum() for name in found.values()):
        raise DataError(f"{path} gives two classes one letter, or one that is none; download it again")
    return found
