"""``.h5ad``, the files of anndata: a matrix of cells × genes, what is known of each cell (``obs``), and embeddings (``obsm``).

A sparse matrix is read in blocks and stays sparse. Source: Virshup et al., "anndata: access and store annotated data matrices", 2024,
https://doi.org/10.21105/joss.04371.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lowerbound.data import archives, arrays, label_columns, sparse
from lowerbound.data.arrays import LABELS, numbers_of
from lowerbound.data.dataset import Splits
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


@dataclass(frozen=True)
class Cells:
    """What is known of the cells of a file beside their values: the ``place`` of these, the names of the columns, and their labels.

    ``order`` are the columns that are taken, None for all as they are.
    """

    place: str
    genes: tuple[str, ...]
    order: list[int] | None
    labels: np.ndarray | None
    notes: tuple[str, ...]

    def taken(self, values: Any) -> Any:
        """The columns of some rows that are taken."""
        return values if self.order is None else values[:, self.order]


def load(path: Path, how: Reading) -> Splits:
    """The cells of a matrix, with a column of ``obs`` as their labels; a note names the columns there are. Errors: DataError."""
    with opened(path) as held:
        cells = described(path, held, how)
        node = held[cells.place]
        if is_sparse(node):
            found = _sparse(path, node, how, cells)
        else:
            anndata, _ = _libraries(path)
            found = arrays.splits_of(path, cells.taken(np.asarray(anndata.io.read_elem(node))), how, cells.labels)
        assert found.whole is not None
        return Splits.of(replace(found.whole, variables=how.variables or cells.genes), (*found.notes, *cells.notes))


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file, by h5py. Errors: DataError for what goes wrong while it is open."""
    _, h5py = _libraries(path)
    file, _ = archives.split(path)
    try:
        with h5py.File(file, "r") as held:
            yield held
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"{path} claims to be larger than the memory; it is damaged, or use fewer examples") from error
    except Exception as error:  # damaged files make the libraries raise any kind of exception
        raise DataError(f"{path} is not a file of anndata or is damaged: {' '.join(str(error).split())[:100]}") from error


def described(path: Path, held: Any, how: Reading) -> Cells:
    """What is known of the cells of a file that is open. Errors: DataError."""
    anndata, _ = _libraries(path)
    file, inside = archives.split(path)
    place = (inside or MATRIX).strip("/")
    if place not in _matrices(held):
        raise DataError(f"{file} has no {place}; there are {', '.join(_matrices(held))}")
    obs = anndata.io.read_elem(held["obs"])
    if not len(obs):
        raise DataError(f"{file} has no cells")
    labels, notes = _labels(path, {str(name): _plain(obs[name]) for name in obs.columns}, how)
    genes = _genes(anndata, held, place)
    order, more = _order(path, genes, how.variables)
    return Cells(place, genes, order, labels, (*notes, *more))


def is_sparse(node: Any) -> bool:
    """Whether a matrix is kept as its values that are not 0."""
    return str(node.attrs.get("encoding-type", "")).endswith("_matrix")


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


def _genes(anndata: Any, held: Any, place: str) -> tuple[str, ...]:
    """The names of the columns of a matrix; none of an embedding."""
    if place.startswith("obsm/"):
        return ()
    return tuple(map(str, anndata.io.read_elem(held["raw/var" if place.startswith("raw/") else "var"]).index))


def _order(path: Path, genes: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[list[int] | None, tuple[str, ...]]:
    """The places of a run's genes in a file, None where they are as there, and a note. Errors: DataError where some are not there."""
    if not wanted or not genes or genes == wanted:
        return None, ()
    place = {name: number for number, name in enumerate(genes)}
    missing = [name for name in wanted if name not in place]
    if missing:
        raise DataError(f"{path} has not all genes of this run's data: {len(missing):,} are missing, {missing[0]} among them")
    return [place[name] for name in wanted], (f"{path}: genes are taken by name, in the order of the run's data",)


def _labels(path: Path, known: dict[str, np.ndarray], how: Reading) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """The column of cells that was asked for, or is called as labels are; and a note on the others."""
    if how.label_column is not None and (how.label_column in known or not how.of_run):
        return label_columns.chosen(path, known, how.label_column), ()
    usual = next((name for name in LABELS if name in known), None)
    return (known[usual], ()) if usual is not None else (None, () if how.of_run else label_columns.note(path, known))


def _plain(column: Any) -> np.ndarray:
    """A column of a frame as labels, what is missing unknown."""
    return numbers_of([None if missing else value for value, missing in zip(column, column.isna(), strict=True)])


def _sparse(path: Path, held: Any, how: Reading, cells: Cells) -> Splits:
    """Compressed rows read in blocks, so that the whole is never there twice; compressed columns are turned at once."""
    anndata, _ = _libraries(path)
    node = anndata.io.sparse_dataset(held)
    if node.format != "csr":
        return sparse.of_matrix(path, cells.taken(node.to_memory().tocsr()), how, cells.labels)
    blocks = (node[first : first + BLOCK] for first in range(0, node.shape[0], BLOCK))
    return sparse.of_blocks(path, map(cells.taken, blocks), how, cells.labels)
