"""A folder of tables of images or vectors: as ``datasets`` saves them to disk, or Parquet files by part as Hugging Face's hub has them.

Source: Lhoest et al., "Datasets: a community library for natural language processing", 2021, https://arxiv.org/abs/2109.02846.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
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
SHARD = re.compile(r"([a-z_]+)(-\d+-of-\d+.*)?\.parquet", re.IGNORECASE)
NUMBERED = re.compile(r"-(\d+)-of-(\d+)")


def takes_images(path: Path) -> bool:
    """Whether it is a folder of one of the two kinds, of images or of what ``load`` refuses."""
    return is_folder(path) and not takes_vectors(path)


def takes_vectors(path: Path) -> bool:
    """Whether it is such a folder, of lists of numbers."""
    if not is_folder(path):
        return False
    first = next((file for several in files(path)[0].values() for file in several if file.is_file()), None)
    return first is not None and arrow_arrays.has_vectors(arrow_files.schema(first))


def load(path: Path, how: Reading) -> Splits:
    """The images or vectors of all its tables, in the parts that their names say. Errors: DataError."""
    import pyarrow

    found_in, notes = files(path)
    tables = {part: [arrow_files.table(file) for file in several] for part, several in found_in.items()}
    every = [table for several in tables.values() for table in several]
    try:
        whole = pyarrow.concat_tables(every, promote_options="default")
    except pyarrow.ArrowException as error:
        raise DataError(f"the tables in {path} have several kinds of columns; give one of them: {' '.join(str(error).split())}") from error
    if not (arrow_arrays.has_images(whole.schema) or arrow_arrays.has_vectors(whole.schema, how.label_column)):
        raise DataError(f"the tables in {path} have neither images nor lists of numbers; give one of its files, as a table")
    for column in whole.column_names:
        if len({tuple(names) for table in every if (names := arrow_arrays.class_names(table, column)) is not None}) > 1:
            raise DataError(f"the tables in {path} name the classes of '{column}' in several ways; give one of them")
    found = arrow_arrays.of_table(path, whole, how)
    found = replace(found, notes=(*notes, *found.notes))
    if len(found_in) == 1:
        return found
    assert found.whole is not None
    sizes = [sum(len(table) for table in several) for several in tables.values()]
    return Splits.of_parts(found.whole, dict(zip(found_in, torch.arange(sum(sizes)).split(sizes), strict=True)), found.notes)


def is_folder(path: Path) -> bool:
    """Whether it is a folder of one of the two kinds."""
    return path.is_dir() and ((path / STATE).is_file() or (path / PARTED).is_file() or bool(_shards(path)))


def files(path: Path) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
    """The files of each part, of all as the first where there are no parts, and a note on parts that are left out. Errors: DataError."""
    if (path / STATE).is_file():
        return {"train": _saved(path)}, ()
    if (path / PARTED).is_file():
        names = [name for name in _json(path / PARTED).get("splits", []) if isinstance(name, str) and Path(name).name == name]
        several = {name: _saved(path / name) for name in names}
    else:
        shards = _shards(path)
        several = {name: [file for file in shards if _name(file) == name] for name in dict.fromkeys(map(_name, shards))}
        for name, files in several.items():
            _must_be_whole(path, name, files)
    known = {PARTS[name]: files for name, files in several.items() if name in PARTS}
    left = [name for name in several if name not in PARTS]
    if not known:
        return {"train": [file for files in several.values() for file in files]}, ()
    if "train" not in known:
        raise DataError(f"{path} has {', '.join(several)}, and no part called train; give one of its files")
    return known, (f"{path}: parts left out: {', '.join(left)}",) if left else ()


def _must_be_whole(path: Path, name: str, files: list[Path]) -> None:
    """Raise DataError where some of a part's numbered files are not there."""
    of = {int(found[2]) for file in files if (found := NUMBERED.search(file.name)) is not None}
    if of and (len(of) > 1 or len(files) != of.pop()):
        raise DataError(f"{path} has {len(files)} files of {name}, and their names say of how many; download those that are missing")


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


def _name(file: Path) -> str:
    found = SHARD.fullmatch(file.name)
    assert found is not None
    return found[1].lower()
