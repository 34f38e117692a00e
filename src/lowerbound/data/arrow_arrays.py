"""Images and vectors in a Parquet file, as Hugging Face's data sets have them: ``image: {bytes, path}``, lists of numbers, and labels."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lowerbound.data import arrays, arrow_files, images, label_columns
from lowerbound.data.dataset import UNKNOWN, Dataset, Splits
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError

LABELS = ("label", "labels", "fine_label", "target", "y")
METADATA = b"huggingface"


def has_images(schema: Any) -> bool:
    """Whether a table of these columns has one of images."""
    return schema is not None and any(_is_image(field.type) for field in schema)


def has_vectors(schema: Any, label: str | None = None) -> bool:
    """Whether it has lists of numbers, and beside them but labels, text that tells rows apart, and an index; else it is a table."""
    if schema is None or has_images(schema):
        return False
    others = [field for field in schema if not _is_list(field.type) and field.name not in (*LABELS, label)]
    return any(_is_list(field.type) for field in schema) and all(_is_name(field) for field in others)


def takes_images(path: Path, how: Reading) -> bool:
    """Whether it is a file of pyarrow's with a column of images."""
    return not how.of_table and arrow_files.is_arrow(path) and has_images(arrow_files.schema(path))


def takes_vectors(path: Path, how: Reading) -> bool:
    """Whether it is a file of pyarrow's whose rows are lists of numbers."""
    return not how.of_table and arrow_files.is_arrow(path) and has_vectors(arrow_files.schema(path), how.label_column)


def load(path: Path, how: Reading) -> Splits:
    """The images or vectors of the one such column of a file. Errors: DataError."""
    return of_table(path, arrow_files.table(path), how)


def of_table(path: Path, table: Any, how: Reading) -> Splits:
    """The images or vectors of its one such column, with labels by the names that the file gives its classes; notes say what else it holds.

    Errors: DataError for several such columns, images of several sizes, lists of several lengths.
    """
    which = chosen(path, table.schema, how)
    found = _values(path, which.values, table[which.values], how)
    notes = (*found.notes, *which.notes)
    whole = found.whole
    assert whole is not None
    return Splits.of(whole if which.label is None else labelled(path, whole, table, which.label), notes)


@dataclass(frozen=True)
class Chosen:
    """The column of images or lists, that of the labels where there is one, and a note on those that are not read."""

    values: str
    label: str | None
    notes: tuple[str, ...]


def chosen(path: Path, schema: Any, how: Reading) -> Chosen:
    """Which columns of a table are read. Errors: DataError for several of images or lists."""
    values = [field.name for field in schema if _is_image(field.type) or _is_list(field.type)]
    if len(values) > 1:
        raise DataError(f"{path} has several columns of images or lists: {', '.join(values)}; leave one of them")
    (name,) = values
    others = [column for column in schema.names if column != name]
    label = _label(path, others, how)
    left = [other for other in others if other != label]
    return Chosen(name, label, (f"{path}: not read: {', '.join(left)}",) if left else ())


def _label(path: Path, others: Sequence[str], how: Reading) -> str | None:
    """The column of labels: the one that was asked for, or one that is called as labels are."""
    wanted = how.label_column
    if wanted is not None and (wanted in others or not how.of_run):
        label_columns.chosen(path, dict.fromkeys(others), wanted)
        return wanted
    return next((column for column in LABELS if column in others), None)


def _values(path: Path, name: str, column: Any, how: Reading) -> Splits:
    if _is_image(column.type):
        files = [(Path(f"row {row + 1}"), one) for row, one in enumerate(column.to_pylist())]
        return images.decoded(path, [(where, _opened(one)) for where, one in files], how)
    return arrays.splits_of(path, _stacked(path, name, column), how)


def _is_image(kind: Any) -> bool:
    from pyarrow import types

    fields = [kind.field(number) for number in range(kind.num_fields)] if types.is_struct(kind) else []
    return any(field.name == "bytes" and (types.is_binary(field.type) or types.is_large_binary(field.type)) for field in fields)


def _is_name(field: Any) -> bool:
    """Whether a column is text, or the index that pandas writes: it tells rows apart, and is nothing to learn."""
    from pyarrow import types

    return types.is_string(field.type) or types.is_large_string(field.type) or field.name.startswith("__index_level_")


def _is_list(kind: Any) -> bool:
    """Whether cells are lists of numbers, or lists of such lists, as those of matrices are."""
    return _number(kind) is not None


def _number(kind: Any) -> Any:
    """The type of the numbers in lists; None where there are others in them."""
    import pyarrow
    from pyarrow import types

    if isinstance(kind, pyarrow.BaseExtensionType):
        kind = kind.storage_type
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return None
    inner = kind.value_type
    return inner if types.is_integer(inner) or types.is_floating(inner) else _number(inner)


def _opened(one: dict[str, Any] | None) -> io.BytesIO:
    return io.BytesIO(b"" if one is None else one["bytes"] or b"")


def _stacked(path: Path, name: str, column: Any) -> np.ndarray:
    """All cells of a column as one array. Errors: DataError where they have several shapes, or empty cells."""
    import pyarrow

    shape = getattr(column.type, "shape", None)  # of a tensor of one, which is kept flat
    try:
        found = np.concatenate([_of_lists(chunk) for chunk in column.chunks if len(chunk)])
        return found if shape is None else found.reshape(len(found), *shape)
    except (TypeError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(
            f"{path}: the lists of column '{name}' are of several lengths, or some are empty; give those of one shape"
        ) from error


def _of_lists(cells: Any) -> np.ndarray:
    """The numbers in lists, or in lists of lists, ``(N, length, …)``. Errors: ValueError for several lengths, or none."""
    import pyarrow
    from pyarrow import compute, types

    shape, kind = [len(cells)], _number(cells.type)
    cells = cells.storage if isinstance(cells, pyarrow.ExtensionArray) else cells
    while cells.type != kind:
        length = compute.unique(compute.list_value_length(cells)).to_pylist()
        if len(length) != 1 or not length[0]:
            raise ValueError("lengths")
        shape, cells = [*shape, *length], cells.flatten()
    if cells.null_count and not types.is_floating(kind):
        raise ValueError("empty cells")
    return np.asarray(cells.to_numpy(zero_copy_only=False)).reshape(shape)


def class_names(table: Any, label: str | None) -> list[str] | None:
    """The names of the classes in the file's own description, where it has one."""
    try:
        features = json.loads((table.schema.metadata or {})[METADATA])["info"]["features"]
        return [str(name) for name in features[label]["names"]]
    except (KeyError, ValueError, TypeError):
        return None


def labelled(path: Path, whole: Dataset, table: Any, label: str) -> Dataset:
    """Data with the labels of a column of a table. Errors: DataError."""
    labels, names = table[label].to_pylist(), class_names(table, label)
    if any(type(one) not in (int, float, str, bool, type(None)) for one in labels):
        raise DataError(f"{path}: its labels are no numbers or names; rename that column")
    if names is None:
        return arrays.labelled_as(path, whole, arrays.numbers_of(labels))
    known: dict[Any, int] = {
        **{name: number for number, name in enumerate(names)},
        **{number: number for number in range(-1, len(names))},
        None: UNKNOWN,
    }
    if not all(type(one) in (int, str, type(None)) and one in known for one in labels):
        raise DataError(f"{path}: its labels are not the numbers or names of its {len(names)} classes")
    return replace(whole, targets=torch.tensor([known[one] for one in labels]), classes=tuple(names))
