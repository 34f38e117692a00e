"""Data: a name, a file or a folder read into examples. ``load`` is the entry point, formats.py the table of formats.

Nothing here depends on models; spec.py has what a model must know of its data.
"""

from __future__ import annotations

from lowerbound.data.dataset import UNKNOWN, Dataset, Splits, fingerprint_of
from lowerbound.data.loading import has_arrays, load, located, options_of, reading_of
from lowerbound.data.named import NAMED
from lowerbound.data.python import dataset_of
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec
from lowerbound.data.streams.writing import shard

__all__ = [
    "NAMED",
    "UNKNOWN",
    "DataSpec",
    "Dataset",
    "Schema",
    "Splits",
    "dataset_of",
    "fingerprint_of",
    "has_arrays",
    "load",
    "located",
    "options_of",
    "reading_of",
    "shard",
]
