"""A folder of tables of images or vectors: as ``datasets`` saves them to disk, or Parquet files by part as Hugging Face's hub has them.

Source: Lhoest et al., "Datasets: a community library for natural language processing", 2021, https://arxiv.org/abs/2109.02846.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch

from lowerbound.data import arrow_arrays, arrow_files
from lowerbound.data.dataset import Splits
from lowerbound.data.folders import PARTS
from lowerbound.data.reading import Reading
from lowerbound.errors import DataError

STATE, PARTED = "state.json", "dataset_dict.json"
#: train-00000-of-00002.parquet, or train.parquet, there or in a folder called data
SHARD = re.compile(r"([a-z]+)(-\d+-of-\d+.*)?\.parquet", re.IGNORECASE)


def takes(path: Path) -> bool:
    """Whether it is a folder of one of the two kinds."""
    return path.is_dir() and ((path / STATE).is_file() or (path / PARTED).is_file() or bool(_shards(path)))


def load(path: Path, how: Reading) -> Splits:
    """The images or vectors of all its tables, in the parts that their names say. Errors: DataError."""
    import pyarrow

    files = _files(path)
    tables = {part: [arrow_files.table(file) for file in several] for part, several in files.items()}
    try:
        whole = pyarrow.concat_tables([table for several in tables.values() for table in several])
    except pyarrow.ArrowException as error:
        raise DataError(f"the tables in {path} have several kinds of columns; give one of them: {error}") from error
    if not arrow_arrays.has_arrays(whole.schema):
        raise DataError(f"the tables in {path} have neither images nor lists of numbers; give one of its files, as a table")
    found = arrow_arrays.of_table(path, whole, how)
    if len(files) == 1:
        return found
    assert found.whole is not None
    sizes = [sum(len(table) for table in several) for several in tables.values()]
    return Splits.of_parts(found.whole, dict(zip(files, torch.arange(sum(sizes)).split(sizes), strict=True)), found.notes)


def _files(path: Path) -> dict[str, list[Path]]:
    """The files of each part, of all as the first where there are no parts."""
    if (path / STATE).is_file():
        return {"train": _saved(path)}
    if (path / PARTED).is_file():
        names = _json(path / PARTED).get("splits", [])
        found = {PARTS[name]: _saved(path / name) for name in names if isinstance(name, str) and name in PARTS}
    else:
        shards = _shards(path)
        by_part = {part: [file for file in shards if _part(file) == part] for part in dict.fromkeys(map(_part, shards))}
        found = {part: several for part, several in by_part.items() if part is not None}
        found = found if None not in by_part else {"train": shards}
    if "train" not in found:
        raise DataError(f"{path} has no part called train; give one of its files")
    return found


def _saved(folder: Path) -> list[Path]:
    names = [one.get("filename") for one in _json(folder / STATE).get("_data_files", []) if isinstance(one, dict)]
    if not names or not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise DataError(f"{folder / STATE} names no files of the data; save them again with save_to_disk")
    return [folder / str(name) for name in names]


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path} says nothing of the data; save them again with save_to_disk")
    return found


def _shards(path: Path) -> list[Path]:
    folder = path / "data" if (path / "data").is_dir() else path
    return sorted(file for file in folder.iterdir() if SHARD.fullmatch(file.name) is not None and file.is_file())


def _part(file: Path) -> str | None:
    found = SHARD.fullmatch(file.name)
    return None if found is None else PARTS.get(found[1].lower())
