"""Data: a name, a file or a folder read into examples in memory. ``load`` is the entry point, formats.py the table of formats.

Nothing here depends on models; spec.py has what a model must know of its data.
"""

from __future__ import annotations

from pathlib import Path

from lowerbound.data.dataset import UNKNOWN, Dataset, Splits, fingerprint_of
from lowerbound.data.formats import format_of, refuse_others
from lowerbound.data.meaning import Range
from lowerbound.data.named import NAMED
from lowerbound.data.python import dataset_of
from lowerbound.data.reading import Reading
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, nearest

__all__ = ["NAMED", "UNKNOWN", "DataSpec", "Dataset", "Schema", "Splits", "dataset_of", "fingerprint_of", "has_images", "load", "located"]


def has_images(source: str | Path) -> bool:
    """Whether ``load`` would read ``source`` as files of images, which may be resized."""
    row = None if str(source) in NAMED else format_of(Path(source))
    return row is not None and "size" in row.options


def located(source: str) -> str:
    """The source in a form that is valid from any working directory: a known name, or an absolute path."""
    return source if source in NAMED or not Path(source).exists() else str(Path(source).resolve())


def load(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    size: int | None = None,
    color: str = "auto",
    skip_unreadable: bool = False,
    holes: bool = False,
    types: str | Path | None = None,
    schema: Schema | None = None,
    limits: str | None = None,
    counts: bool = False,
    unit: int | None = None,
    white: float | None = None,
) -> Splits:
    """The data of ``source``: a known name, a ``.npy`` or ``.npz`` file, a table, a folder of IDX files or of images.

    Named data sets are searched for in ``data_dir``, then $LOWERBOUND_DATA, then the user's cache, and else
    downloaded. ``size``, ``color`` and ``skip_unreadable`` are for folders of images; ``holes`` allows NaN, for missing values in an
    array file. For tables, ``types`` is a file that overrides the inferred column types, and ``schema`` is that of a model, by which
    they are then read. ``limits``, ``LOW:HIGH``, are the numbers of arrays and images that are 0 and 1; with ``counts`` whole numbers in
    an array file are counts, not greys. ``unit`` (255 of pixels, 1 of bits) and ``white`` are those of a model's data, by which they are
    then read.
    Errors: DataError for a source that is missing, damaged or ambiguous.
    """
    between = None if limits is None else Range.read(limits)
    reading = Reading(size, color, skip_unreadable, holes, types, schema, between, counts, unit, white)
    if str(source) in NAMED:
        refuse_others(source, reading)
        return NAMED[str(source)].load(str(source), None if data_dir is None else Path(data_dir))
    path = Path(source)
    row = format_of(path, reading)
    refuse_others(source, reading, frozenset() if row is None else row.options)
    if row is not None:
        return row.load(path, reading)
    if path.is_file():
        raise DataError(
            f"the format of {path} is unknown; give a .npy, .npz, .csv, .tsv or .parquet file, or a folder of IDX files or images"
        )
    raise DataError(f"no data set, file or folder is called '{source}'{nearest(str(source), NAMED)}")
