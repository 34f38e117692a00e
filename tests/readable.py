"""A small true file of each format that is read, written by the format's own library, with the examples and labels that are in it."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lowerbound.data import shard

RANDOM = np.random.default_rng(0)
N, H, W = 12, 4, 5
GREYS = RANDOM.integers(0, 256, (N, H, W)).astype(np.uint8)
GREYS[0, 0, :2] = 0, 255
SQUARES = RANDOM.integers(0, 256, (N, 4, 4)).astype(np.uint8)
SQUARES[0, 0, :2] = 0, 255
COLOURS = RANDOM.integers(0, 256, (N, 3, 32, 32)).astype(np.uint8)
OF_12_BITS = GREYS.astype(np.int16) * 16
LABELS = np.arange(N) % 3
COUNTS = RANDOM.poisson(0.4, (N, 9)).astype(np.float32) * RANDOM.integers(1, 400, (N, 9))
COUNTS[0, 0] = 300.0


@dataclass(frozen=True)
class Readable:
    """A row: its ``format`` in ``FORMATS``, how to write it, the options to read it by, and what is in it.

    ``values`` are the file's own numbers, examples first, ``white`` which of them is 1, ``dtype`` their type; ``names`` the class of each
    example, ``parts`` how many examples are to train on and to test on, where the file says so.
    """

    format: str
    write: Callable[[Path], Path | str]
    values: np.ndarray
    names: tuple[str, ...] | None = tuple(map(str, LABELS))
    options: dict[str, Any] = field(default_factory=dict)
    parts: tuple[int, int] | None = None
    white: float = 255.0
    dtype: str = "uint8"
    likelihood: str = "bernoulli"


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def _idx_folder(folder: Path) -> Path:
    for part, rows in (("train", slice(8)), ("t10k", slice(8, None))):
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(GREYS[rows])))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx(LABELS[rows]))
    return folder


def _idx_file(folder: Path) -> Path:
    (folder / "train-images.idx3-ubyte").write_bytes(idx(GREYS))
    return folder / "train-images.idx3-ubyte"


def _emnist(folder: Path, sets: tuple[str, ...] = ("letters",)) -> Path:
    for name in sets:
        for part, rows in (("train", slice(8)), ("test", slice(8, None))):
            (folder / f"emnist-{name}-{part}-images-idx3-ubyte").write_bytes(idx(SQUARES[rows].transpose(0, 2, 1)))
            (folder / f"emnist-{name}-{part}-labels-idx1-ubyte").write_bytes(idx(LABELS[rows] + 1))
        (folder / f"emnist-{name}-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99\n")
    return folder


def _one_of_two(folder: Path) -> str:
    return str(_emnist(folder, ("digits", "letters")) / "emnist-letters")


def _cifar_10(folder: Path) -> Path:
    rows = np.concatenate([LABELS[:, None], COLOURS.reshape(N, -1)], 1).astype(np.uint8)
    (folder / "data_batch_1.bin").write_bytes(rows[:5].tobytes())
    (folder / "data_batch_2.bin").write_bytes(rows[5:8].tobytes())
    (folder / "test_batch.bin").write_bytes(rows[8:].tobytes())
    (folder / "batches.meta.txt").write_text("plane\ncar\nbird\n\n")
    return folder


def _cifar_100(folder: Path) -> Path:
    rows = np.concatenate([1 - LABELS[:, None] % 2, LABELS[:, None], COLOURS.reshape(N, -1)], 1).astype(np.uint8)
    (folder / "train.bin").write_bytes(rows[:8].tobytes())
    (folder / "test.bin").write_bytes(rows[8:].tobytes())
    (folder / "fine_label_names.txt").write_text("plane\ncar\nbird\n")
    return folder


def png(pixels: np.ndarray) -> bytes:
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "png")
        return file.getvalue()


def _table(rows: slice = slice(None)) -> Any:
    import pyarrow

    features = {"features": {"label": {"names": ["plane", "car", "bird"], "_type": "ClassLabel"}, "image": {"_type": "Image"}}}
    images = [{"bytes": png(pixels), "path": None} for pixels in GREYS[rows]]
    table = pyarrow.table({"image": images, "label": LABELS[rows].tolist()})
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": features})})


def _vectors() -> Any:
    import pyarrow

    return pyarrow.table({"embedding": COUNTS.tolist(), "id": list(map(str, LABELS)), "label": ["abc"[label] for label in LABELS]})


def _stream(table: Any, path: Path) -> None:
    import pyarrow

    with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def _saved_to_disk(folder: Path) -> Path:
    for part, rows in (("train", slice(8)), ("test", slice(8, None))):
        (folder / part).mkdir()
        _stream(_table(rows), folder / part / "data-00000-of-00001.arrow")
        (folder / part / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    return folder


def _hub(folder: Path) -> Path:
    import pyarrow.parquet

    (folder / "data").mkdir()
    for name, rows in (("train-00000-of-00002", slice(5)), ("train-00001-of-00002", slice(5, 8)), ("test-00000-of-00001", slice(8, None))):
        pyarrow.parquet.write_table(_table(rows), folder / "data" / f"{name}.parquet")
    return folder


def _hub_of_vectors(folder: Path) -> Path:
    import pyarrow.parquet

    for name, rows in (("train", slice(8)), ("test", slice(8, None))):
        pyarrow.parquet.write_table(_vectors()[rows], folder / f"{name}.parquet")
    return folder


def _named_arrays(folder: Path) -> Path:
    for part, rows in (("train", slice(8)), ("test", slice(8, None))):
        np.save(folder / f"x_{part}.npy", GREYS[rows])
        np.save(folder / f"y_{part}.npy", LABELS[rows])
    return folder


def _kmnist(folder: Path) -> Path:
    for part, rows in (("train", slice(8)), ("test", slice(8, None))):
        np.savez_compressed(folder / f"kmnist-{part}-imgs.npz", GREYS[rows])
        np.savez_compressed(folder / f"kmnist-{part}-labels.npz", LABELS[rows].astype(np.uint8))
    return folder


def _an_array_each(folder: Path) -> Path:
    for number, (pixels, label) in enumerate(zip(GREYS, LABELS, strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        np.save(folder / str(label) / f"{number:02}.npy", pixels)
    return folder


def _images(folder: Path) -> Path:
    for number, (pixels, label) in enumerate(zip(GREYS, LABELS, strict=True)):
        (folder / str(label)).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / str(label) / f"{number:02}.PNG")
    return folder


BY_LABEL = np.argsort(LABELS, kind="stable")  # the order of folders


def _deep(folder: Path) -> Path:
    for number, pixels in enumerate(GREYS.astype(np.uint16) * 16):
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def _stack(folder: Path) -> Path:
    pages = [Image.fromarray(pixels) for pixels in GREYS]
    pages[0].save(folder / "stack.TIF", save_all=True, append_images=pages[1:])
    return folder / "stack.TIF"


def _cells(kind: str, layer: bool = False) -> Callable[[Path], Path | str]:
    def write(folder: Path) -> Path | str:
        import anndata
        import pandas as pd
        from scipy import sparse

        matrix = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "dense": np.asarray}[kind](COUNTS)
        obs = pd.DataFrame({"batch": pd.Categorical(["ab"[label % 2] for label in LABELS]), "depth": LABELS * 1.5})
        obs.index = [f"cell {row}" for row in range(N)]
        cells = anndata.AnnData(np.log1p(COUNTS) if layer else matrix, obs=obs, layers={"counts": matrix} if layer else {})
        cells.write_h5ad(folder / "cells.h5ad")
        return f"{folder / 'cells.h5ad'}:/layers/counts" if layer else folder / "cells.h5ad"

    return write


def _sparse(kind: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        from scipy import sparse

        sparse.save_npz(folder / "counts.npz", getattr(sparse, f"{kind}_matrix")(COUNTS))
        return folder / "counts.npz"

    return write


def _npz(folder: Path) -> Path:
    np.savez(folder / "a.NPZ.npz", images=GREYS, label=LABELS[:, None])
    return (folder / "a.NPZ.npz").rename(folder / "a.NPZ")


def _npy(values: np.ndarray) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.save(folder / "a.npy", values)
        return folder / "a.npy"

    return write


def _matlab(folder: Path) -> Path:
    """As SVHN: examples on the last axis, labels ``(N, 1)``."""
    from scipy.io import savemat

    savemat(folder / "train.mat", {"X": COLOURS.transpose(2, 3, 1, 0), "y": LABELS[:, None]})
    return folder / "train.mat"


def _matlab_parts(folder: Path) -> Path:
    from scipy.io import savemat

    parts = {"train_data": GREYS[:8].reshape(8, -1), "test_data": GREYS[8:].reshape(4, -1)}
    savemat(folder / "parts.mat", parts | {"train_labels": LABELS[:8, None], "test_labels": LABELS[8:, None]})
    return folder / "parts.mat"


def _matlab_73(folder: Path) -> Path:
    """HDF5 behind MATLAB's 512 bytes of text, with the axes of each array the other way about."""
    import h5py

    with h5py.File(folder / "new.mat", "w", userblock_size=512) as file:
        file["images"], file["labels"] = GREYS.T, LABELS[None].astype(float)
        file.create_group("#refs#")["a"] = np.zeros(2)
    with (folder / "new.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + struct.pack("<HH", 0x0200, 0x4D49))
    return folder / "new.mat"


def _hdf5(inside: bool) -> Callable[[Path], Path | str]:
    def write(folder: Path) -> Path | str:
        import h5py

        with h5py.File(folder / "a.h5", "w") as file:
            if inside:
                file["other"] = np.zeros((3, 3))
                group = file.create_group("deep/down")
                group["pictures"], group["labels"] = GREYS, LABELS
                return f"{folder / 'a.h5'}:/deep/down/pictures"
            for part, rows in (("train", slice(8)), ("test", slice(8, None))):
                file[f"{part}/images"], file[f"{part}/labels"] = GREYS[rows], LABELS[rows]
        return folder / "a.h5"

    return write


def _safetensors(folder: Path) -> Path:
    from safetensors.numpy import save_file

    save_file({"images": GREYS, "labels": LABELS}, folder / "a.safetensors")
    return folder / "a.safetensors"


def _parquet(folder: Path) -> Path:
    import pyarrow.parquet

    pyarrow.parquet.write_table(_table(), folder / "a.parquet")
    return folder / "a.parquet"


def _feather(folder: Path) -> Path:
    import pyarrow.feather

    pyarrow.feather.write_feather(_vectors(), folder / "a.feather")
    return folder / "a.feather"


def _arrow(folder: Path) -> Path:
    _stream(_vectors(), folder / "a.arrow")
    return folder / "a.arrow"


def _jsonl(folder: Path) -> Path:
    rows = ({"embedding": row.tolist(), "label": "abc"[label]} for row, label in zip(COUNTS, LABELS, strict=True))
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "a.jsonl"


def _csv(ending: str, header: bool, label: str = "label") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        mark = "\t" if ending.startswith(".tsv") else ","
        rows = np.concatenate([LABELS[:, None], SQUARES.reshape(N, -1)], 1).tolist()
        names = [label, *(f"pixel{place}" for place in range(16))]
        text = "".join(mark.join(map(str, row)) + "\n" for row in ([names] if header else []) + rows)
        path = folder / f"a{ending}"
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith(".gz") else text.encode())
        return path

    return write


