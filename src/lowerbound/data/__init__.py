"""Data: a name, a file or a folder → rows in memory → batches. ``load`` is the way in.

Nothing here knows of models.
"""

from __future__ import annotations

from pathlib import Path

from lowerbound.data import arrays, idx, images, tables
from lowerbound.data.dataset import UNKNOWN, Dataset, Splits, fingerprint_of
from lowerbound.data.named import NAMED
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, nearest

__all__ = ["NAMED", "UNKNOWN", "DataSpec", "Dataset", "Schema", "Splits", "fingerprint_of", "is_image_folder", "load", "located"]

ARRAYS = (".npy", ".npz")


def is_image_folder(source: str | Path) -> bool:
    """Whether ``load`` would read ``source`` as a folder of images."""
    path = Path(source)
    return str(source) not in NAMED and path.is_dir() and not idx.is_idx_folder(path)


def located(source: str) -> str:
    """The same source in words that mean it from any folder: a known name, or a full path."""
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
) -> Splits:
    """The data of ``source``: a known name, a ``.npy`` or ``.npz`` file, a table, a folder of IDX files or of images.

    Named sets are looked for in ``data_dir``, then $LOWERBOUND_DATA, then the user's cache, and else
    downloaded. ``size``, ``color`` and ``skip_unreadable`` are for folders of images; ``holes`` lets in NaN, for what is missing in an
    array's file. ``types`` is for tables, a file that overrules what their columns are taken for; ``schema`` that of a model, by which
    they are then read.
    Errors: DataError for what is missing, damaged or cannot be told apart.
    """
    path = Path(source)
    if is_image_folder(source):
        return images.load_folder(path, size, color, skip_unreadable)
    if size is not None or color != "auto" or skip_unreadable:
        raise DataError(f"size, color and skip-unreadable are for folders of images, and '{source}' is none; leave them out")
    if str(source) in NAMED:
        return NAMED[str(source)].load(str(source), None if data_dir is None else Path(data_dir))
    if types is not None and not tables.is_table(path):
        raise DataError(f"types are for tables ({', '.join(tables.SUFFIXES)}), and '{source}' is none; leave them out")
    if schema is not None and path.is_file() and not tables.is_table(path):
        raise DataError(f"this model is for tables ({', '.join(tables.SUFFIXES)}), and '{source}' is none")
    if path.is_dir():
        return idx.load_folder(path)
    if path.suffix in ARRAYS and path.is_file():
        return arrays.load_file(path, holes)
    if tables.is_table(path):
        return tables.load(path, types, schema)
    if path.is_file():
        raise DataError(
            f"cannot tell what {path} holds; a .npy, .npz, .csv, .tsv or .parquet file, or a folder of IDX files or images is read"
        )
    raise DataError(f"no data set, file or folder is called '{source}'{nearest(str(source), NAMED)}")
