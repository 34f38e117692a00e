"""Tars of examples: members of one name but for their endings are one example, ``0001.png`` and ``0001.cls``. Nothing is unpacked to disk.

Source: the layout of WebDataset, Aizman et al., "High Performance I/O For Large Scale Deep Learning", 2020, https://arxiv.org/abs/2001.01858.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from lowerbound.data import arrays, images
from lowerbound.data.dataset import Dataset
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError

SUFFIXES = (".tar", ".tar.gz", ".tgz")
ARRAY = "npy"
LABELS = ("cls", "label")
DESCRIPTION = "json"  # an object that may have a label


@dataclass
class Example:
    """The members of one name, by their endings."""

    name: str
    members: dict[str, bytes] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its class, empty where it has none. Errors: DataError."""
        for ending in LABELS:
            if ending in self.members:
                return self.members[ending].decode(errors="replace").strip()
        try:
            said = json.loads(self.members.get(DESCRIPTION, b"{}"))
        except ValueError as error:
            raise DataError(f"{self.name}.{DESCRIPTION} is no JSON: {error}") from error
        label = said.get(LABELS[1], "") if isinstance(said, dict) else ""
        return "" if label is None else str(label)


def takes(path: Path) -> bool:
    """Whether it is a tar, or a folder of some and nothing else that is read."""
    return _is_tar(path) or (path.is_dir() and any(map(_is_tar, path.iterdir())))


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def files(path: Path) -> list[Path]:
    """The tars of a folder in the order of their names, or the one."""
    return [path] if path.is_file() else sorted(filter(_is_tar, path.iterdir()))


def examples(paths: Sequence[Path], at_once: int) -> Iterator[list[Example]]:
    """The examples of all files in their order, some at once. Errors: DataError for a damaged file."""
    every = (example for path in paths for example in _of_file(path))
    return iter(lambda: list(islice(every, at_once)), [])


def _of_file(path: Path) -> Iterator[Example]:
    """The members of one name follow one another."""
    current: Example | None = None
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                folder, _, file = member.name.rpartition("/")
                stem, _, ending = file.partition(".")
                name = f"{folder}/{stem}" if folder else stem
                if current is None or current.name != name:
                    if current is not None:
                        yield current
                    current = Example(name)
                content = archive.extractfile(member)
                assert content is not None
                current.members[ending.lower()] = content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{path} is not a tar or is damaged: {error}") from error
    if current is not None:
        yield current


def dataset(path: Path, some: Sequence[Example], how: Reading) -> Dataset:
    """Examples as data, images or arrays, with their labels where any has one. Errors: DataError."""
    kinds = {next((ending for ending in one.members if ending == ARRAY or f".{ending}" in images.SUFFIXES), "") for one in some}
    if "" in kinds or (ARRAY in kinds and len(kinds) > 1):
        raise DataError(
            f"{path}: each example has an image or an array ({ARRAY}), all the same; endings here are {', '.join(sorted(kinds))}"
        )
    if kinds == {ARRAY}:
        found = arrays.splits_of(path, np.stack([_array(path, one) for one in some]), how)
    else:
        content = [next(data for ending, data in one.members.items() if f".{ending}" in images.SUFFIXES) for one in some]
        found = images.decoded(path, [(Path(one.name), io.BytesIO(data)) for one, data in zip(some, content, strict=True)], how)
    assert found.whole is not None
    labels = [one.label for one in some]
    return found.whole if not any(labels) else arrays.labelled_as(path, found.whole, arrays.numbers_of([label or None for label in labels]))


def _array(path: Path, one: Example) -> np.ndarray:
    try:
        return np.asarray(np.load(io.BytesIO(one.members[ARRAY]), allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: {one.name}.{ARRAY} is not an array of plain numbers or is damaged: {error}") from error
