"""Lossless compression by a trained model: data → a file of about −bound/log 2 bits an example → the same data, on any machine."""

from lowerbound.tasks.lossless.container import Header
from lowerbound.tasks.lossless.files import compress, compressed, decompress, decompressed

__all__ = ["Header", "compress", "compressed", "decompress", "decompressed"]
