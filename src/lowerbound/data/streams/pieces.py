"""Sources larger than memory, in pieces that are each read as the whole would be: what numbers and columns mean is found once, in a look.

The look is at ``LOOK`` rows from all over a source. A piece that does not mean the same is an error, which names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from lowerbound.data import arrays, arrow_arrays, arrow_files, loading, table_folders, tables
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.python import dataset_of
from lowerbound.data.reading import Reading
from lowerbound.data.rows import spread
from lowerbound.data.schema import Schema
from lowerbound.data.streams import tars
from lowerbound.errors import DataError

#: rows that are looked at, and that a piece has, at most; and bytes of an array's piece
LOOK, ROWS, BYTES = 50_000, 20_000, 2**25
#: examples of tars, images of any size, that a piece has
DECODED = 1_000


@dataclass(frozen=True)
class Pieces:
    """Rows of a source in order, each piece with the name of its part; a table's ``schema``, ``notes`` on how it is read.

    ``classes`` are those that the look saw, in their order.
    """

    rows: Iterable[tuple[str, Dataset]]
    schema: Schema | None = None
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


def pieces(source: Any, how: Reading, data_dir: str | Path | None = None) -> Pieces:
    """A source in pieces: a ``.npy`` file, Parquet and Arrow files and folders of them, tars of examples, what Python iterates over.

    Any other source is read whole. Errors: DataError, then or when a piece is read.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        return next((read(path, how) for takes, read in PIECEWISE if takes(path, how)), None) or _of_splits(
            loading.read(source, data_dir, how)
        )
    if hasattr(source, "__iter__") and not hasattr(source, "__len__"):
        return _of_iterable(source, how.counts)
    return Pieces([("train", dataset_of(source, how.counts))])


def _of_splits(found: Splits) -> Pieces:
    """What was read whole; with the parts that it has of its own."""
    if found.whole is not None:
        return Pieces([("train", found.whole)], found.schema, found.notes)
    parts = {"train": found.train, "validation": found.own_validation, "test": found.test}
    return Pieces([(name, part) for name, part in parts.items() if part is not None], found.schema, found.notes)


def _whole(found: Splits) -> Dataset:
    assert found.whole is not None
    return found.whole


def _of_iterable(source: Iterable[Any], counts: bool) -> Pieces:
    """What gives an example, or a pair of one and its label, at a time."""
    examples = iter(source)
    return Pieces(("train", dataset_of(some, counts)) for some in iter(lambda: list(islice(examples, ROWS)), []))


# --- arrays ----------------------------------------------------------------------------------------


def _is_npy(path: Path, how: Reading) -> bool:
    return path.suffix == ".npy" and path.is_file()


def _of_npy(path: Path, how: Reading) -> Pieces:
    """An array in a file, which is mapped into memory and not read."""
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path} is not a NumPy file of plain numbers or is damaged: {error}") from error
    if mapped.ndim < 2 or not len(mapped):
        raise DataError(f"{path} has the shape {mapped.shape}; give an array (N, …) of examples")
    look = arrays.splits_of(path, mapped[spread(len(mapped), LOOK).numpy()], how)
    then, each = as_looked_at(how, _whole(look)), max(1, BYTES // max(1, mapped[0].nbytes))
    rows = (("train", _whole(arrays.splits_of(path, np.array(mapped[at : at + each]), then))) for at in range(0, len(mapped), each))
    return Pieces(rows, None, look.notes)


def as_looked_at(how: Reading, look: Dataset) -> Reading:
    """How to read the rest of what was looked at."""
    return replace(how, unit=look.unit, white=look.white, shape=look.event_shape, color="grey" if look.event_shape[0] == 1 else "rgb")


# --- tables ----------------------------------------------------------------------------------------


def _are_arrow(path: Path, how: Reading) -> bool:
    return arrow_files.is_arrow(path) or table_folders.is_folder(path)


def _of_arrow(path: Path, how: Reading) -> Pieces:
    """Tables, images or vectors in files of pyarrow's, by batches of rows."""
    files, notes = ({"train": [path]}, ()) if path.is_file() else table_folders.files(path)
    look = arrow_files.some_rows([file for several in files.values() for file in several], LOOK)
    of_array = not how.of_table and (arrow_arrays.has_images(look.schema) or arrow_arrays.has_vectors(look.schema, how.label_column))
    read: Callable[[Any, Reading], Splits] = (lambda table, how: arrow_arrays.of_table(path, table, how)) if of_array else tables.of_frame
    first = read(look, how)
    then = as_looked_at(how, _whole(first)) if of_array else replace(how, schema=first.schema)

    def rows() -> Iterator[tuple[str, Dataset]]:
        for part, several in files.items():
            for table in chain.from_iterable(arrow_files.batches(file, ROWS) for file in several):
                yield part, _whole(read(table, then))

    return Pieces(rows(), first.schema, (*notes, *first.notes), _whole(first).classes)


# --- tars ------------------------------------------------------------------------------------------


def _of_tars(path: Path, how: Reading) -> Pieces:
    """Examples in tars, as WebDataset has them."""

    def rows() -> Iterator[tuple[str, Dataset]]:
        then = how
        for some in tars.examples(tars.files(path), DECODED):
            piece = tars.dataset(path, some, then)
            then = as_looked_at(how, piece)
            yield "train", piece

    return Pieces(rows())


#: what a path must be, and how it is then read; tried in order
PIECEWISE: tuple[tuple[Callable[[Path, Reading], bool], Callable[[Path, Reading], Pieces]], ...] = (
    (_is_npy, _of_npy),
    (lambda path, how: tars.takes(path), _of_tars),
    (_are_arrow, _of_arrow),
)
