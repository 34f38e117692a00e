"""What people have in Python as data: arrays, tensors, frames, torch's data sets and loaders, any object of examples by number.

``dataset_of`` reads one into memory, once. ``examples_of`` is what a function does with its argument: it leaves as they are floats that a
model can take, and it knows one example from several.
"""

from __future__ import annotations

import math
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
from lowerbound.data.dataset import UNKNOWN, Dataset, Splits
from lowerbound.data.meaning import PIXEL, WHITE, numbers
from lowerbound.data.reading import Reading
from lowerbound.data.rows import Rows
from lowerbound.data.schema import Schema
from lowerbound.errors import DataError

#: what can be given as data: whatever ``dataset_of`` takes, and ``Rows``
Source = Any
Array = Tensor | np.ndarray
#: numbers from here on are no classes: a name for each is kept
CLASSES = 2**16
#: modes of images whose pixels are the numbers of an array
MODES = ("1", "L", "RGB", "I;16")
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

    Floats in an array or a tensor are brought to that type; they are not copied, and keep their gradient, where they have it already.
    An array is one example where it has no axis to count them or the shape of one; else where all of it, and not a row, has as many values.
    A frame is read by the ``schema`` of a model that has one. Errors: as for ``dataset_of``.
    """
    if isinstance(source, Dataset):
        return Examples(source)
    array = _array(source)
    if array is not None:
        alone = _is_alone(array.shape, event())
        array = array[None] if alone else array
        return Examples(_floats(array).to(kind) if _is_floating(array) else _meant(array, counts), alone)
    if schema is not None and frames.is_frame(source):
        whole = tables.of_frame(source, Reading(schema=schema)).whole
        assert whole is not None
        return Examples(whole)
    if not frames.is_frame(source) and _is_rows(source):
        return Examples(source)
    return Examples(dataset_of(source, counts))


def dataset_of(source: Source, counts: bool = False) -> Dataset:
    """A source in memory. An example keeps its shape; images of Pillow become ``(C, H, W)``.

    Arrays and tensors ``(N, *event)`` of any type: floats are what they are, truths are bits, and whole numbers mean what they mean in a
    file: zeros and ones are bits, bytes greys of 255, and with ``counts`` all are counts. Sparse matrices of scipy's, which stay sparse.
    Frames of pandas, polars or pyarrow: a value
    a column, its numbers as they are, NaN where a cell is empty. A ``TensorDataset``: the first tensor, and the second as labels. A
    ``Subset``, a list, and anything else of a length whose ``source[row]`` is an example or a pair of one and its label, such as the data
    sets of torchvision: it is read once, from the first example to the last, and what its transforms draw is drawn once. A ``DataLoader``
    stands for the data set that it loads, or for the part of that its sampler picks: batch size and order are those of the function it is
    given to. Labels are class numbers from 0 on, −1 where not known; what else an example carries is left out.

    Errors: DataError, of one line, for all that this is not: data without a length, a loader that weighs or collates in its own way,
    examples of several shapes, whole numbers whose meaning is not known, and columns of text.
    """
    if isinstance(source, Dataset):
        return source
    array = _array(source)
    if array is not None:
        return _meant(array, counts)
    if frames.is_frame(source):
        return Dataset(frames.matrix(source))
    if hasattr(type(source), "tocsr"):
        matrix = sparse.of_matrix(Path(NAME), source.tocsr(copy=True), Reading(counts=counts)).whole
        assert matrix is not None
        return matrix
    if isinstance(source, torch_data.DataLoader):
        return dataset_of(_loaded(source), counts)
    if isinstance(source, torch_data.Subset) and isinstance(source.dataset, Dataset):
        return source.dataset.view(torch.as_tensor(source.indices))
    values, labels = _tensors(source) or _one_by_one(_must_have_rows(source))
    return _labelled(_meant(values, counts), labels)


# --- arrays ------------------------------------------------------------------------------------------


def _array(source: Source) -> Array | None:
    """The source as an array, where it is one: a tensor, what NumPy calls an array, an image, a list of numbers."""
    if isinstance(source, Tensor):
        if source.layout != torch.strided:
            raise DataError("a sparse tensor has no rows to draw; give tensor.to_dense()")
        return _with_axes(source)
    if isinstance(source, np.ma.MaskedArray):
        raise DataError("a masked array has values that are none; give array.filled(numpy.nan)")
    if isinstance(source, list) and source and isinstance(source[0], int | float | np.number):
        return np.asarray(source)
    if _is_image(source):
        return _pixels(source)
    held = hasattr(source, "__array__") and not frames.may_be(source)
    return _with_axes(np.asarray(source)) if held else None


def _with_axes(array: Array) -> Array:
    if not array.shape:
        raise DataError("one number is no example; give an array of its values")
    return array


def _is_alone(shape: Sequence[int], event: Sequence[int] | None) -> bool:
    """Whether that is the shape of one example and not of several: by the shape, then by the number of values."""
    if len(shape) < 2:
        return True  # there is no axis to count examples
    if event is None or tuple(shape[1:]) == tuple(event):
        return False
    size = math.prod(event)
    return tuple(shape) == tuple(event) or math.prod(shape) == size != math.prod(shape[1:])


def _is_floating(array: Array) -> bool:
    return array.is_floating_point() if isinstance(array, Tensor) else array.dtype.kind == "f"


def _floats(array: Array) -> Tensor:
    """Floats as a tensor, which shares the array's memory where it can."""
    if isinstance(array, Tensor):
        return array
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    if native.dtype not in (np.float16, np.float32, np.float64):
        native = native.astype(np.float64)
    return torch.from_numpy(native if native.flags.writeable else native.copy())


