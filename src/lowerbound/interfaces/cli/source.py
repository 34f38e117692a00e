"""Which data a verb was asked to use."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch

from lowerbound.data import Dataset, Splits
from lowerbound.errors import UsageError, nearest
from lowerbound.interfaces.cli import console
from lowerbound.runs.run import Run
from lowerbound.vae.semi_supervised import SemiSupervised

SHOWN = 10  # data in a figure


def asked_for(run: Run, args: Namespace, look: bool = False, holes: bool = False, small: tuple[int, ...] | None = None) -> Dataset:
    """The part of the data that was asked for; to ``look`` at the run's own, the part it was not trained on. Errors: UsageError."""
    splits = run.read(args.data, args.data_dir, holes, small)
    console.notes(splits.notes)
    if args.split is None and look and run.is_own(args.data):
        return splits.test
    return part_of(splits, args.split)


def part_of(splits: Splits, split: str | None) -> Dataset:
    """The part that was asked for, or the usual one. Errors: UsageError."""
    parts = {"train": splits.train, "test": splits.test, "all": splits.whole}
    if split is None:
        return splits.usual
    if split not in parts:
        raise UsageError(f"unknown split '{split}'{nearest(split, parts)}")
    part = parts[split]
    if part is None:
        raise UsageError("these data come in two parts; choose --split train or test")
    return part


def looked_at(data: Dataset, rows: int | None, path: Path) -> Dataset:
    """The first ``rows`` data, or a few for a figure and all for arrays. Errors: UsageError where there are fewer."""
    return first(data, rows or (min(SHOWN, len(data)) if path.suffix == ".png" else len(data)))


def must_not_read_classes(run: Run) -> None:
    """Raise UsageError for a model that tells the class from whole data, where there is only a part of them."""
    if isinstance(run.vae, SemiSupervised):
        raise UsageError("this run's model reads the class off whole data, and has none to read; take a run of another recipe")


def first(data: Dataset, n: int) -> Dataset:
    """The first n data. Errors: UsageError where there are fewer."""
    if n > len(data):
        raise UsageError(f"there are only {len(data):,} data, and {n:,} were asked for")
    return data.view(torch.arange(n))
