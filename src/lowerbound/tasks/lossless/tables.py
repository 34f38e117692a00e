"""A table's file → a compressed one, and back to the same bytes: its cells by the model, all else by lzma."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np

from lowerbound.data import csv_files
from lowerbound.data.arrays import name_of, numbers_of
from lowerbound.data.csv_files import Csv
from lowerbound.data.schema import Schema
from lowerbound.errors import DataError, UsageError
from lowerbound.system.arguments import one_of
from lowerbound.tasks.lossless import blocks
from lowerbound.tasks.lossless.cells import Cells, coded
from lowerbound.tasks.lossless.columns import Labels, TableCode, TableModel
from lowerbound.tasks.lossless.container import Header, Part, block_to_bytes, read_words, words_to_bytes
from lowerbound.tasks.lossless.laws import Whole
from lowerbound.tasks.lossless.reading import must_be_of, rows_of
from lowerbound.vae.likelihoods import Columns
from lowerbound.vae.model import Model


@dataclass(frozen=True)
class Frame:
    """All of a table's file but the cells that a model codes.

    ``columns`` are in the order of the file: the ``Cells`` of one that is coded, the cells themselves of others. ``places`` are those
    of the model's columns among them, ``ends`` what ends each line, one for all where they are alike. Of a model that is given labels
    ``label`` is the place of theirs, and ``classes`` are those of the ways in which its cells are written.
    """

    head: str
    delimiter: str
    ends: list[str]
    columns: list[Cells | list[str]]
    places: list[int]
    label: int | None = None
    classes: tuple[int, ...] = ()

    def to_bytes(self) -> bytes:
        """As it is in the file."""
        columns = [asdict(column) if isinstance(column, Cells) else column for column in self.columns]
        words: dict[str, Any] = {
            "head": self.head,
            "delimiter": self.delimiter,
            "ends": self.ends,
            "columns": columns,
            "places": self.places,
        }
        if self.label is not None:
            words |= {"label": self.label, "classes": self.classes}
        return lzma.compress(json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode(), lzma.FORMAT_ALONE, preset=9)

    @classmethod
    def read(cls, content: bytes) -> Frame:
        """From a file. Errors: what damage raises, which a checksum has ruled out."""
        words = json.loads(lzma.decompress(content, lzma.FORMAT_ALONE))
        columns = [Cells.read(column) if isinstance(column, dict) else column for column in words.pop("columns")]
        return cls(columns=columns, classes=tuple(words.pop("classes", ())), **words)

    @property
    def cells(self) -> list[Cells | None]:
        """Those of the model's columns."""
        found = [self.columns[place] for place in self.places]
        return [column if isinstance(column, Cells) else None for column in found]

    @property
    def labels(self) -> Labels | None:
        """Those of a conditional model."""
        column = None if self.label is None else self.columns[self.label]
        return Labels(column, self.classes) if isinstance(column, Cells) else None

    def text(self, rows: range, numbers: Whole) -> str:
        """The lines of some rows, of which the numbers are these."""
        written: list[Sequence[str]] = [[] if isinstance(column, Cells) else _some(column, rows) for column in self.columns]
        for place, (own, cells) in enumerate(zip(self.places, self.cells, strict=True)):
            if cells is not None:
                written[own] = cells.written(numbers[:, place], numbers[:, len(self.places) + place])
        if self.label is not None and self.labels is not None:
            written[self.label] = self.labels.cells.written(numbers[:, -1], numbers[:, -1])
        return "".join(self.delimiter.join(row) + end for row, end in zip(zip(*written, strict=True), _some(self.ends, rows), strict=True))


def _some(texts: Sequence[str], rows: range) -> Sequence[str]:
    """Those of some rows, where one text may stand for all."""
    return list(texts) * len(rows) if len(texts) == 1 else texts[rows.start : rows.stop]


@dataclass(frozen=True)
class LabelColumn:
    """The column that a model's labels are in, and the names of its classes."""

    name: str
    classes: tuple[str, ...]

    def classes_of(self, table: Csv) -> dict[str, int]:
        """The class of each cell as written. Errors: DataError for a table without the column, and a cell that is none of the classes."""
        if self.name not in table.names:
            raise DataError(f"the table has no column '{self.name}', of which this model is given the labels; bring it")
        raws, texts = table.columns[table.names.index(self.name)], table.cells[self.name]
        names = [name_of(label) for label in numbers_of([*texts]).tolist()]
        strange = next((row for row, name in enumerate(names) if name not in self.classes), None)
        if strange is not None:
            raise DataError(f"line {table.line(strange)}: '{raws[strange]}' in column '{self.name}' is none of this model's classes")
        return {raw: self.classes.index(name) for raw, name in zip(raws, names, strict=True) if name is not None}