def _meant(array: Array, counts: bool) -> Dataset:
    """``(N, *event)`` numbers as data. Errors: DataError."""
    if len(array.shape) < 2:
        raise DataError(f"data of the shape {tuple(array.shape)} are no examples; give (N, D): a number for each of D values in each row")
    if _is_floating(array):
        return Dataset(_floats(array).detach().cpu().float())
    values = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    if values.dtype.kind not in "biu":
        raise DataError(f"data of the type {values.dtype} are no numbers; give floats, whole numbers or truths")
    if not values.size:
        raise DataError(f"there are no values in data of the shape {tuple(values.shape)}; give some")
    found = numbers(NAME, np.ascontiguousarray(values), counts=counts)
    if found.notes and found.unit == PIXEL and values.dtype not in WHITE:  # of a type that does not say what is white
        tip = f"where {int(values.max())} is white, give x / {int(values.max())}"
        warnings.warn(f"whole numbers up to {int(values.max())} are read as greys of which {PIXEL} is white; {tip}", stacklevel=2)
    return Dataset(found.values, unit=found.unit, white=found.white)


# --- examples and their labels -----------------------------------------------------------------------


def _tensors(source: Source) -> tuple[Array, Tensor | None] | None:
    """Values and labels of a ``TensorDataset``, or of a ``Subset`` of one; None for all else."""
    rows: Any = slice(None)
    if isinstance(source, torch_data.Subset):
        source, rows = source.dataset, torch.as_tensor(source.indices)
    if not isinstance(source, torch_data.TensorDataset):
        return None
    values, *more = (tensor[rows] for tensor in source.tensors)
    label = more[0] if more and more[0].dim() == 1 and not (more[0].is_floating_point() or more[0].is_complex()) else None
    return values, None if label is None else label.long().cpu()


def _one_by_one(source: Source) -> tuple[Array, Tensor | None]:
    """Values and labels of examples by number, read one after the other into one array. Errors: DataError where shapes differ."""
    values = np.empty(0)
    labels: list[int | None] = []
    for row in range(len(source)):
        example, label = _split(source[row])
        value = _plain(example, row)
        if row == 0:
            values = np.empty((len(source), *value.shape), value.dtype)
        if value.shape != values.shape[1:] or value.dtype != values.dtype:
            kinds = f"{value.dtype} {value.shape}, the first {values.dtype} {values.shape[1:]}"
            raise DataError(f"example {row} is {kinds}; give all the same shape and type, by a transform of the data set")
        values[row] = value
        labels.append(label)
    if not labels:
        raise DataError("there are no examples in this data set; give some")
    known = any(label is not None for label in labels)
    return values, torch.tensor([UNKNOWN if label is None else label for label in labels]) if known else None


