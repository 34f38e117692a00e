"""A task in a folder of parts: a file for each piece, which gets its name when it is complete, and beside them what they were made by.

Who is asked again for the same makes the parts that are not there.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowerbound.data.streams.row_ranges import filesystem, is_address
from lowerbound.errors import DataError, OutputError
from lowerbound.interfaces.bulk.task import Begun, Task
from lowerbound.system.files import make_folder, to_json, written

MANIFEST = "_parts.json"  # readers of folders of Parquet leave out what begins so
FORMAT = 1


@dataclass(frozen=True)
class Job:
    """The parts of a ``folder``, a path or an address: ``rows`` in pieces of ``size``."""

    task: Task
    folder: str
    rows: int
    size: int

    @property
    def parts(self) -> int:
        """How many there are in all."""
        return -(-self.rows // self.size)

    def write(self, begun: Begun, number: int) -> None:
        """Write what is said of a piece, the answer itself last: a part that is there is whole. Errors: DataError, OutputError."""
        first = number * self.size
        tables = begun.tables(first, min(first + self.size, self.rows))
        for ending, table in sorted(tables.items(), reverse=True):
            put(named(self.folder, ending), name(number, self.parts), _parquet(table))

    def begin(self, begun: Begun) -> list[int]:
        """The parts that are not there yet. Errors: OutputError for a folder of something else, or of other options or data."""
        source = hashlib.sha256(to_json(begun.identity).encode()).hexdigest()
        words = {"format": FORMAT, **self.task.words, "data": source, "rows": self.rows, "piece": self.size, "parts": self.parts}
        there = _names(self.folder)
        if MANIFEST not in there:
            full = [one for one in ("", *begun.beside) if _names(named(self.folder, one))]
            if full:
                raise OutputError(f"{named(self.folder, full[0])} is not empty; give a new folder")
            put(self.folder, MANIFEST, (to_json(words, indent=2) + "\n").encode())
        else:
            _must_be_same(self.folder, _manifest(self.folder), json.loads(to_json(words)))
        return [number for number in range(self.parts) if name(number, self.parts) not in there]


#: makes these parts, and says of each when it is there
Engine = Callable[[Job, Begun, Sequence[int], Callable[[int], None]], None]


def here(job: Job, begun: Begun, numbers: Sequence[int], done: Callable[[int], None]) -> None:
    """Make parts in this process, one after the other."""
    for number in numbers:
        job.write(begun, number)
        done(number)


def name(number: int, parts: int) -> str:
    """The file of one of so many parts; the order of names is that of rows."""
    return f"part-{number:0{max(5, len(str(parts - 1)))}}.parquet"


def named(folder: str, ending: str) -> str:
    """The folder whose name has this ending; what an address asks of its filesystem stays behind it."""
    path, mark, query = folder.partition("?") if is_address(folder) else (folder, "", "")
    return f"{path}{ending}{mark}{query}"


def put(folder: str, file: str, content: bytes) -> None:
    """Write a file completely or not at all; the folder is made. Errors: OutputError."""
    if not is_address(folder):
        make_folder(Path(folder))
        with written(Path(folder) / file) as opened:
            opened.write(content)
        return
    system, path = _system(folder)
    temporary = f"{path}/.{file}.{uuid.uuid4().hex}"
    try:
        system.create_dir(path)
        with system.open_output_stream(temporary) as stream:
            stream.write(content)
        system.move(temporary, f"{path}/{file}")
    except OSError as error:
        raise OutputError(f"cannot write {folder}/{file}: {' '.join(str(error).split())}") from error


def _names(folder: str) -> set[str]:
    """The names of what is in a folder; of what was being written when it was killed none."""
    from pyarrow import fs

    system, path = _system(folder)
    try:
        found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    except OSError as error:
        raise OutputError(f"cannot read {folder}: {' '.join(str(error).split())}") from error
    return {info.base_name for info in found if not info.base_name.startswith(".")}


def _manifest(folder: str) -> dict[str, Any]:
    system, path = _system(folder)
    try:
        with system.open_input_stream(f"{path}/{MANIFEST}") as stream:
            found = json.loads(stream.read())
    except (OSError, ValueError) as error:
        raise OutputError(f"{folder}/{MANIFEST} is damaged; give a new folder") from error
    return found if isinstance(found, dict) else {}


def _must_be_same(folder: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    other = next((word for word in (*now, *before) if before.get(word) != now.get(word)), None)
    if other is not None:
        was, says = (_said(words.get(other)) for words in (before, now))
        raise OutputError(f"{folder} was begun with {other} {was}, and this is {says}; give a new folder, or the same options")


def _said(value: Any) -> str:
    text = str(value)
    return text if len(text) < 40 else text[:12] + "…"


def _system(folder: str) -> tuple[Any, str]:
    try:
        return filesystem(folder.rstrip("/"))
    except DataError as error:
        raise OutputError(str(error)) from error


def _parquet(table: Any) -> bytes:
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return bytes(sink.getvalue().to_pybytes())
