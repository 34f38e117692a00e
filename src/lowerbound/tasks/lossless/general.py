"""General compressors beside a model, at their strongest: of values, each in a byte or eight zeros and ones, and of a file's bytes."""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Any

import numpy as np

from lowerbound.tasks.lossless.laws import Whole


class General:
    """What gzip, bz2 and lzma make of values that come block by block, at their strongest."""

    def __init__(self, top: int):
        self.top = top
        self.compressors: dict[str, Any] = {"gzip": zlib.compressobj(9), "bz2": bz2.BZ2Compressor(9), "lzma": lzma.LZMACompressor(preset=9)}
        self.sizes = dict.fromkeys(self.compressors, 0)

    def add(self, numbers: Whole) -> None:
        """Further values ``(n, D)``."""
        kind = np.uint8 if self.top < 2**8 else np.uint16
        content = np.packbits(numbers.astype(bool)) if self.top == 1 else numbers.astype(kind)
        for name, compressor in self.compressors.items():
            self.sizes[name] += len(compressor.compress(content.tobytes()))

    def end(self) -> dict[str, int]:
        """How many bytes each needs for all of them."""
        for name, compressor in self.compressors.items():
            self.sizes[name] += len(compressor.flush())
        return self.sizes


def general(content: bytes) -> dict[str, int]:
    """How many bytes each needs for a file's."""
    return {"gzip": len(zlib.compress(content, 9)), "bz2": len(bz2.compress(content, 9)), "lzma": len(lzma.compress(content, preset=9))}
