"""Bytes of a file from a place on, by any thread: what is not there is an error, and nothing is mapped that could shrink meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

from lowerbound.errors import DataError, reason


def fill(path: Path, memory: memoryview, at: int) -> None:
    """Read as many bytes as the memory has. Errors: DataError for a file that is gone, or shorter than it was."""
    left = memory
    try:
        with path.open("rb", buffering=0) as file:
            while len(left):
                done = os.preadv(file.fileno(), [left], at)
                if not done:
                    raise DataError(f"{path} is shorter than it was when the training began; bring it back")
                left, at = left[done:], at + done
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error


def taken(path: Path, at: int, size: int) -> bytearray:
    """So many bytes. Errors: as for ``fill``."""
    found = bytearray(size)
    fill(path, memoryview(found), at)
    return found