def compressed(vae: Model, source: Any, block: int, folder: str, particles: int, labels: LabelColumn | None = None) -> Iterator[Part]:
    """The parts of a file. Errors: DataError for what is no table of this model in a text file; UsageError where labels are not known."""
    model, schema = TableModel.of(vae), _schema(vae)
    table, content = _read(Path(one_of("data", source, str | Path, "'people.csv', the file of a table")), schema)
    if model.classes and labels is None:
        raise UsageError("which column has the labels that this model is given is known to its run alone; give the run in its place")
    frame, numbers = _coded(table, schema, labels if model.classes else None)
    if (frame.head + frame.text(range(len(table)), numbers)).encode() != content:
        raise DataError(f"{source} is written in a way that would not come back; write it anew, in UTF-8")
    code, described = TableCode(model, frame.cells, frame.labels), frame.to_bytes()
    header = Header(len(table), block, (len(schema.modelled),), 0, model.digest, folder, table=len(described), particles=particles)
    yield Part(header, header.to_bytes() + words_to_bytes(header, described), 0)
    for number in range(header.blocks):
        rows = header.rows(number)
        found = blocks.encode(code, numbers[rows.start : rows.stop], particles)
        yield Part(header, block_to_bytes(header, number, found), len(rows))


def decompressed(vae: Model, header: Header, file: BufferedIOBase, rows: range, name: str) -> Iterator[bytes]:
    """The text of a table with these rows, part by part, of a file that is behind its header. Errors: as for ``decompress``."""
    model = TableModel.of(vae)
    must_be_of(model.digest, header, name)
    frame = Frame.read(read_words(header, file, name))
    yield frame.head.encode()
    for wanted, numbers in rows_of(TableCode(model, frame.cells, frame.labels), header, file, rows, name):
        yield frame.text(wanted, numbers).encode()


def _schema(vae: Model) -> Schema:
    assert isinstance(vae.likelihood, Columns)
    assert vae.likelihood.schema is not None
    return vae.likelihood.schema


def _read(path: Path, schema: Schema) -> tuple[Csv, bytes]:
    """The table of a file, and its bytes, unzipped. Errors: DataError."""
    if not csv_files.is_csv(path):
        raise DataError(f"{path} is no .csv or .tsv file, which are those that come back to the byte; give one")
    table = csv_files.read(path)
    names = {column.name for column in schema.modelled}
    if not names <= set(table.names):
        table = csv_files.read(path, header=False)
    lacking = names - set(table.names)
    if lacking or not len(table):
        raise DataError(f"{path} has no {'rows' if not lacking else f'column {min(lacking)!r}'}; give a table like the run's own")
    return table, csv_files.content_of(path)


def _coded(table: Csv, schema: Schema, labels: LabelColumn | None) -> tuple[Frame, Whole]:
    """All of a table but the cells that are coded, and those as numbers ``(n, 2 D)``, or with labels one more."""
    texts, places = table.texts(schema.marks), {column.name: place for place, column in enumerate(schema.modelled)}
    kinds, numbers = np.zeros((2, len(table), len(places)), np.int64)
    columns: list[Cells | list[str]] = []
    for name, raws in zip(table.names, table.columns, strict=True):
        place = places.get(name)
        found = None if place is None else coded(raws, list(texts[name]), schema.modelled[place])
        if place is None or found is None:
            columns.append(raws[:1] if len(set(raws)) == 1 else raws)
        else:
            cells, kinds[:, place], numbers[:, place] = found
            columns.append(cells)
    ends = table.ends[:1] if len(set(table.ends)) == 1 else table.ends
    own = [table.names.index(column.name) for column in schema.modelled]
    frame, every = Frame(table.head, table.delimiter, ends, columns, own), np.concatenate([kinds, numbers], 1)
    if labels is None:
        return frame, every
    classes, label = labels.classes_of(table), table.names.index(labels.name)
    known, each = Labels.of(table.columns[label], classes)
    columns[label] = known.cells
    return replace(frame, label=label, classes=known.classes), np.concatenate([every, each[:, None]], 1)