ABC = tuple("abc"[label] for label in LABELS)
NAMED = tuple(("plane", "car", "bird")[label] for label in LABELS)
BATCH = tuple("ab"[label % 2] for label in LABELS)
OF_COUNTS: dict[str, Any] = {"white": 1.0, "dtype": "float32", "likelihood": "negative-binomial"}
OF_FLOATS: dict[str, Any] = {"white": 1.0, "dtype": "float32", "likelihood": "gaussian"}
PARTS = {"parts": (8, 4)}


def _tars(folder: Path) -> Path:
    """As WebDataset writes them: two files, an image and its class."""
    for number, rows in enumerate((range(7), range(7, N))):
        with tarfile.open(folder / f"{number:04}.tar", "w") as archive:
            for row in rows:
                for ending, content in (("png", png(GREYS[row])), ("cls", str(LABELS[row]).encode())):
                    entry = tarfile.TarInfo(f"pictures/{row:06}.{ending}")
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
    return folder


def _shards(folder: Path) -> Path:
    (folder / "arrays").mkdir()
    shard(_named_arrays(folder / "arrays"), folder / "shards")
    return folder / "shards"


READABLE: dict[str, Readable] = {
    "shards": Readable("shards", _shards, GREYS, parts=(8, 4)),
    "IDX": Readable("a folder of IDX files", _idx_folder, GREYS, parts=(8, 4)),
    "one IDX file": Readable("a file of arrays", _idx_file, GREYS, None),
    "EMNIST": Readable("EMNIST", _emnist, SQUARES, tuple("ABC"[label] for label in LABELS), parts=(8, 4)),
    "EMNIST, one of two": Readable("EMNIST", _one_of_two, SQUARES, tuple("ABC"[label] for label in LABELS), parts=(8, 4)),
    "CIFAR-10": Readable("CIFAR", _cifar_10, COLOURS, NAMED, parts=(8, 4)),
    "CIFAR-100": Readable("CIFAR", _cifar_100, COLOURS, NAMED, parts=(8, 4)),
    "save_to_disk": Readable("a folder of tables of images", _saved_to_disk, GREYS, NAMED, parts=(8, 4)),
    "the hub's Parquet": Readable("a folder of tables of images", _hub, GREYS, NAMED, parts=(8, 4)),
    "vectors by part": Readable(
        "a folder of tables of vectors", _hub_of_vectors, COUNTS, ABC, parts=(8, 4), **OF_FLOATS | {"dtype": "float64"}
    ),
    "a folder of x_train.npy": Readable("a folder of arrays", _named_arrays, GREYS, parts=(8, 4)),
    "KMNIST": Readable("a folder of arrays", _kmnist, GREYS, parts=(8, 4)),
    "an array each": Readable("a folder of arrays", _an_array_each, GREYS[BY_LABEL], tuple(map(str, LABELS[BY_LABEL]))),
    "tars": Readable("tars", _tars, GREYS),
    "images": Readable("a folder of images", _images, GREYS[BY_LABEL], tuple(map(str, LABELS[BY_LABEL]))),
    "deep images": Readable(
        "a folder of images", _deep, GREYS.astype(np.uint16) * 16, None, {"limits": "0:4095"}, white=4095.0, dtype="uint16"
    ),
    "a stack": Readable("a stack of images", _stack, GREYS, None),
    "h5ad, csr": Readable("single cells", _cells("csr"), COUNTS, BATCH, {"label_column": "batch"}, **OF_COUNTS),
    "h5ad, csc": Readable("single cells", _cells("csc"), COUNTS, None, **OF_COUNTS),
    "h5ad, dense": Readable("single cells", _cells("dense"), COUNTS, None, **OF_COUNTS),
    "h5ad, a layer": Readable("single cells", _cells("csr", True), COUNTS, None, **OF_COUNTS),
    "sparse, csr": Readable("a sparse matrix", _sparse("csr"), COUNTS, None, **OF_COUNTS),
    "sparse, coo": Readable("a sparse matrix", _sparse("coo"), COUNTS, None, **OF_FLOATS),
    "npz": Readable("a file of arrays", _npz, GREYS),
    "bits": Readable("a file of arrays", _npy((GREYS > 99).astype(np.uint8)), (GREYS > 99).astype(np.uint8), None, white=1.0),
    "truths": Readable("a file of arrays", _npy(GREYS > 99), GREYS > 99, None, white=1.0, dtype="bool"),
    "12 bits in 16": Readable(
        "a file of arrays",
        _npy(GREYS.astype(np.int16) * 16),
        GREYS.astype(np.int16) * 16,
        None,
        {"limits": "0:4095"},
        None,
        4095.0,
        "int16",
    ),
    "flat, of a shape": Readable("a file of arrays", _npy(GREYS.reshape(N, -1)), GREYS, None, {"shape": "1x4x5"}),
    "dark on white": Readable("a file of arrays", _npy(GREYS), GREYS, None, {"invert": True}),
    "MATLAB": Readable("a file of arrays", _matlab, COLOURS),
    "MATLAB, in parts": Readable("a file of arrays", _matlab_parts, GREYS, options={"shape": "1x4x5"}, parts=(8, 4)),
    "MATLAB 7.3": Readable("a file of arrays", _matlab_73, GREYS),
    "HDF5": Readable("a file of arrays", _hdf5(False), GREYS, parts=(8, 4)),
    "HDF5, a path": Readable("a file of arrays", _hdf5(True), GREYS),
    "safetensors": Readable("a file of arrays", _safetensors, GREYS),
    "Parquet": Readable("images of a table", _parquet, GREYS, NAMED),
    "Feather": Readable("vectors of a table", _feather, COUNTS, ABC, **OF_FLOATS | {"dtype": "float64"}),
    "Arrow": Readable("vectors of a table", _arrow, COUNTS, ABC, **OF_FLOATS | {"dtype": "float64"}),
    "JSON lines": Readable("vectors of a table", _jsonl, COUNTS, ABC, **OF_FLOATS | {"dtype": "float64"}),
    "CSV of pixels": Readable("images in a CSV", _csv(".csv", True), SQUARES, dtype="int64"),
    "CSV, gzipped": Readable("images in a CSV", _csv(".CSV.gz", True), SQUARES, dtype="int64"),
    "TSV with another label": Readable(
        "images in a CSV", _csv(".tsv", True, "digit"), SQUARES, options={"label_column": "digit", "shape": "4x4"}, dtype="int64"
    ),
    "CSV without names": Readable(
        "images in a CSV",
        _csv(".csv", False),
        SQUARES,
        options={"header": False, "label_column": "column 1", "shape": "4x4"},
        dtype="int64",
    ),
}
