"""Any source of data by its name or path, read as the table of formats has it; ``load`` is what the package gives to all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lowerbound.data import emnist, tables
from lowerbound.data.archives import split
from lowerbound.data.axes import shape_of
from lowerbound.data.dataset import Splits
from lowerbound.data.formats import format_of, refuse_others, refused
from lowerbound.data.frames import is_frame
from lowerbound.data.meaning import Range
from lowerbound.data.named import NAMED
from lowerbound.data.reading import Reading
from lowerbound.data.schema import Schema
from lowerbound.data.streams import on_disk
from lowerbound.errors import DataError, nearest

OF_NAMED = frozenset({"invert"})


def options_of(source: str | Path, reading: Reading | None = None) -> frozenset[str]:
    """The names of the options of ``load`` that a source has, as ``size`` is one of images alone; ``reading`` is what is said of it.

    >>> import lowerbound as lb
    >>> sorted(lb.data.options_of("digits"))
    ['invert']
    """
    row = None if str(source) in NAMED else format_of(Path(source), reading)
    return OF_NAMED if row is None else row.options


def has_arrays(source: str | Path) -> bool:
    """Whether ``load`` would read ``source`` as arrays alone, whose ``shape`` may be said.

    >>> import tempfile
    >>> import numpy as np
    >>> import lowerbound as lb
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/series.npy", np.zeros((10, 1, 128)))
    ...     lb.data.has_arrays(f"{folder}/series.npy"), lb.data.has_arrays("digits")
    (True, False)
    """
    options = options_of(source)
    return "shape" in options and "size" not in options


def located(source: str) -> str:
    """The source in a form that is valid from any working directory: a known name, or an absolute path; what is neither as it is.

    >>> from pathlib import Path
    >>> import lowerbound as lb
    >>> lb.data.located("digits"), lb.data.located("no/such/file"), Path(lb.data.located(".")).is_absolute()
    ('digits', 'no/such/file', True)
    """
    file, inside = split(source)
    if source in NAMED or not (file.exists() or file.parent.is_dir()):
        return source
    if inside is None:
        return str(file.resolve()) if file.exists() or emnist.takes(file) else source
    return f"{file.resolve()}:/{inside}"


def load(
    source: str | Path | Any,
    *,
    data_dir: str | Path | None = None,
    size: int | None = None,
    color: str = "auto",
    skip_unreadable: bool = False,
    holes: bool = False,
    types: str | Path | Mapping[str, Any] | None = None,
    missing_as: str | None = None,
    schema: Schema | None = None,
    limits: str | None = None,
    counts: bool = False,
    unit: int | None = None,
    white: float | None = None,
    shape: str | Sequence[int] | None = None,
    label_column: str | None = None,
    header: bool = True,
    invert: bool = False,
    stream: bool | None = None,
    of_run: bool = False,
    variables: tuple[str, ...] = (),
) -> Splits:
    """The data of ``source``: a known name, or a file or folder in one of the formats of ``FORMATS`` (docs/formats.md); or a frame.

    Named data sets are searched for in ``data_dir``, then $LOWERBOUND_DATA, then the user's cache, and else
    downloaded. ``size``, ``color`` and ``skip_unreadable`` are for images; ``holes`` allows NaN, for missing values in an
    array file. For tables, and frames of pandas, polars or pyarrow, which are read as such, ``types`` is a TOML file, or a mapping of what
    one says, that overrides the inferred column types, ``missing_as`` texts that mean that a cell is missing, with commas between them,
    and ``schema`` is that of a model, by which they are then read. ``limits``, ``LOW:HIGH``, are the numbers of
    arrays and images that are 0 and 1; with ``counts`` whole numbers in an array file are counts, not greys. ``unit`` (255 of pixels, 1
    of bits) and ``white`` are those of a model's data, by which they are then read. ``shape`` is that of one example of an array file,
    channels first, where its axes do not tell: ``1x128``, or ``(1, 128)``. ``label_column`` is the column or array of labels; without
    ``header`` the first line of a CSV is a row; ``invert`` exchanges black and white. With ``stream`` the values stay on disk, and are read
    block by block (docs/guide/streaming.md); where it is not said they do if they would take more than half of the memory.
    Errors: DataError for a source that is missing, damaged or ambiguous.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> len(digits.train), len(digits.test), digits.train.event_shape  # one example in ten is held out
    (1618, 179, (1, 8, 8))
    >>> float(digits.train[:].min()), float(digits.train[:].max()), digits.train.labels[:3].tolist()
    (0.0, 1.0, [0, 1, 2])
    """
    images = {"size": size, "color": color, "skip_unreadable": skip_unreadable, "invert": invert}
    tables = {"types": types, "missing_as": missing_as, "schema": schema, "label_column": label_column, "header": header}
    of_model = {"stream": stream, "counts": counts, "unit": unit, "white": white, "of_run": of_run, "variables": variables}
    reading = reading_of(limits=limits, shape=shape, holes=holes, **images, **tables, **of_model)
    return read_as_said(source, data_dir, reading)


def reading_of(*, limits: str | None = None, shape: str | Sequence[int] | None = None, **others: Any) -> Reading:
    """The options of ``load``, checked and in one object, as what reads data in pieces takes them.

    Errors: DataError for limits or a shape that are none.

    >>> import lowerbound as lb
    >>> how = lb.data.reading_of(limits="0:16", shape="1x8x8")
    >>> how.shape, how.limits.low, how.limits.high
    ((1, 8, 8), 0.0, 16.0)
    """
    return Reading(limits=None if limits is None else Range.read(limits), shape=shape_of(shape), **others)


def read_as_said(source: str | Path | Any, data_dir: str | Path | None, reading: Reading) -> Splits:
    """The same, by options that are checked. Errors: DataError."""
    found = _read(source, data_dir, reading)
    return found.inverted() if reading.invert and not on_disk.stays(found.train) else found  # blocks are inverted as they are read


def _read(source: str | Path | Any, data_dir: str | Path | None, reading: Reading) -> Splits:
    if is_frame(source):
        refuse_others(tables.FRAME, reading, tables.OF_FRAME)
        return tables.of_frame(source, reading)
    if str(source) in NAMED:
        refuse_others(source, reading, OF_NAMED)
        return NAMED[str(source)].load(str(source), None if data_dir is None else Path(data_dir))
    path = Path(source)
    row = format_of(path, reading)
    refuse_others(source, reading, frozenset() if row is None else row.options)
    if row is not None:
        return on_disk.load(path, reading, row.streams) or row.load(path, reading)
    if path.is_file():
        raise refused(path)
    raise DataError(f"no data set, file or folder is called '{source}'{nearest(str(source), NAMED)}")
