"""Files that pyarrow reads into a table: Parquet, Feather and Arrow, JSON of a line each. It is imported only here, when one is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lowerbound.errors import DataError, reason


def is_arrow(path: Path) -> bool:
    """Whether ``table`` knows the format, by the file's name."""
    return path.suffix.lower() in READERS and path.is_file()


def table(path: Path) -> Any:
    """The table of a file, pyarrow's. Errors: DataError for a damaged file, one of another kind, or two columns of one name."""
    import pyarrow

    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is named as the data, and is none of {', '.join(READERS)}; name a file that is")
    try:
        found = reader(pyarrow.BufferReader(path.read_bytes()))
        found.validate(full=True)
        twice = next((name for name in found.column_names if found.column_names.count(name) > 1), None)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} names its columns in another encoding than UTF-8, or is damaged") from error
    except pyarrow.ArrowException as error:
        kind = path.suffix[1:].capitalize()
        raise DataError(f"{path} is not a {kind} file or is damaged: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
    if twice is not None:
        raise DataError(f"{path} has two columns called '{twice}'; give each a name of its own")
    return found


def schema(path: Path) -> Any:
    """The names and types of its columns, or None where the file cannot be read, which ``table`` says."""
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.read_schema(path) if path.suffix.lower() == ".parquet" else table(path).schema
    except (pyarrow.ArrowException, OSError, DataError):
        return None


def batches(path: Path, rows: int) -> Iterator[Any]:
    """Its rows as tables of at most so many, of which one at a time is in memory; lines of JSON all are. Errors: DataError."""
    import pyarrow
    import pyarrow.parquet

    try:
        if path.suffix.lower() == ".parquet":
            with pyarrow.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(rows, use_threads=False):
                    yield pyarrow.Table.from_batches([batch], file.schema_arrow)
            return
        whole = table(path) if READERS[path.suffix.lower()] is _lines else _ipc(pyarrow.memory_map(str(path)))
        yield from (whole.slice(start, rows) for start in range(0, len(whole), rows))
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} is not a {path.suffix[1:].capitalize()} file or is damaged: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error


def some_rows(paths: Sequence[Path], most: int) -> Any:
    """At most so many rows, evenly spaced in each file, of all files. Errors: DataError."""
    import pyarrow

    found = []
    for path in paths:
        each = max(1, most // len(paths))
        rows = sum(map(len, batches(path, each)))
        step = -(-rows // each)
        for start, part in _numbered(batches(path, each)):
            found += [part.slice(row, 1) for row in range(-start % step, len(part), step)]  # not take, which not all types have
    return pyarrow.concat_tables(found, promote_options="default").combine_chunks()


def _numbered(tables: Iterator[Any]) -> Iterator[tuple[int, Any]]:
    """Each table with the number of its first row."""
    start = 0
    for one in tables:
        yield start, one
        start += len(one)


def _parquet(source: Any) -> Any:
    import pyarrow.parquet

    # not read_table, which cannot read duplicate names, and whose threads may outlive an error and abort the process
    return pyarrow.parquet.ParquetFile(source).read(use_threads=False)


def _ipc(source: Any) -> Any:
    """Arrow's file format, which Feather is, or its stream, in which ``datasets`` keeps its data."""
    import pyarrow.ipc

    start = source.read(6)
    source.seek(0)
    whole = pyarrow.ipc.open_file(source) if start == b"ARROW1" else pyarrow.ipc.open_stream(source)
    return whole.read_all()


def _lines(source: Any) -> Any:
    import pyarrow.json

    return pyarrow.json.read_json(source, pyarrow.json.ReadOptions(use_threads=False))


READERS: dict[str, Callable[[Any], Any]] = {
    ".parquet": _parquet,
    ".feather": _ipc,
    ".arrow": _ipc,
    ".jsonl": _lines,
    ".ndjson": _lines,
}
