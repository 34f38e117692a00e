"""Sources in pieces, for shards: those that can be read by stretches are, so that they may be larger than memory; others are read whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from lowerbound.data import loading
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.formats import FORMATS, format_of, refuse_others
from lowerbound.data.python import dataset_of
from lowerbound.data.reading import Reading
from lowerbound.data.schema import Schema
from lowerbound.data.streams import sources, tars
from lowerbound.data.streams.sources import Source

#: rows of a piece of what Python iterates over, and examples of one of tars, images of any size
ROWS, DECODED = 20_000, 1_000


@dataclass(frozen=True)
class Pieces:
    """Rows of a source in order, each piece with the name of its part; a table's ``schema``, ``notes`` on how it is read.

    ``classes`` are those that are known before.
    """

    rows: Iterable[tuple[str, Dataset]]
    schema: Schema | None = None
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def pieces(source: Any, how: Reading, data_dir: str | Path | None = None) -> Pieces:
    """A source in pieces: what can stay on disk, tars, and what Python iterates over; any other is read whole.

    Errors: DataError, then or when a piece is read.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        row = format_of(path, how)
        if row is FORMATS["tars"]:
            refuse_others(path, how, row.options)
            return Pieces(_of_tars(path, how))  # compressed ones too, of which no stretch can be read alone
        found = None if row is None or row.streams is None else row.streams(path, how)
        if row is None or found is None:
            return _of_splits(loading.read_as_said(source, data_dir, replace(how, stream=False)))
        refuse_others(path, how, row.options)
        return _of_source(found)
    if hasattr(source, "__iter__") and not hasattr(source, "__len__"):
        return _of_iterable(source, how.counts)
    return Pieces([("train", dataset_of(source, how.counts))])


def _of_source(source: Source[Any]) -> Pieces:
    """What is read by stretches, as was found in a look."""
    seen = sources.look(source)
    labelled = source.labelled(Dataset(torch.empty(source.rows, 0)), seen.schema)

    def rows() -> Iterator[tuple[str, Dataset]]:
        start = 0
        for stretch in source.stretches:
            targets = None if labelled.targets is None else labelled.targets[start : start + stretch.rows]
            array = sources.values(source, stretch, seen)
            yield stretch.part, replace(seen.dataset, array=array, targets=targets, classes=labelled.classes, rows=None)
            start += stretch.rows

    return Pieces(rows(), seen.schema, seen.notes, labelled.classes)


def _of_splits(found: Splits) -> Pieces:
    """What was read whole; with the parts that it has of its own."""
    if found.whole is not None:
        return Pieces([("train", found.whole)], found.schema, found.notes)
    parts = {"train": found.train, "validation": found.own_validation, "test": found.test}
    return Pieces([(name, part) for name, part in parts.items() if part is not None], found.schema, found.notes)


def _of_iterable(source: Iterable[Any], counts: bool) -> Pieces:
    """What gives an example, or a pair of one and its label, at a time."""
    examples = iter(source)
    return Pieces(("train", dataset_of(some, counts)) for some in iter(lambda: list(islice(examples, ROWS)), []))


def _of_tars(path: Path, how: Reading) -> Iterator[tuple[str, Dataset]]:
    """Examples of tars, in turn."""
    then = how
    for some in tars.examples(tars.files(path), DECODED):
        piece = tars.dataset(path, some, then)
        then = sources.as_seen(how, piece)
        yield "train", piece.inverted() if how.invert else piece
