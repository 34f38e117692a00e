"""Lossless compression by a trained model: data → a file of about −bound/log 2 bits an example → the same data, on any machine."""

from lowerbound.tasks.lossless.container import Header, Part
from lowerbound.tasks.lossless.files import compress, compressed, decompress, decompressed
from lowerbound.tasks.lossless.others import General, general, of_a_sheet

__all__ = ["General", "Header", "Part", "compress", "compressed", "decompress", "decompressed", "general", "of_a_sheet"]
