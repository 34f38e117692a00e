"""Tars of examples: members of one name but for their endings are one example, ``0001.png`` and ``0001.cls``. Nothing is unpacked to disk.

Source: the layout of WebDataset, Aizman et al., "High Performance I/O For Large Scale Deep Learning", 2020, https://arxiv.org/abs/2001.01858.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from lowerbound.data import arrays, images
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError

SUFFIXES = (".tar", ".tar.gz", ".tgz")
ARRAY = "npy"
LABELS = ("cls", "label")
DESCRIPTION = "json"  # an object that may have a label


@dataclass
class Example:
    """The members of one name, by their endings, and the place of the first in its file."""

    name: str
    place: int = 0
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
    """Whether it is a tar, or a folder of some with no images or arrays beside them."""
    if not path.is_dir():
        return _is_tar(path)
    there = [*path.iterdir()]
    return any(map(_is_tar, there)) and not any(one.is_dir() or one.suffix.lower() in {*images.SUFFIXES, f".{ARRAY}"} for one in there)


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def files(path: Path) -> list[Path]:
    """The tars of a folder in the order of their names, or the one."""
    return [path] if path.is_file() else sorted(filter(_is_tar, path.iterdir()))


def examples(paths: Sequence[Path], at_once: int) -> Iterator[list[Example]]:
    """The examples of all files in their order, some at once. Errors: DataError for a damaged file."""
    every = (example for path in paths for example in of_file(path))
    return iter(lambda: list(islice(every, at_once)), [])


def of_file(path: Path, content: io.BufferedIOBase | None = None, wanted: Callable[[str], bool] = lambda ending: True) -> Iterator[Example]:
    """The examples of a file, or of a piece of it, its ``content``; members of one name follow one another. Errors: DataError.

    Of members whose ending is not ``wanted`` there is the name alone.
    """
    current: Example | None = None
    try:
        with tarfile.open(path, "r|*" if content is None else "r:", fileobj=content) as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep them all
                if not member.isfile():
                    continue
                folder, _, file = member.name.rpartition("/")
                stem, _, ending = file.partition(".")
                name = f"{folder}/{stem}" if folder else stem
                if current is None or current.name != name:
                    if current is not None:
                        yield current
                    current = Example(name, member.offset)
                held = archive.extractfile(member) if wanted(ending.lower()) else None
                current.members[ending.lower()] = b"" if held is None else held.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{path} is not a tar or is damaged: {error}") from error
    if current is not None:
        yield current


def load(path: Path, how: Reading) -> Splits:
    """All examples in memory. Errors: DataError."""
    return Splits.of(dataset(path, [example for file in files(path) for example in of_file(file)], how))


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
    return labelled(path, found.whole, [one.label for one in some])


def labelled(path: Path, rows: Dataset, labels: Sequence[str]) -> Dataset:
    """Data with the classes of their examples, where any has one. Errors: DataError."""
    return arrays.labelled_as(path, rows, arrays.numbers_of([label or None for label in labels])) if any(labels) else rows


def _array(path: Path, one: Example) -> np.ndarray:
    try:
        return np.asarray(np.load(io.BytesIO(one.members[ARRAY]), allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: {one.name}.{ARRAY} is not an array of plain numbers or is damaged: {error}") from error
