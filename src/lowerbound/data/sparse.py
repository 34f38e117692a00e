"""Examples of which most values are 0, kept as their other values (compressed rows, CSR) and made dense batch by batch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lowerbound.data import numpy_files
from lowerbound.data.arrays import with_units
from lowerbound.data.dataset import Splits
from lowerbound.data.meaning import EXACT, PIXEL, Numbers, numbers
from lowerbound.data.reading import Reading
from lowerbound.data.sparse_rows import SparseRows
from lowerbound.errors import DataError, reason

#: what scipy.sparse.save_npz calls its arrays
OF_SCIPY = frozenset({"format", "shape", "data"})


def takes(path: Path) -> bool:
    """Whether it is a matrix saved by scipy.sparse."""
    return path.suffix.lower() == ".npz" and path.is_file() and set(numpy_files.names(path)) >= OF_SCIPY


def load(path: Path, how: Reading) -> Splits:
    """Its rows as vectors ``(N, D)``. Errors: DataError."""
    import scipy.sparse

    try:
        matrix = scipy.sparse.load_npz(path).tocsr()
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
    except MemoryError as error:
        raise DataError(f"{path} claims to be larger than the memory; it is damaged, or use fewer examples") from error
    except Exception as error:  # of a damaged file scipy raises any kind of exception
        raise DataError(f"{path} is not a sparse matrix of scipy's or is damaged: {error}") from error
    return of_matrix(path, matrix, how)


def of_matrix(path: Path, matrix: Any, how: Reading, labels: np.ndarray | None = None, notes: tuple[str, ...] = ()) -> Splits:
    """The rows of a matrix of scipy's as data. Errors: DataError for numbers that have no meaning, or a matrix of zeros."""
    return of_blocks(path, [matrix], how, labels, notes)


def of_blocks(path: Path, blocks: Iterable[Any], how: Reading, labels: np.ndarray | None = None, notes: tuple[str, ...] = ()) -> Splits:
    """The same of a matrix whose rows come in blocks, compressed rows of scipy's."""
    import scipy.sparse

    starts, columns, values, width = [np.zeros(1, np.int64)], [], [], 0
    for block in blocks:
        if len(block.shape) != 2 or 0 in block.shape:
            raise DataError(f"{path} has the shape {block.shape}; a matrix with a row for each example is needed")
        _must_be_sound(path, block)
        block.sum_duplicates()
        width = block.shape[1]
        starts.append(block.indptr[1:].astype(np.int64) + starts[-1][-1])
        columns.append(block.indices.astype(np.int32, copy=False))
        values.append(block.data)
    meant = meaning(path, np.concatenate(values), how)
    parts = (meant.values.numpy(), np.concatenate(columns), np.concatenate(starts))
    rows = SparseRows(scipy.sparse.csr_matrix(parts, shape=(len(parts[2]) - 1, width)))
    return Splits.of(with_units(path, rows, meant, labels), (*meant.notes, *notes))


def _must_be_sound(path: Path, matrix: Any) -> None:
    """Raise DataError for a matrix whose parts do not fit together."""
    try:
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}") from error


def meaning(path: Path, values: np.ndarray, how: Reading) -> Numbers:
    """What the values that are not 0 mean, as meaning.py has it; counts as bytes where they fit. Errors: DataError."""
    if not values.size:
        raise DataError(f"{path} holds nothing but zeros")
    if values.dtype.kind == "i" and values.min() < 0:
        raise DataError(f"{path}: negative whole numbers, which are no counts and no greys; save them as floats")
    if how.limits is not None and how.limits.low != 0:
        raise DataError(f"most values of {path} are 0, which must be black: give a range that begins at 0, not {how.limits}")
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise DataError(f"{path}: some values are NaN or infinite, or no numbers; remove or fill them in")
    if how.counts and values.dtype.kind == "f":
        high = float(values.max())
        if values.min() < 0 or (values != np.floor(values)).any():
            raise DataError(
                f"{path}: some values are negative or no whole numbers, and the likelihood is one of counts; give the counts themselves, "
                "such as FILE.h5ad:/layers/counts, or choose another likelihood"
            )
        if high <= EXACT:
            return Numbers(torch.from_numpy(values.astype(np.uint8 if high <= PIXEL else np.float32)), 1, stored=values.dtype.name)
    return numbers(path, values, how.limits, how.counts, how.unit, how.white)
