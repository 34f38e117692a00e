"""The matrix of an ``.h5ad`` as it is: compressed rows, or a plain array, of which some rows are read at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lowerbound.data import arrays, single_cell, sparse
from lowerbound.data.dataset import Dataset, Splits
from lowerbound.data.reading import Reading
from lowerbound.data.schema import Schema
from lowerbound.data.single_cell import Cells
from lowerbound.data.sparse_rows import SparseRows
from lowerbound.data.streams.sources import Source, Stretch, lengths

#: bytes of the values of a stretch, zeros too, at most; or of as many rows as one of the file's own pieces has
BLOCK, MOST = 2**19, 2**23
ROWS = "csr_matrix"  # how a matrix in compressed rows says what it is


class Expression(Source[Any]):
    """The rows of a matrix; raw they are SciPy's compressed rows, or an array."""

    def __init__(self, path: Path, how: Reading, held: Any, cells: Cells) -> None:
        self.cells, node = cells, held[cells.place]
        self.of_rows = single_cell.is_sparse(node)
        n, genes = map(int, node.attrs["shape"] if self.of_rows else node.shape)
        self.genes, kept = genes, 4 * (genes if cells.order is None else len(cells.order))
        stored = len(node["data"]) if self.of_rows else n * genes
        most = BLOCK // max(1, kept)
        if self.of_rows and node["data"].chunks:
            most = max(most, min(MOST // max(1, kept), node["data"].chunks[0] * n // max(1, stored)))
        stretches = [Stretch("train", path, start, rows) for start, rows in lengths(n, most, n)]
        whole = 8 * stored if self.of_rows else n * kept  # of compressed rows each value and its column
        super().__init__(path, how, stretches, kept, cells.notes, whole)

    def raw(self, stretch: Stretch) -> Any:
        """The rows of a stretch. Errors: DataError."""
        import scipy.sparse

        start, stop = stretch.start, stretch.start + stretch.rows
        with single_cell.opened(self.path) as held:
            node = held[self.cells.place]
            if not self.of_rows:
                return self.cells.taken(np.asarray(node[start:stop]))
            ends = node["indptr"][start : stop + 1].astype(np.int64)
            some = slice(int(ends[0]), int(ends[-1]))
            parts = (node["data"][some], node["indices"][some], ends - ends[0])
            return self.cells.taken(scipy.sparse.csr_matrix(parts, shape=(stretch.rows, self.genes)))

    def some(self, raw: Any, rows: np.ndarray) -> Any:
        """Some rows of these."""
        return raw[rows]

    def joined(self, several: Sequence[Any]) -> Any:
        """One matrix."""
        import scipy.sparse

        return scipy.sparse.vstack(several, "csr") if self.of_rows else np.concatenate(several)

    def meant(self, name: Path, raw: Any, how: Reading) -> Splits:
        """Rows as data, compressed ones kept so. Errors: DataError."""
        if not self.of_rows:
            found = arrays.splits_of(name, raw, how)
        elif raw.nnz or how.unit is None:
            found = sparse.of_matrix(name, raw, how)
        else:  # cells of which nothing was seen, among others that say what a number means
            found = Splits.of(Dataset(SparseRows(raw.astype(np.uint8)), unit=how.unit))
        assert found.whole is not None
        return Splits.of(replace(found.whole, variables=how.variables or self.cells.genes), found.notes)

    def labelled(self, rows: Dataset, schema: Schema | None) -> Dataset:
        """All rows, with the column of ``obs`` that are their labels."""
        return rows if self.cells.labels is None else arrays.labelled_as(self.path, rows, self.cells.labels)


def of_file(path: Path, how: Reading) -> Expression | None:
    """A matrix of a file; None for one in compressed columns, which is read whole. Errors: DataError."""
    with single_cell.opened(path) as held:
        cells = single_cell.described(path, held, how)
        node = held[cells.place]
        plain = not single_cell.is_sparse(node) and getattr(node, "ndim", 0) > 1
        return Expression(path, how, held, cells) if plain or node.attrs.get("encoding-type") == ROWS else None
