"""``.h5ad``, the files of anndata: a matrix of cells × genes, what is known of each cell (``obs``), and embeddings (``obsm``).

A sparse matrix is read in blocks and stays sparse. Source: Virshup et al., "anndata: access and store annotated data matrices", 2024,
https://doi.org/10.21105/joss.04371.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from lowerbound.data import archives, arrays, label_columns, sparse
from lowerbound.data.arrays import LABELS
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError

SUFFIX = ".h5ad"
MATRIX = "X"  # where the values are, unless the source says, as FILE.h5ad:/layers/counts
LATENTS = "X_lowerbound"  # the name in obsm of what encode writes
BLOCK = 4096  # cells that are read at once


def takes(path: Path) -> bool:
    """Whether it is such a file, or a matrix in one."""
    file, _ = archives.split(path)
    return file.suffix.lower() == SUFFIX and file.is_file()


def load(path: Path, how: Reading) -> Splits:
    """The cells of a matrix, with a column of ``obs`` as their labels; a note names the columns there are. Errors: DataError."""
    anndata, h5py = _libraries(path)
    file, inside = archives.split(path)
    try:
        with h5py.File(file, "r") as held:
            place = (inside or MATRIX).strip("/")
            if place not in held:
                raise DataError(f"{file} has no {place}; there are {', '.join(_matrices(held))}")
            node, obs = held[place], anndata.io.read_elem(held["obs"])
            known = {str(name): _plain(obs[name]) for name in obs.columns}
            labels, notes = _labels(path, known, how)
            if str(node.attrs.get("encoding-type", "")).endswith("_matrix"):
                return _sparse(path, anndata.io.sparse_dataset(node), how, labels, notes)
            found = arrays.splits_of(path, np.asarray(anndata.io.read_elem(node)), how, labels)
            return Splits.of(_whole(found), (*found.notes, *notes))
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{path} claims to be larger than the memory; it is damaged, or use fewer examples") from error
    except Exception as error:  # damaged files make the libraries raise any kind of exception
        raise DataError(f"{path} is not a file of anndata or is damaged: {' '.join(str(error).split())[:100]}") from error


def with_latents(source: Path, latents: np.ndarray) -> bytes:
    """The file again, with the latents of its cells in ``obsm``. Errors: DataError for another number of cells."""
    anndata, h5py = _libraries(source)
    file, _ = archives.split(source)
    content = io.BytesIO(file.read_bytes())
    with h5py.File(content, "r+") as held:
        cells = len(anndata.io.read_elem(held["obs"]))
        if cells != len(latents):
            raise DataError(f"{file} has {cells:,} cells, and {len(latents):,} were encoded; encode all, with --split all")
        anndata.io.write_elem(held.require_group("obsm"), LATENTS, latents)
    return content.getvalue()


def _libraries(path: Path) -> tuple[Any, Any]:
    try:
        import anndata
        import anndata.io
        import h5py
    except ImportError as error:
        raise DataError(f"{path} needs anndata, which is not installed: pip install 'lowerbound[anndata]'") from error
    return anndata, h5py


def _matrices(held: Any) -> list[str]:
    return [
        *(name for name in (MATRIX, "raw/X") if name in held),
        *(f"{group}/{name}" for group in ("layers", "obsm") for name in held.get(group, ())),
    ]


def _whole(found: Splits) -> Dataset:
    assert found.whole is not None
    return found.whole


def _labels(path: Path, known: dict[str, np.ndarray], how: Reading) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The column of cells that was asked for, or is called as labels are; and a note on the others."""
    if how.label_column is not None:
        return label_columns.chosen(path, known, how.label_column), ()
    usual = next((name for name in LABELS if name in known), None)
    return (known[usual], ()) if usual is not None else (None, label_columns.note(path, known))


def _plain(column: Any) -> np.ndarray:
    """A column of a frame as numbers or text, what is missing as an empty label."""
    if column.dtype.kind in "iub":
        return column.to_numpy()
    return np.array(["" if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)])


def _sparse(path: Path, node: Any, how: Reading, labels: np.ndarray | None, notes: tuple[str, ...]) -> Splits:
    """Compressed rows read in blocks, so that the whole is never there twice; compressed columns are turned at once."""
    if node.format != "csr":
        return sparse.of_matrix(path, node.to_memory().tocsr(), how, labels, notes)
    blocks = (node[first : first + BLOCK] for first in range(0, node.shape[0], BLOCK))
    return sparse.of_blocks(path, blocks, how, labels, notes)
