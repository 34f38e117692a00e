"""The formats that data are read from: one row each, tried in order. To add one, write a file beside this and a row of ``FORMATS``.

docs/formats.md is made of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lowerbound.data import (
    archives,
    array_folders,
    arrow_arrays,
    cifar,
    csv_pixels,
    emnist,
    idx,
    images,
    named_arrays,
    single_cell,
    sparse,
    table_folders,
    tables,
)
from lowerbound.data.dataset import Splits
from lowerbound.data.reading import Reading
from lowerbound.data.streams import of_arrays, of_cells, of_tables, of_tars, shards, tars
from lowerbound.data.streams.on_disk import Opener
from lowerbound.errors import DataError


@dataclass(frozen=True)
class Format:
    """One format: whether a path has it, read as is said, how it is read, and which options it has; ``holes`` may be given to all.

    ``files`` says how its files are named, ``text`` what is read of them, ``library`` by which package, with the extra that brings it.
    """

    takes: Callable[[Path, Reading], bool]
    load: Callable[[Path, Reading], Splits]
    options: frozenset[str]
    files: str
    text: str
    library: str = ""
    #: as it is on disk, None where some of its files are to be read whole
    streams: Opener | None = None


def _by_path(takes: Callable[[Path], bool]) -> Callable[[Path, Reading], bool]:
    return lambda path, how: takes(path)


IMAGE_OPTIONS = frozenset({"size", "color", "skip_unreadable", "limits", "invert"})
ON_DISK = frozenset({"stream"})
ARRAY_OPTIONS = frozenset({"limits", "shape", "label_column", "invert"})
TABLED_IMAGES = (IMAGE_OPTIONS - {"skip_unreadable"}) | {"label_column"}
TABLE_OPTIONS = frozenset({"types", "missing_as", "schema", "header", "label_column"})
FORMATS = {
    "shards": Format(
        _by_path(shards.takes),
        shards.load,
        frozenset(),
        "a folder that `lowerbound shard` made: `shards.json`, `train-00000.npy` …",
        "data larger than memory, read block by block: [larger than memory](guide/streaming.md)",
    ),
    "a folder of IDX files": Format(
        _by_path(idx.is_idx_folder),
        lambda path, how: idx.load_folder(path),
        frozenset({"invert"}),
        "`train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-…`, plain or `.gz`",
        "MNIST, Fashion-MNIST, KMNIST as their authors give them: images, labels, test part",
    ),
    "EMNIST": Format(
        _by_path(emnist.takes),
        lambda path, how: emnist.load(path),
        frozenset({"invert"}),
        "a folder of `emnist-NAME-train-images-idx3-ubyte.gz` …; of several sets `FOLDER/emnist-NAME`",
        "images turned upright, classes by the letters and digits of `emnist-NAME-mapping.txt`",
    ),
    "CIFAR": Format(
        _by_path(cifar.takes),
        lambda path, how: cifar.load(path),
        frozenset({"invert"}),
        "a folder of `data_batch_1.bin` …, `test_batch.bin`, or of `train.bin`, `test.bin`, `fine_label_names.txt`",
        "CIFAR-10 and CIFAR-100 in their binary version: colour images, names of classes, test part",
    ),
    "a folder of tables of vectors": Format(
        _by_path(table_folders.takes_vectors),
        table_folders.load,
        ARRAY_OPTIONS | ON_DISK,
        "what `datasets`' `save_to_disk` writes; `train-00000-of-00002.parquet` … in a folder, or in `data/` of one",
        "Hugging Face's data sets of lists of numbers, labels by the names of their classes, parts",
        "pyarrow",
        streams=of_tables.of_folder,
    ),
    "a folder of tables of images": Format(
        _by_path(table_folders.takes_images),
        table_folders.load,
        TABLED_IMAGES | ON_DISK,
        "the same",
        "Hugging Face's data sets of images, labels by the names of their classes, parts",
        "pyarrow",
        streams=of_tables.of_folder,
    ),
    "a folder of arrays": Format(
        _by_path(array_folders.takes),
        array_folders.load,
        ARRAY_OPTIONS | ON_DISK,
        "a folder of `.npy` or `.npz`: `x_train.npy`, `y_train.npy` …, `kmnist-train-imgs.npz` …, or an example each",
        "arrays by their names; or examples of one shape, their folders parts and classes",
        streams=of_arrays.of_folder,
    ),
    "tars": Format(
        _by_path(tars.takes),
        tars.load,
        (IMAGE_OPTIONS - {"skip_unreadable"}) | ON_DISK,
        "`.tar`, `.tar.gz`, `.tgz`, or a folder of some and no images or arrays beside them",
        "examples as WebDataset has them: `0001.png` or `0001.npy`, and `0001.cls`, or `0001.json` with a `label`",
        "Pillow",
        streams=of_tars.of_files,
    ),
    "a folder of images": Format(
        _by_path(Path.is_dir),
        images.load_folder,
        IMAGE_OPTIONS,
        "a folder of " + ", ".join(f"`{suffix}`" for suffix in sorted(images.SUFFIXES)),
        "images of any size, mode and depth; folders are parts or classes; pages of TIFFs are images",
        "Pillow",
    ),
    "a stack of images": Format(
        _by_path(images.is_stack),
        images.load_stack,
        IMAGE_OPTIONS,
        "a file `.tif` or `.tiff`",
        "its pages, one image each",
        "Pillow",
    ),
    "single cells": Format(
        _by_path(single_cell.takes),
        single_cell.load,
        frozenset({"limits", "label_column"}) | ON_DISK,
        "`.h5ad`; a layer as `FILE.h5ad:/layers/counts`",
        "cells × genes, sparse ones kept sparse; a column of `obs` as labels; `encode -o FILE.h5ad` adds the latents as `obsm`",
        "anndata: `lowerbound[anndata]`",
        streams=of_cells.of_file,
    ),
    "a sparse matrix": Format(
        _by_path(sparse.takes),
        sparse.load,
        frozenset({"limits"}),
        "`.npz` of `scipy.sparse.save_npz`",
        "its rows as vectors, kept sparse",
        "SciPy",
    ),
    "a file of arrays": Format(
        _by_path(archives.is_archive),
        named_arrays.load,
        ARRAY_OPTIONS | ON_DISK,
        "`.npy`, `.npz`, `.mat`, `.h5`, `.hdf5`, `.safetensors`, an IDX file; one array of it as `FILE.h5:/path`",
        "vectors, series, images, volumes, labels and parts by their names: [below](#names-of-arrays)",
        "NumPy; SciPy and h5py for `.mat`, h5py for HDF5: `lowerbound[hdf5]`; safetensors",
        streams=of_arrays.of_file,
    ),
    "images of a table": Format(
        arrow_arrays.takes_images,
        arrow_arrays.load,
        TABLED_IMAGES | ON_DISK,
        "`.parquet`, `.feather`, `.arrow`, `.jsonl` with a column `{bytes, path}`",
        "its images, with labels by the names of their classes",
        "pyarrow",
        streams=of_tables.of_file,
    ),
    "vectors of a table": Format(
        arrow_arrays.takes_vectors,
        arrow_arrays.load,
        ARRAY_OPTIONS | ON_DISK,
        "the same with a column of lists of numbers, and no other numbers but labels",
        "vectors or arrays where all lists have one length, with labels by the names of their classes",
        "pyarrow",
        streams=of_tables.of_file,
    ),
    "images in a CSV": Format(
        csv_pixels.takes,
        csv_pixels.load,
        ARRAY_OPTIONS | {"header"},
        "`.csv`, `.tsv`, also `.gz`, with columns `pixel0` …; others with `--shape`",
        "square images, or examples of the specified shape; `label` or `--label-column` as labels",
    ),
    "a table": Format(
        _by_path(tables.is_table),
        tables.load,
        TABLE_OPTIONS | ON_DISK,
        "`.csv`, `.tsv`, also `.gz`, `.parquet`, `.feather`, `.arrow`, `.jsonl`",
        "columns of any kind, with empty cells; `--label-column` as labels: [tables](guide/tables.md)",
        "pyarrow for the last four",
        streams=of_tables.of_file,
    ),
}
#: what an option is about, in an error where the source does not have it
ABOUT = {
    "limits": "a range is for arrays and images",
    "shape": "a shape is for arrays",
    "label_column": "a label column is for arrays and tables",
    "invert": "inverting is for images and arrays",
    "header": "no-header is for CSV files",
    "stream": "only NumPy's, Arrow's and anndata's files, and tars, can stay on disk as they are, of other data shards",
    "size": "size, color and skip-unreadable are for images",
    "color": "size, color and skip-unreadable are for images",
    "skip_unreadable": "size, color and skip-unreadable are for images",
    "missing_as": f"missing-as is for tables ({', '.join(tables.READ)})",
    "types": f"types are for tables ({', '.join(tables.READ)})",
}
#: what runs any code when it is read
PICKLED = (".pkl", ".pickle", ".p", ".pt", ".pth", ".ckpt", ".joblib")


def format_of(path: Path, reading: Reading | None = None) -> Format | None:
    """The first format that accepts the path, read as is said, or None."""
    how = reading or Reading()
    return next((row for row in FORMATS.values() if row.takes(path, how)), None)


def refuse_others(source: str | Path, reading: Reading, options: frozenset[str] = frozenset()) -> None:
    """Raise DataError for options that the source does not have: they would be ignored."""
    foreign = (
        reading.given
        - options
        - ({"stream"} if reading.stream is False else set())
        - {"holes", "counts", "unit", "white", "of_run", "variables"}
    )
    for option, about in ABOUT.items():
        if option in foreign:
            raise DataError(f"{about}, which '{source}' is not; leave that out")
    if "schema" in foreign and Path(source).is_file():
        raise DataError(f"this model is for tables ({', '.join(tables.READ)}), which '{source}' is not")


def refused(path: Path) -> DataError:
    """What is wrong with a file that no format takes."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if any(suffix in PICKLED for suffix in suffixes[-2:]):
        return DataError(f"{path} is a pickle, which may run any code; load it where it comes from, and save the arrays with numpy.savez")
    return DataError(
        f"the format of {path} is unknown; docs/formats.md has those that are read, .npz, .csv, .parquet and folders among them"
    )
