"""A CSV file as its cells, and back: cells that are not filled in are written byte for byte as they were read."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from lowerbound.data import cells as kinds
from lowerbound.errors import DataError, reason

DELIMITERS = ",;\t|"
BOM = "\ufeff"
SUFFIXES = (".csv", ".tsv")
GZIP = ".gz"

Cells = Mapping[str, Mapping[int, str]]  # by column and row


@dataclass(frozen=True)
class Csv:
    """A table as the text of its file: each cell as written, quotes included, and each row's line ending.

    ``head`` is everything before the first row; ``ends`` are each row's line ending and the blank lines after it.
    """

    names: tuple[str, ...]
    head: str
    delimiter: str
    raw: list[list[str]]
    ends: list[str]

    @property
    def types(self) -> Mapping[str, str]:
        """An empty mapping: a CSV file does not specify the types of its columns."""
        return {}

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def cells(self) -> dict[str, list[str | None]]:
        """The text of the cells of each column, None for empty ones."""
        read = cache(lambda raw: _none_if_missing(_text(raw)))
        return {name: [read(row[place]) for row in self.raw] for place, name in enumerate(self.names)}

    def filled(self, cells: Cells) -> bytes:
        """The file with these cells, by column and row, in place of the ones it has."""
        rows = [list(row) for row in self.raw]
        for place, name in enumerate(self.names):
            if cells.get(name):
                written = self._writer(place)
                for row, text in cells[name].items():
                    rows[row][place] = written(text)
        lines = [self.delimiter.join(row) + end for row, end in zip(rows, self.ends, strict=True)]
        return (self.head + "".join(lines)).encode()

    def separated(self, delimiter: str) -> Csv:
        """The same cells with another delimiter; cells that contain it are quoted, names that contain any delimiter too."""
        if delimiter == self.delimiter:
            return self
        head = self._head(delimiter) if self.head.removeprefix(BOM).strip() else self.head
        rows = [[_quoted(raw, delimiter) for raw in row] for row in self.raw]
        return replace(self, head=head, delimiter=delimiter, raw=rows)

    def _head(self, delimiter: str) -> str:
        blank, (names, end) = _blank_before(_lines(Path(), self.head.removeprefix(BOM), self.delimiter))
        bom = BOM if self.head.startswith(BOM) else ""
        return bom + blank + delimiter.join(_quoted(name, DELIMITERS) for name in names) + end

    def _writer(self, place: int) -> Callable[[str], str]:
        """How a text is written in a column: as it already occurs there, else quoted if other cells are or if it must be."""
        there = [row[place] for row in self.raw]
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
    lines = _lines(path, text, delimiter)
    if not lines:
        raise DataError(f"{path} is empty; a table needs a line of names, and rows")
    before, (names, end) = _blank_before(lines)
    if not header:
        rows, ends, _ = _rows(path, [(names, end), *lines], "", len(names))
        return Csv(numbered(len(names)), head + before, delimiter, rows, ends)
    rows, ends, end = _rows(path, lines, end, len(names))
    return Csv(_names(path, names), head + before + delimiter.join(names) + end, delimiter, rows, ends)


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.name.lower().endswith(GZIP) else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is truncated or damaged ({error}); compress it again") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
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


def _lines(path: Path, text: str, delimiter: str) -> list[tuple[list[str], str]]:
    """Each line's cells and its ending; a line break within quotes does not end a line."""
    mark = re.escape(delimiter)
    cell = re.compile(rf'("[^"]*+(?:""[^"]*+)*+"[ \t]*|[^"{mark}\r\n][^{mark}\r\n]*|)({mark}|\r\n|\n|\r|\Z)')
    lines: list[tuple[list[str], str]] = []
    cells: list[str] = []
    place = 0
    while place < len(text) or cells:
        found = cell.match(text, place)
        if found is None:
            where = f"row {len(lines)}" if lines else "the line of names"
            raise DataError(f"{path}: a quote does not close a cell in {where}; a quote within quotes is written twice")
        raw, end = found.groups()
        cells.append(raw)
        place = found.end()
        if end != delimiter:
            lines.append((cells, end))
            cells = []
    return lines


def _blank_before(lines: list[tuple[list[str], str]]) -> tuple[str, tuple[list[str], str]]:
    before = ""
    while lines[0][0] == [""] and len(lines) > 1:
        before += lines.pop(0)[1]
    return before, lines.pop(0)


def _rows(path: Path, lines: list[tuple[list[str], str]], end: str, width: int) -> tuple[list[list[str]], list[str], str]:
    """The cells and line ending of each row, and the ending of the line above the first row; blank lines are not rows."""
    rows: list[list[str]] = []
    ends: list[str] = []
    for cells, mark in lines:
        if cells == [""]:
            if ends:
                ends[-1] += mark
            else:
                end += mark
            continue
        if len(cells) != width:
            raise DataError(f"{path}: row {len(rows) + 1} has {len(cells)} cells, but there are {width} column names; correct that line")
        rows.append(cells)
        ends.append(mark)
    return rows, ends, end


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


def _quoted(raw: str, marks: str) -> str:
    """The cell, in quotes if it contains one of these marks, so that they do not end it."""
    return '"' + _text(raw).replace('"', '""') + '"' if any(mark in raw for mark in marks) else raw


def _none_if_missing(text: str) -> str | None:
    return None if kinds.is_missing(text) else text
