"""NumPy's files, ``.npy`` and ``.npz``, as arrays by name; nothing is ever unpickled."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from lowerbound.errors import DataError

MAGIC = (b"\x93N", b"PK")  # first bytes of a .npy and a .npz
ALONE = "data"  # the name of an array that has none
#: what numpy and zipfile raise for a damaged file, or one of another format
DAMAGE = (ValueError, EOFError, KeyError, zipfile.BadZipFile, SyntaxError, TokenError, zlib.error, NotImplementedError, TypeError)


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a ``.npy`` (under the name ``data``) or ``.npz``; pickled ones are left out where there are others."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser that reads a header; what is wrong with it is said below
            if file.read(2) not in MAGIC:
                raise DataError(f"{path} is not a NumPy file or is damaged; write it with numpy.save or numpy.savez")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            found = {ALONE: loaded} if isinstance(loaded, np.ndarray) else _of_archive(loaded)
        for name, array in found.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{name} is not an array")
        return found
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except MemoryError as error:
        raise DataError(f"{path} claims to be larger than the memory; it is damaged, or use fewer examples") from error
    except DAMAGE as error:
        raise DataError(f"{path} is not a NumPy file of plain numbers or is damaged: {error}") from error


def names(path: Path) -> list[str]:
    """All names in an archive, those of pickled arrays too; none of a file that is no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except DAMAGE:  # which ``read`` says, if it is an archive at all
        return []


def _of_archive(loaded: Any) -> dict[str, np.ndarray]:
    """All arrays but pickled ones, where there are others."""
    found, pickled = {}, None
    for name in loaded.files:
        try:
            found[name] = loaded[name]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            pickled = error
    if pickled is not None and not found:
        raise pickled
    return found
