"""Columns written to a file: comma- or tab-separated, or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lowerbound.system.files import written

Columns = Mapping[str, Sequence[Any]]


def as_csv(columns: Columns, delimiter: str = ",") -> bytes:
    """A line of names, then one line per row; numbers with all their digits, None as an empty cell."""
    with io.StringIO(newline="") as text:
        writer = csv.writer(text, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        return text.getvalue().encode(errors="backslashreplace")


def as_parquet(columns: Columns) -> bytes:
    """Apache Parquet, written by pyarrow, which is imported only here."""
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(dict(columns)), sink)
    return sink.getvalue().to_pybytes()


def as_tsv(columns: Columns) -> bytes:
    """As ``as_csv``, separated by tabs."""
    return as_csv(columns, "\t")


WRITERS: Mapping[str, Callable[[Columns], bytes]] = {".parquet": as_parquet, ".csv": as_csv, ".tsv": as_tsv}


def write(path: Path, columns: Columns) -> None:
    """Write columns of equal length to a file whose suffix is one of ``WRITERS``. Errors: OutputError."""
    content = WRITERS[path.suffix](columns)
    with written(path) as file:
        file.write(content)
