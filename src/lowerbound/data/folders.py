"""What the folders of files say of them: ``train``, ``val`` and ``test`` are parts, those below them, or the first ones, classes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from lowerbound.data.dataset import UNKNOWN, Dataset, Splits
from lowerbound.errors import DataError, printable

#: names of folders that are parts of the data, not classes
PARTS = {"train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation"}
PARTS |= {"test": "test", "testing": "test"}


def files(folder: Path, suffixes: Collection[str]) -> tuple[list[Path], list[Path]]:
    """The files below a folder that have one of these suffixes, in any case, and the others there, hidden ones aside."""
    found: list[Path] = []
    others: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in (Path(parent, name) for name in names if not name.startswith(".")):
            (found if file.suffix.lower() in suffixes else others).append(file)
    return sorted(found), sorted(others)


def left_out(others: Sequence[Path], kind: str) -> tuple[str, ...]:
    """A note on files that are not of the ``kind`` that is read."""
    if not others:
        return ()
    kinds = ", ".join(f"{n:,} {suffix or 'without a suffix'}" for suffix, n in Counter(path.suffix for path in others).most_common(3))
    return (f"{len(others):,} files that are no {kind} left out ({kinds})",)


def splits(folder: Path, whole: Dataset, kept: Sequence[Path], notes: tuple[str, ...]) -> Splits:
    """The data of a folder: in the parts that its folders name, or in one."""
    below = [path.relative_to(folder).parts for path in kept]
    first = {parts[0] for parts in below if len(parts) > 1}
    named = {name for name in first if name.lower() in PARTS}
    if named != first or "train" not in {PARTS[name.lower()] for name in named} or any(len(parts) == 1 for parts in below):
        if named and "test" in {PARTS[name.lower()] for name in named}:
            stray = sorted(first - named) or ["files beside them"]
            raise DataError(f"{folder} has {', '.join(sorted(named))}, and {', '.join(stray)}; give the parts a folder of their own")
        targets, classes = _labels(below)
        return Splits.of(replace(whole, targets=targets, classes=classes), notes)
    targets, classes = _labels([parts[1:] for parts in below], [PARTS[parts[0].lower()] != "test" for parts in below])
    whole = replace(whole, targets=targets, classes=classes)
    each = [PARTS[parts[0].lower()] for parts in below]
    rows = {part: torch.tensor([row for row, of in enumerate(each) if of == part]) for part in sorted(set(each))}
    sizes = ", ".join(f"{part} {len(rows[part]):,}" for part in ("train", "validation", "test") if part in rows)
    return Splits.of_parts(whole, rows, (*notes, f"folders are the parts: {sizes}"))


def _labels(parts: Sequence[tuple[str, ...]], wanted: Sequence[bool] | None = None) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """The first folder of each path as its class; none where some that are ``wanted`` have none, or all have the same."""
    folders = sorted({part[0] for part in parts if len(part) > 1})
    needed = parts if wanted is None else [part for part, is_so in zip(parts, wanted, strict=True) if is_so]
    if len(folders) < 2 or any(len(part) == 1 for part in needed):
        return None, ()
    number = {name: i for i, name in enumerate(folders)}
    return torch.tensor([number[part[0]] if len(part) > 1 else UNKNOWN for part in parts]), tuple(printable(name) for name in folders)
