"""What people have in Python as data: arrays, tensors, frames, torch's data sets and loaders, any object of examples by number.

``dataset_of`` reads one into memory, once. ``examples_of`` is what a function does with its argument: it leaves as they are floats that a
model can take, and it knows one example from several.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import data as torch_data

from lowerbound.data import frames, sparse, tables
from lowerbound.data.array_likes import Array, array_of, floats, is_alone, is_floating
from lowerbound.data.arrays import labelled
from lowerbound.data.dataset import UNKNOWN, Dataset
from lowerbound.data.map_style import is_rows, loaded, must_have_rows, one_by_one, tensors_of
from lowerbound.data.meaning import PIXEL, WHITE, numbers
from lowerbound.data.reading import Reading
from lowerbound.data.rows import Rows
from lowerbound.data.schema import Schema
from lowerbound.errors import DataError

#: what can be given as data: whatever ``dataset_of`` takes, and ``Rows``
Source = Any
#: numbers from here on are no classes: a name for each is kept
CLASSES = 2**16
#: how messages name what has no file
NAME = "the data"


@dataclass(frozen=True)
class Examples:
    """Examples by row number; ``alone`` where it is one, which came without a batch axis."""

    rows: Rows
    alone: bool = False


def examples_of(
    source: Source,
    event: Callable[[], Sequence[int] | None] = lambda: None,
    counts: bool = False,
    kind: torch.dtype = torch.float32,
    schema: Schema | None = None,
) -> Examples:
    """Any source as rows for a model whose examples have the shape ``event()`` and whose weights are of the type ``kind``.

    Floats in an array or a tensor are brought to that type; they are not copied, and keep their gradient, where they have it already. An
    array is one example where it has no axis to count them or the shape of one; else where all of it, and not a row, has as many values. A
    frame is read by the ``schema`` of a model that has one.
    Errors: as for ``dataset_of``.
    """
    if isinstance(source, Dataset):
        return Examples(source)
    array = array_of(source)
    if array is not None:
        alone = is_alone(array.shape, event())
        array = array[None] if alone else array
        return Examples(floats(array).to(kind) if is_floating(array) else _meant(array, counts), alone)
    if schema is not None and frames.is_frame(source):
        whole = tables.of_frame(source, Reading(schema=schema)).whole
        assert whole is not None
        return Examples(whole)
    if not frames.is_frame(source) and is_rows(source, kind):
        return Examples(source)
    return Examples(dataset_of(source, counts))


def dataset_of(source: Source, counts: bool = False) -> Dataset:
    """A source in memory. An example keeps its shape; images of Pillow become ``(C, H, W)``.

    Arrays and tensors ``(N, *event)`` of any type: floats are what they are, truths are bits, and whole numbers mean what they mean in a
    file: zeros and ones are bits, bytes greys of 255, and with ``counts`` all are counts. Sparse matrices of scipy's, which stay sparse.
    Frames of pandas, polars or pyarrow: a value a column, its numbers as they are, NaN where a cell is empty. A ``TensorDataset``: the
    first tensor, and the second as labels. A ``Subset``, a list, and anything else of a length whose ``source[row]`` is an example or a
    pair of one and its label, such as the data sets of torchvision: it is read once, from the first example to the last, and what its
    transforms draw is drawn once. A ``DataLoader`` stands for the data set that it loads, or for the part of that its sampler picks: batch
    size and order are those of the function it is given to. Labels are class numbers from 0 on, −1 where not known; what else an example
    carries is left out.

    Errors: DataError, of one line, for all that this is not: data without a length, a loader that weighs or collates in its own way,
    examples of several shapes, whole numbers whose meaning is not known, and columns of text.

    >>> import numpy as np
    >>> import torch
    >>> import lowerbound as lb
    >>> bits = np.array([[0, 1, 1], [1, 0, 0]])
    >>> lb.data.dataset_of(bits)[:].tolist()
    [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    >>> pairs = [(torch.rand(1, 8, 8), 0), (torch.rand(1, 8, 8), 1)]  # examples and their labels
    >>> data = lb.data.dataset_of(pairs)
    >>> data.event_shape, data.labels.tolist()
    ((1, 8, 8), [0, 1])
    """
    if isinstance(source, Dataset):
        return source
    array = array_of(source)
    if array is not None:
        return _meant(array, counts)
    if frames.is_frame(source):
        return Dataset(frames.matrix(source))
    if hasattr(type(source), "tocsr"):
        matrix = sparse.of_matrix(Path(NAME), source.tocsr(copy=True), Reading(counts=counts)).whole
        assert matrix is not None
        return matrix
    if isinstance(source, torch_data.DataLoader):
        return dataset_of(loaded(source), counts)
    if isinstance(source, torch_data.Subset) and isinstance(source.dataset, Dataset):
        return source.dataset.view(torch.as_tensor(source.indices))
    values, labels = tensors_of(source) or one_by_one(must_have_rows(source))
    return _labelled(_meant(values, counts), labels)


def _meant(array: Array, counts: bool) -> Dataset:
    """``(N, *event)`` numbers as data. Errors: DataError."""
    if len(array.shape) < 2:
        raise DataError(f"data of the shape {tuple(array.shape)} are no examples; give (N, D): a number for each of D values in each row")
    if is_floating(array):
        return Dataset(floats(array).detach().cpu().float())
    values = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    if values.dtype.kind not in "biu":
        raise DataError(f"data of the type {values.dtype} are no numbers; give floats, whole numbers or truths")
    if not values.size:
        raise DataError(f"there are no values in data of the shape {tuple(values.shape)}; give some")
    found = numbers(NAME, np.ascontiguousarray(values), counts=counts)
    if found.notes and found.unit == PIXEL and values.dtype not in WHITE:  # of a type that does not say what is white
        tip = f"where {int(values.max())} is white, give x / {int(values.max())}"
        warnings.warn(f"whole numbers up to {int(values.max())} are read as greys of which {PIXEL} is white; {tip}", stacklevel=2)
    return labelled(Path(NAME), found, None)


def _labelled(data: Dataset, labels: Tensor | None) -> Dataset:
    """The same with labels, where they can be class numbers."""
    if labels is None or not len(labels) or not UNKNOWN <= int(labels.min()) <= int(labels.max()) < CLASSES:
        return data
    return replace(data, targets=labels, classes=tuple(str(number) for number in range(int(labels.max()) + 1)))
