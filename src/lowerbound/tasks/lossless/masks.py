"""Which values of a block's examples are there, as bytes: a bit for each, those of one value in all examples side by side, by lzma.

Masks at random, halves, whole pixels of several channels, and one mask for all come near their entropy by this.
"""

from __future__ import annotations

import lzma

import numpy as np

from lowerbound.tasks.lossless.laws import Whole

MISSING = -1  # the number of a value that is not there


def to_bytes(numbers: Whole) -> bytes:
    """Of numbers ``(n, values)``."""
    return lzma.compress(np.packbits((numbers != MISSING).T).tobytes(), lzma.FORMAT_ALONE, preset=9)


def read(content: bytes, n: int, values: int) -> Whole:
    """``(n, values)``, 1 where a value is there. Errors: what damage raises, which a checksum has ruled out."""
    bits = np.frombuffer(lzma.decompress(content, lzma.FORMAT_ALONE), np.uint8)
    return np.unpackbits(bits, count=n * values).reshape(values, n).T.astype(np.int64)
