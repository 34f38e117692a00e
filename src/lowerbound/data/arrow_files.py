"""Files that pyarrow reads into a table: Parquet, Feather and Arrow, JSON of a line each. It is imported only here, when one is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lowerbound.errors import DataError, reason

PARQUET = ".parquet"


def is_arrow(path: Path) -> bool:
    """Whether ``table`` knows the format, by the file's name."""
    return path.suffix.lower() in READERS and path.is_file()


def table(path: Path) -> Any:
    """The table of a file, pyarrow's. Errors: DataError for a damaged file, one of another kind, or two columns of one name."""
    import pyarrow

    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is named as the data, and is none of {', '.join(READERS)}; name a file that is")
    with said(path):
        found = reader(pyarrow.BufferReader(path.read_bytes()))
        found.validate(full=True)
        must_differ(path, found.column_names)
    return found


def schema(path: Path) -> Any:
    """The names and types of its columns, or None where the file cannot be read, which ``table`` says."""
    import pyarrow
    import pyarrow.parquet

    try:
        if path.suffix.lower() == PARQUET:
            return pyarrow.parquet.read_schema(path)
        return opened(pyarrow.memory_map(str(path))).schema if READERS.get(path.suffix.lower()) is _ipc else table(path).schema
    except (pyarrow.ArrowException, OSError, DataError):
        return None


@contextmanager
def said(path: Path) -> Iterator[None]:
    """What pyarrow raises as a DataError."""
    import pyarrow

    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{path} names its columns in another encoding than UTF-8, or is damaged") from error
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} is not a {path.suffix[1:].capitalize()} file or is damaged: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error


def must_differ(path: Path, names: Sequence[str]) -> None:
    """Raise DataError for two columns of one name."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path} has two columns called '{twice}'; give each a name of its own")


def _parquet(source: Any) -> Any:
    import pyarrow.parquet

    # not read_table, which cannot read duplicate names, and whose threads may outlive an error and abort the process
    return pyarrow.parquet.ParquetFile(source).read(use_threads=False)


def _ipc(source: Any) -> Any:
    return opened(source).read_all()


def opened(source: Any) -> Any:
    """A reader of Arrow's file format, which Feather is, or of its stream, in which ``datasets`` keeps its data."""
    import pyarrow.ipc

    start = source.read(6)
    source.seek(0)
    return pyarrow.ipc.open_file(source) if start == b"ARROW1" else pyarrow.ipc.open_stream(source)


def _lines(source: Any) -> Any:
    import pyarrow.json

    return pyarrow.json.read_json(source, pyarrow.json.ReadOptions(use_threads=False))


READERS: dict[str, Callable[[Any], Any]] = {
    PARQUET: _parquet,
    ".feather": _ipc,
    ".arrow": _ipc,
    ".jsonl": _lines,
    ".ndjson": _lines,
}
