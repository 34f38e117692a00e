"""The text of a CSV file taken apart: into columns at once where all lines are alike, else cell by cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lowerbound.errors import DataError

#: each line's cells as written, and its ending
Line = tuple[list[str], str]
_BREAK = re.compile(r"\r\n|\r|\n")
_IN_QUOTES = r'"[^"]*+(?:""[^"]*+)*+"'
_QUOTED = re.compile(rf"{_IN_QUOTES}[ \t]*")


def breaks(text: str) -> int:
    """How many lines end in a text."""
    return len(_BREAK.findall(text))


def columns(text: str, delimiter: str) -> tuple[list[list[str]], list[str]] | None:
    """The cells of each column as they are written, the first line's among them, and each line's ending with the blank lines after it.

    None for a file whose lines are not all alike: it may have blank lines, or be damaged.
    """
    found = _split(text, delimiter)
    if found is not None and ('"' not in text or all(_is_cell(raw) for column in found[0] for raw in set(column))):
        return found
    return _matched(text, delimiter) if '"' in text else None


def _is_cell(raw: str) -> bool:
    """Whether what is between two delimiters is all of a cell, no quotes being open."""
    return raw[:1] != '"' or _QUOTED.fullmatch(raw) is not None


def _split(text: str, delimiter: str) -> tuple[list[list[str]], list[str]] | None:
    body = text.rstrip("\r\n")
    ends = text.count("\r\n")
    mark = "\r\n" if ends else "\n"
    if text.count("\r") != ends or (ends and text.count("\n") != ends) or not body or body.startswith(mark) or mark * 2 in body:
        return None
    lines = body.split(mark)
    width = lines[0].count(delimiter) + 1
    if any(line.count(delimiter) != width - 1 for line in lines):
        return None
    cells = delimiter.join(lines).split(delimiter)
    return [cells[place::width] for place in range(width)], [mark] * (len(lines) - 1) + [text[len(body) :]]


def _matched(text: str, delimiter: str) -> tuple[list[list[str]], list[str]] | None:
    found = _cell(delimiter).findall(text)
    if found[-1] == ("", "") and len(found) > 1 and found[-2][1] != delimiter:
        found.pop()  # after the last line's ending
    cells, ends = [raw for raw, _ in found], [end for _, end in found]
    if len("".join(cells)) + len("".join(ends)) != len(text):
        return None
    width = next((place for place, end in enumerate(ends, start=1) if end != delimiter), len(ends))
    inner = [set(ends[place::width]) != {delimiter} for place in range(width - 1)]
    if len(cells) % width or any(inner) or delimiter in ends[width - 1 :: width] or (width == 1 and "" in cells):
        return None
    return [cells[place::width] for place in range(width)], ends[width - 1 :: width]


def _cell(delimiter: str) -> re.Pattern[str]:
    mark, blanks = re.escape(delimiter), " \t".replace(delimiter, "")
    return re.compile(rf'({_IN_QUOTES}[{blanks}]*|[^"{mark}\r\n][^{mark}\r\n]*|)({mark}|\r\n|\n|\r|\Z)')


def lines(path: Path, text: str, delimiter: str, header: bool = True) -> list[Line]:
    """Each line's cells and its ending; a line break within quotes ends none. Errors: DataError for a quote that does not close."""
    cell = _cell(delimiter)
    found: list[Line] = []
    cells: list[str] = []
    place = 0
    while place < len(text) or cells:
        match = cell.match(text, place)
        if match is None:
            row = sum(line != [""] for line, _ in found) + (not header)
            where = f"row {row}" if row else "the line of names"
            line = breaks(text[:place]) + 1
            raise DataError(f"{path}: line {line:,}: a quote does not close a cell in {where}; a quote within quotes is written twice")
        raw, end = match.groups()
        cells.append(raw)
        place = match.end()
        if end != delimiter:
            found.append((cells, end))
            cells = []
    return found


def rows(path: Path, several: Sequence[Line], above: str, width: int) -> tuple[list[list[str]], list[str], str]:
    """The cells of each column and the line ending of each row, and the text ``above`` them with the blank lines that follow it.

    Blank lines are no rows. Errors: DataError for a row of another width.
    """
    found: list[list[str]] = []
    ends: list[str] = []
    for cells, mark in several:
        if cells == [""]:
            if ends:
                ends[-1] += mark
            else:
                above += mark
            continue
        if len(cells) != width:
            line = breaks(above) + sum(breaks("".join(row) + end) for row, end in zip(found, ends, strict=True)) + 1
            said = f"line {line:,}: row {len(found) + 1} has {len(cells)} cells, but there are {width} column names"
            raise DataError(f"{path}: {said}; correct that line")
        found.append(cells)
        ends.append(mark)
    return [list(column) for column in zip(*found, strict=True)] or [[] for _ in range(width)], ends, above


def blank_before(several: list[Line]) -> tuple[str, Line]:
    """Takes off the first line that is not blank, with the text of the blank ones before it."""
    before = ""
    while several[0][0] == [""] and len(several) > 1:
        before += several.pop(0)[1]
    return before, several.pop(0)
