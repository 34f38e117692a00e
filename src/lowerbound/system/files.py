"""Writing results to disk: completely or not at all, with a clear error where that fails."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lowerbound.errors import OutputError, reason


@contextmanager
def written(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that gets its name only after everything is written and synced.

    Errors: OutputError where the folder is missing, the disk is full or writing is not permitted;
    an existing file of that name is then unchanged.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        with _new_beside(target) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        temporary = None
        sync_folder(target.parent)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {reason(error)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the file names in a folder survive a power failure, where the system can (Windows cannot)."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def content(path: Path) -> bytes:
    """The content of a regular file; reading anything else, such as a pipe, might never end. Errors: OSError."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is not a regular file")
    return path.read_bytes()


def must_have_folder(target: Path) -> None:
    """Raise OutputError where there is no folder to write ``target`` into."""
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")


def _new_beside(target: Path) -> Any:
    must_have_folder(target)
    file = tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False)  # noqa: SIM115 - the caller's with
    Path(file.name).chmod(0o666 & ~_umask())  # temporary files are private; results are not
    return file


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_json(path: str | Path, value: Any) -> None:
    """Write one JSON value, indented, as a file; numbers that are not finite become null. Errors: OutputError."""
    with written(path) as file:
        file.write((to_json(value, indent=2) + "\n").encode(errors="backslashreplace"))


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON that every parser accepts: numbers that are not finite become null."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not (abs(value) < float("inf")):
        return None
    return value


def save_array(path: str | Path, array: np.ndarray) -> None:
    """Write one array as ``.npy``. Errors: OutputError."""
    with written(path) as file:
        np.save(file, array, allow_pickle=False)


def save_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write several arrays by name as ``.npz``. Errors: OutputError."""
    with written(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # no array may be named allow_pickle


def make_folder(path: Path) -> None:
    """Create the folder and its parents. Errors: OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the folder {path}: {reason(error)}") from error
