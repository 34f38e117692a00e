"""A CSV file as its cells, and back: cells that are not filled in are written byte for byte as they were read."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lowerbound.data import cells as kinds
from lowerbound.data import csv_lines
from lowerbound.data.cells import Marks
from lowerbound.data.texts import Texts
from lowerbound.errors import DataError, reason

DELIMITERS = ",;\t|"
BOM = "\ufeff"
SUFFIXES = (".csv", ".tsv")
GZIP = ".gz"

Cells = Mapping[str, Mapping[int, str]]  # by column and row


@dataclass(frozen=True)
class Csv:
    """A table as the text of its file: the cells of each column as written, quotes included, and each row's line ending.

    ``head`` is everything before the first row; ``ends`` are each row's line ending and the blank lines after it.
    """

    names: tuple[str, ...]
    head: str
    delimiter: str
    columns: list[list[str]]
    ends: list[str]

    @property
    def types(self) -> Mapping[str, str]:
        """An empty mapping: a CSV file does not specify the types of its columns."""
        return {}

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def raw(self) -> list[tuple[str, ...]]:
        """The cells of each row, as written."""
        return list(zip(*self.columns, strict=True))

    @cached_property
    def _texts(self) -> dict[str, Texts]:
        each = [Texts.of(column, self.line) for column in self.columns]
        return {name: raw.changed(_all_texts(raw.distinct)) for name, raw in zip(self.names, each, strict=True)}

    def texts(self, marks: Mapping[str, Marks]) -> dict[str, Texts]:
        """The text of the cells of each column, None where it means that the cell is missing: by the marks of the column, or the usual."""
        return {name: texts.without(marks.get(name, Marks()).among(texts)) for name, texts in self._texts.items()}

    @property
    def cells(self) -> dict[str, Texts]:
        """The text of the cells of each column, None for empty ones."""
        return self.texts({})

    def line(self, row: int) -> int:
        """The line of the file on which a row begins, the first being 1."""
        before = ["".join(column[:row]) for column in self.columns]
        return 1 + sum(map(csv_lines.breaks, [self.head, *before, "".join(f"{end} " for end in self.ends[:row])]))

    def filled(self, cells: Cells) -> bytes:
        """The file with these cells, by column and row, in place of the ones it has."""
        columns = [self._filled(place, cells.get(name, {})) for place, name in enumerate(self.names)]
        lines = [self.delimiter.join(row) + end for row, end in zip(zip(*columns, strict=True), self.ends, strict=True)]
        return (self.head + "".join(lines)).encode()

    def _filled(self, place: int, texts: Mapping[int, str]) -> list[str]:
        if not texts:
            return self.columns[place]
        column, written = list(self.columns[place]), self._writers[place]
        for row, text in texts.items():
            column[row] = written(text)
        return column

    def separated(self, delimiter: str) -> Csv:
        """The same cells with another delimiter; cells that contain it are quoted, names that contain any delimiter too."""
        if delimiter == self.delimiter:
            return self
        head = self._head(delimiter) if self.head.removeprefix(BOM).strip() else self.head
        columns = [[_quoted(raw, delimiter) for raw in column] for column in self.columns]
        return replace(self, head=head, delimiter=delimiter, columns=columns)

    def _head(self, delimiter: str) -> str:
        blank, (names, end) = csv_lines.blank_before(csv_lines.lines(Path(), self.head.removeprefix(BOM), self.delimiter))
        bom = BOM if self.head.startswith(BOM) else ""
        return bom + blank + delimiter.join(_quoted(name, DELIMITERS) for name in names) + end

    @cached_property
    def _writers(self) -> list[Callable[[str], str]]:
        """Of each column, looked at once for all fillings."""
        return [self._writer(place) for place in range(len(self.columns))]

    def _writer(self, place: int) -> Callable[[str], str]:
        """How a text is written in a column: as most cells there that say it, else quoted if other cells are or if it must be."""
        there = [raw for raw, _ in Counter(self.columns[place]).most_common()]
        known = {_text(raw): raw for raw in reversed(there)}
        always = any(raw.startswith('"') and not kinds.is_missing(_text(raw)) for raw in there)
        special = (self.delimiter, '"', "\r", "\n")

        def written(text: str) -> str:
            quoted = always or any(mark in text for mark in special) or text != text.strip() or kinds.is_missing(text)
            return known.get(text) or ('"' + text.replace('"', '""') + '"' if quoted else text)

        return written


def is_csv(path: Path) -> bool:
    """Whether it is a file of comma- or tab-separated values by its name, plain or gzipped."""
    return suffix(path) in SUFFIXES and path.is_file()


def suffix(path: Path) -> str:
    """Its ending in small letters, without that of gzip."""
    name = path.name.lower().removesuffix(GZIP)
    return Path(name).suffix


def opened(path: Path) -> io.TextIOWrapper:
    """The text of a file, plain or gzipped."""
    zipped = path.name.lower().endswith(GZIP)
    return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig") if zipped else path.open(encoding="utf-8-sig")


def delimiter_of(path: Path) -> str:
    """What separates the cells of a file, by its name or its first line."""
    if suffix(path) == ".tsv":
        return "\t"
    with opened(path) as file:
        return delimiter_in(next((line for line in file if line.strip()), ""))


def numbered(width: int) -> tuple[str, ...]:
    """Names for so many columns that have none."""
    return tuple(f"column {place}" for place in range(1, width + 1))


def read(path: Path, header: bool = True) -> Csv:
    """The cells of a file in UTF-8, plain or gzipped, whose first line is the column names; without ``header`` they are numbered.

    The delimiter is the most frequent of comma, semicolon, tab and bar in that line (a tab in a ``.tsv``). Errors: DataError.
    """
    text = _decoded(path)
    head, text = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    delimiter = "\t" if suffix(path) == ".tsv" else delimiter_in(text)
    at_once = csv_lines.columns(text, delimiter)
    if at_once is None:
        return _line_by_line(path, text, head, delimiter, header)
    columns, ends = at_once
    if not header:
        return Csv(numbered(len(columns)), head, delimiter, columns, ends)
    names = [column[0] for column in columns]
    return Csv(_names(path, names), head + delimiter.join(names) + ends[0], delimiter, [column[1:] for column in columns], ends[1:])


def _line_by_line(path: Path, text: str, head: str, delimiter: str, header: bool) -> Csv:
    """The cells of a file whose lines are not all alike. Errors: DataError."""
    lines = csv_lines.lines(path, text, delimiter, header)
    if not lines:
        raise DataError(f"{path} is empty; a table needs a line of names, and rows")
    before, (names, end) = csv_lines.blank_before(lines)
    if not header:
        columns, ends, above = csv_lines.rows(path, [(names, end), *lines], head + before, len(names))
        return Csv(numbered(len(names)), above, delimiter, columns, ends)
    columns, ends, above = csv_lines.rows(path, lines, head + before + delimiter.join(names) + end, len(names))
    return Csv(_names(path, names), above, delimiter, columns, ends)


def content_of(path: Path) -> bytes:
    """The bytes of a file, unzipped. Errors: DataError."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.name.lower().endswith(GZIP) else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is truncated or damaged ({error}); compress it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error


