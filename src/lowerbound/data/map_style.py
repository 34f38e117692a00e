"""Examples by number: torch's data sets and loaders, lists, and any object that has a length and gives an example for a row number."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import data as torch_data

from lowerbound.data.array_likes import Array, array_of
from lowerbound.data.dataset import UNKNOWN, Splits
from lowerbound.data.rows import Rows
from lowerbound.errors import DataError


def tensors_of(source: Any) -> tuple[Array, Tensor | None] | None:
    """Values and labels of a ``TensorDataset``, or of a ``Subset`` of one; None for all else."""
    rows: Any = slice(None)
    if isinstance(source, torch_data.Subset):
        source, rows = source.dataset, torch.as_tensor(source.indices)
    if not isinstance(source, torch_data.TensorDataset):
        return None
    values, *more = (tensor[rows] for tensor in source.tensors)
    label = more[0] if more and more[0].dim() == 1 and not (more[0].is_floating_point() or more[0].is_complex()) else None
    return values, None if label is None else label.long().cpu()


def one_by_one(source: Any) -> tuple[Array, Tensor | None]:
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
    found = array_of(example)
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


def is_rows(source: Any, kind: torch.dtype) -> bool:
    """Whether it gives floats of this type by row numbers, as a ``Dataset`` does, so that it need not be read."""
    if isinstance(source, torch_data.Dataset | torch_data.DataLoader | list | tuple) or not isinstance(source, Rows):
        return False
    try:
        first = source[torch.tensor([0])]
    except Exception:  # of whatever kind: it wants something else
        return False
    return isinstance(first, Tensor) and first.dtype == kind and first.dim() > 1 and len(first) == 1


def loaded(loader: torch_data.DataLoader[Any]) -> Any:
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


def must_have_rows(source: Any) -> Any:
    """The source, where its examples can be had by number. Errors: DataError, with what to do."""
    if isinstance(source, str | bytes) or hasattr(source, "__fspath__"):
        raise DataError(f"'{source}' is a name; read it first, lb.data.load('{source}').train")
    if isinstance(source, Splits):
        raise DataError("these are the parts of a source of data; give one of them: .train or .test")
    if isinstance(source, tuple):
        raise DataError("a tuple is no data set; give values and labels as torch.utils.data.TensorDataset(values, labels)")
    if isinstance(source, dict) or not hasattr(source, "__getitem__") or not hasattr(source, "__len__"):
        kind = type(source).__name__
        if hasattr(source, "__iter__") and not isinstance(source, dict):
            how = "write them once, lb.data.shard(it, 'shards'), and give lb.data.load('shards').train"
            raise DataError(f"data of the type {kind} give examples in turn alone; {how}")
        has = "names, not numbers, for its examples" if isinstance(source, dict) else "no length and no examples by number"
        raise DataError(f"data of the type {kind} have {has}; give a list of examples, or torch.stack of one")
    return source