def _split(example: Any) -> tuple[Any, int | None]:
    """An example's values, and its label where it has one: what comes second, if it is a whole number."""
    if not isinstance(example, tuple | list) or not example or isinstance(example[0], int | float | np.number):
        return example, None
    label = example[1] if len(example) > 1 else None
    if isinstance(label, Tensor | np.ndarray) and label.ndim == 0:
        label = label.item()
    return example[0], int(label) if isinstance(label, int | np.integer) else None


def _plain(example: Any, row: int) -> np.ndarray:
    """An example's values as an array. Errors: DataError for what has no numbers."""
    found = _array(example)
    if found is None:
        keys = f" with {', '.join(map(str, example))}" if isinstance(example, dict) else ""
        raise DataError(
            f"example {row} is a {type(example).__name__}{keys}; give a data set of arrays, or of pairs of an array and a label"
        )
    if isinstance(found, Tensor):
        found = found.detach().cpu()
        found = found.float() if found.dtype == torch.bfloat16 else found
        return found.numpy()
    return found


def _labelled(data: Dataset, labels: Tensor | None) -> Dataset:
    """The same with labels, where they can be class numbers."""
    if labels is None or not len(labels) or not UNKNOWN <= int(labels.min()) <= int(labels.max()) < CLASSES:
        return data
    return replace(data, targets=labels, classes=tuple(str(number) for number in range(int(labels.max()) + 1)))


def _is_image(source: Source) -> bool:
    """Whether it is an image of Pillow, which is not imported to find out."""
    return hasattr(source, "getbands") and hasattr(source, "mode")


def _pixels(image: Any) -> np.ndarray:
    """``(C, H, W)`` of an image. Errors: DataError for one whose numbers are no pixels."""
    if image.mode not in MODES:
        raise DataError(f"an image of the mode {image.mode} has no plain pixels; convert it, image.convert('L') or image.convert('RGB')")
    pixels = np.array(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


# --- what has rows -----------------------------------------------------------------------------------


def _is_rows(source: Source) -> bool:
    """Whether it gives floats by row numbers, as a ``Dataset`` does, so that it need not be read."""
    if isinstance(source, torch_data.Dataset | torch_data.DataLoader | list | tuple) or not isinstance(source, Rows):
        return False
    try:
        first = source[torch.tensor([0])]
    except Exception:  # of whatever kind: it wants something else
        return False
    return isinstance(first, Tensor) and first.is_floating_point() and first.dim() > 1 and len(first) == 1


def _loaded(loader: torch_data.DataLoader[Any]) -> Source:
    """The data set that a loader stands for. Errors: DataError where it does more than to load it."""
    own = torch_data.default_collate, torch_data.default_convert
    if loader.collate_fn not in own:
        raise DataError("this DataLoader has a collate_fn of its own; do in the data set's __getitem__ what it does, and give the data set")
    if isinstance(loader.dataset, torch_data.IterableDataset):
        return loader.dataset
    sampler: Any = loader.sampler
    if type(loader.batch_sampler) not in (torch_data.BatchSampler, type(None)):
        sampler = loader.batch_sampler
    if type(sampler) is torch_data.SubsetRandomSampler:
        return torch_data.Subset(loader.dataset, list(sampler.indices))
    plain = type(sampler) is torch_data.RandomSampler and not sampler.replacement and sampler.num_samples == len(sampler.data_source)
    if type(sampler) is torch_data.SequentialSampler or plain:
        return loader.dataset
    raise DataError(f"this DataLoader draws by a {type(sampler).__name__}, and here each example comes once an epoch; give its data set")


def _must_have_rows(source: Source) -> Source:
    """The source, where its examples can be had by number. Errors: DataError, with what to do."""
    if isinstance(source, str | bytes) or hasattr(source, "__fspath__"):
        raise DataError(f"'{source}' is a name; read it first, lb.data.load('{source}').train")
    if isinstance(source, Splits):
        raise DataError("these are the parts of a source of data; give one of them: .train or .test")
    if isinstance(source, tuple):
        raise DataError("a tuple is no data set; give values and labels as torch.utils.data.TensorDataset(values, labels)")
    if isinstance(source, dict) or not hasattr(source, "__getitem__") or not hasattr(source, "__len__"):
        has = "names, not numbers, for its examples" if isinstance(source, dict) else "no length and no examples by number"
        raise DataError(f"data of the type {type(source).__name__} have {has}; give a list of examples, or torch.stack of one")
    return source