def _decoded(path: Path) -> str:
    content = content_of(path)
    if b"\0" in content:
        raise DataError(f"{path} holds NUL bytes: it is not CSV, is in UTF-16, or is damaged; save it as CSV in UTF-8")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path} is not in UTF-8 (line {line}); convert it, e.g. with iconv -f latin1 -t utf-8") from error


def delimiter_in(text: str) -> str:
    """The most frequent of the delimiters in the first line."""
    line = re.sub(r'"[^"]*+"', "", text.lstrip("\r\n")[:100_000]).splitlines()
    return max(DELIMITERS, key=(line[0] if line else "").count)


def _names(path: Path, raw: Sequence[str]) -> tuple[str, ...]:
    names = tuple(_text(name) or f"column {place}" for place, name in enumerate(raw, start=1))
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        advice = "if the first line is a row, say --no-header" if all(map(kinds.is_number, names)) else "give each a name of its own"
        raise DataError(f"{path} has two columns called '{twice}'; {advice}")
    return names


def _text(raw: str) -> str:
    raw = raw.strip()
    return (raw[1:-1].replace('""', '"') if raw.startswith('"') else raw).strip()


def _all_texts(raws: Sequence[str]) -> list[str]:
    """The text of each cell."""
    return [_text(raw) if raw[:1] == '"' else raw for raw in map(str.strip, raws)]


def _quoted(raw: str, marks: str) -> str:
    """The cell, in quotes if it contains one of these marks, so that they do not end it."""
    return '"' + _text(raw).replace('"', '""') + '"' if any(mark in raw for mark in marks) else raw
