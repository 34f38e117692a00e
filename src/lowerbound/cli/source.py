"""Which data a verb was asked to use."""

from __future__ import annotations

from argparse import Namespace

import torch

from lowerbound.cli import console
from lowerbound.data import Dataset
from lowerbound.errors import UsageError, nearest
from lowerbound.runs import Run


def asked_for(run: Run, words: Namespace, look: bool = False, holes: bool = False, small: tuple[int, ...] | None = None) -> Dataset:
    """The part of the data that was asked for; to ``look`` at the run's own, the part it was not trained on. Errors: UsageError."""
    splits = run.read(words.data, words.data_dir, holes, small)
    console.notes(splits.notes)
    parts = {"train": splits.train, "test": splits.test, "all": splits.whole}
    if words.split is None:
        return splits.test if look and run.is_own(words.data) else splits.usual
    if words.split not in parts:
        raise UsageError(f"unknown split '{words.split}'{nearest(words.split, parts)}")
    part = parts[words.split]
    if part is None:
        raise UsageError("these data come in two parts; choose --split train or test")
    return part


def first(data: Dataset, n: int) -> Dataset:
    """The first n data. Errors: UsageError where there are fewer."""
    if n > len(data):
        raise UsageError(f"there are only {len(data):,} data, and {n:,} were asked for")
    return data.view(torch.arange(n))
