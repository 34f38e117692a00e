"""The data that a verb was asked to use."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import torch

from lowerbound.data import Dataset, Splits
from lowerbound.errors import UsageError, nearest
from lowerbound.interfaces.cli import console
from lowerbound.runs.run import Run
from lowerbound.vae.semi_supervised import SemiSupervised

SHOWN = 10  # examples in a figure
LONG = 2_000_000  # draws in all: more take most of a minute


def asked_for(run: Run, args: Namespace, look: bool = False, holes: bool = False, small: tuple[int, ...] | None = None) -> Dataset:
    """The part of the data that was asked for; with ``look``, of the run's own data the test part by default. Errors: UsageError."""
    splits = run.read(args.data, args.data_dir, holes, small)
    console.notes(args, splits.notes)
    if args.split is None and look and run.is_own(args.data):
        return splits.test
    return part_of(splits, args.split)


def part_of(splits: Splits, split: str | None) -> Dataset:
    """The part that was asked for, or the default one. Errors: UsageError."""
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
    """The first ``rows`` examples, by default a few for a figure and all for arrays. Errors: UsageError if there are fewer."""
    return first(data, rows or (min(SHOWN, len(data)) if path.suffix == ".png" else len(data)))


def must_not_read_classes(run: Run) -> None:
    """Raise UsageError for a model that predicts the class from whole examples, where only a part of each is given."""
    if isinstance(run.vae, SemiSupervised):
        raise UsageError("this run's model predicts the class from whole examples, and these are not whole; take a run of another recipe")


def first(data: Dataset, n: int) -> Dataset:
    """The first n examples. Errors: UsageError if there are fewer."""
    if n > len(data):
        raise UsageError(f"there are only {len(data):,} examples, and {n:,} were asked for; ask for fewer")
    return data.view(torch.arange(n))


def some_of(data: Dataset, args: Namespace) -> Dataset:
    """All data or the first few; many draws of many data are announced, for they take minutes."""
    data = data if args.rows is None else first(data, args.rows)
    if len(data) * args.samples > LONG:
        console.notes(args, [f"log p(x) of {len(data):,} examples by {args.samples:,} draws each takes long; --rows N takes the first N"])
    return data
