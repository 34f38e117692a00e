"""The rows of a compressed file, of which only the blocks that have them are decoded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from io import BufferedIOBase

import numpy as np

from lowerbound.errors import DataError, RunError
from lowerbound.tasks.lossless import blocks, masks
from lowerbound.tasks.lossless.code import Code
from lowerbound.tasks.lossless.container import Header, must_end, read_block, read_mask
from lowerbound.tasks.lossless.laws import Whole


def must_be_of(digest: bytes, header: Header, name: str) -> None:
    """Raise RunError where a file was written by a model of another hash."""
    if digest != header.digest:
        raise of_another(header, name)


def of_another(header: Header, name: str) -> RunError:
    """What is said of a file to a model that did not write it."""
    which = f"the run {header.run}" if header.run else "another model"
    return RunError(f"{name} was written by {which} as it was then, and these weights are others; give that run")


def rows_of(code: Code, header: Header, file: BufferedIOBase, rows: range, name: str) -> Iterator[tuple[range, Whole]]:
    """Some of the rows, and their numbers, again and again until all have come. Errors: DataError where one of their blocks is damaged."""
    for number in range(header.blocks):
        own = header.rows(number)
        if own.start >= rows.stop:
            return
        skip = own.stop <= rows.start
        mask = read_mask(header, number, file, name, skip) if header.missing else b""
        block = read_block(header, number, file, name, skip)
        wanted = range(max(own.start, rows.start), min(own.stop, rows.stop))
        if wanted:
            try:
                found = blocks.decode(code, block, _known(header, mask, len(own)), header.particles, header.bits)
            except DataError as error:
                raise DataError(f"{name}, block {number:,}: {error}") from error
            yield wanted, found[wanted.start - own.start : wanted.stop - own.start]
    must_end(file, name)


def _known(header: Header, mask: bytes, n: int) -> Whole:
    """What is known of the n examples of a block before they are decoded: which values are there, where some are missing."""
    return masks.read(mask, n, math.prod(header.event)) if header.missing else np.zeros((n, 0), np.int64)
