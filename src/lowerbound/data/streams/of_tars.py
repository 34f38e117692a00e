"""Tars of examples as they are: they are looked through once for where each example is, and a stretch is a piece of a file."""

from __future__ import annotations

import io
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.reading import Reading
from lowerbound.data.schema import Schema
from lowerbound.data.streams import tars
from lowerbound.data.streams.byte_ranges import taken
from lowerbound.data.streams.sources import Source, Stretch, lengths
from lowerbound.data.streams.tars import DESCRIPTION, LABELS, Example
from lowerbound.errors import DataError, reason

#: bytes of the values of a stretch, at most
BLOCK = 2**19


class Tars(Source[list[Example]]):
    """The examples of tars that are not compressed."""

    def __init__(self, path: Path, how: Reading, files: Sequence[Path]) -> None:
        self.labels: list[str] = []
        self.places = {file: self._places(file) for file in files}
        if not self.labels:
            raise DataError(f"{path} holds no examples")
        first = next(example for file in files for example in tars.of_file(file))
        found = tars.dataset(path, [first], how)
        kept = found[:].numel() * found.array.dtype.itemsize
        stretches = [
            Stretch("train", file, start, rows)
            for file, places in self.places.items()
            for start, rows in lengths(len(places) - 1, BLOCK // kept, len(self.labels))
        ]
        super().__init__(path, how, stretches, kept)

    def _places(self, file: Path) -> np.ndarray:
        """Where each example of a file begins, and where the file ends. Errors: DataError."""
        places = array("q")
        try:
            with file.open("rb") as content:
                for example in tars.of_file(file, content, lambda ending: ending in (*LABELS, DESCRIPTION)):
                    places.append(example.place)
                    self.labels.append(example.label)
                places.append(content.seek(0, io.SEEK_END))
        except OSError as error:
            raise DataError(f"cannot read {file}: {reason(error)}") from error
        return np.frombuffer(places, np.int64)

    def raw(self, stretch: Stretch) -> list[Example]:
        """The examples of a stretch. Errors: DataError."""
        start, stop = self.places[stretch.file][[stretch.start, stretch.start + stretch.rows]].tolist()
        return list(tars.of_file(stretch.name, io.BytesIO(taken(stretch.file, start, stop - start))))

    def some(self, raw: list[Example], rows: np.ndarray) -> list[Example]:
        """Some of these."""
        return [raw[row] for row in rows.tolist()]

    def joined(self, several: Sequence[list[Example]]) -> list[Example]:
        """One list."""
        return [example for some in several for example in some]

    def meant(self, name: Path, raw: list[Example], how: Reading) -> Splits:
        """Examples as data, whose labels are known. Errors: DataError."""
        return Splits.of(replace(tars.dataset(name, raw, how), targets=None, classes=()))

    def labelled(self, rows: Dataset, schema: Schema | None) -> Dataset:
        """All rows, with the classes beside them."""
        return tars.labelled(self.path, rows, self.labels)


def of_files(path: Path, how: Reading) -> Tars | None:
    """Tars; None where one is compressed. Errors: DataError."""
    files = tars.files(path)
    return Tars(path, how, files) if all(file.suffix.lower() == ".tar" for file in files) else None
