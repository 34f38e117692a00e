"""The data sets of ``choosing``, each in three parts that are always the same: to train on, to stop by, and to score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch

import lowerbound as lb
from lowerbound.data import Dataset, DataSpec

STOPPED_BY, SCORED = 500, 200  # of MNIST and Fashion-MNIST: the last of those to train on, the first of those to test on
PATCH, SHADES = 12, 4  # sides of a patch of a photograph in pixels, and shades of each of its three colours


@dataclass(frozen=True)
class Parts:
    """Examples to train on, to stop by and to score, and what a model must know of them."""

    train: Dataset
    validation: Dataset
    test: Dataset
    spec: DataSpec


def images(name: str, size: int) -> Parts:
    """The first ``size`` of a set of 28 × 28 greys."""
    splits = lb.data.load(name)
    train, last = splits.train.view(torch.arange(size)), torch.arange(len(splits.train) - STOPPED_BY, len(splits.train))
    test = splits.test.view(torch.arange(SCORED))
    return Parts(train, splits.train.view(last), test, DataSpec.of(train, test))


def digits() -> Parts:
    """1,418, 200 and 179 images of 8 × 8, their greys whole numbers of sixteenths."""
    splits = lb.data.load("digits")
    rows = shuffled(len(splits.train))
    sixteenths = (splits.whole[:] * 16).round().to(torch.uint8)
    train, validation = (splits.train.view(some) for some in (rows[200:], rows[:200]))
    made = [replace(part, array=sixteenths, unit=16) for part in (train, validation, splits.test)]
    return Parts(*made, DataSpec.of(made[0], made[2]))


def colours() -> Parts:
    """2,910, 400 and 400 patches of scikit-learn's two photographs: how many of their 144 pixels have each colour that there is."""
    from sklearn.datasets import load_sample_images

    counts = np.concatenate([histograms(photo) for photo in load_sample_images().images])
    counts = counts[:, counts.any(0)]
    rows = shuffled(len(counts))
    made = [lb.data.dataset_of(torch.from_numpy(counts[part]).float()) for part in (rows[800:], rows[:400], rows[400:800])]
    return Parts(*made, DataSpec.of(made[0], made[2]))


def histograms(photo: np.ndarray) -> np.ndarray:
    """Counts ``(N, 64)`` of the colours of each patch."""
    high, wide = (side // PATCH for side in photo.shape[:2])
    shade = photo[: high * PATCH, : wide * PATCH].astype(int) // (256 // SHADES)
    colour = shade @ [SHADES**2, SHADES, 1]
    patches = colour.reshape(high, PATCH, wide, PATCH).swapaxes(1, 2).reshape(high * wide, -1)
    return np.stack([(patches == number).sum(1) for number in range(SHADES**3)], 1)


def cells() -> Parts:
    """The breast-cancer table: 569 rows of 30 numbers."""
    from sklearn.datasets import load_breast_cancer

    return table(load_breast_cancer(as_frame=True).data)


def patients() -> Parts:
    """The diabetes table: 442 rows of an age in years, a sex, and nine other numbers."""
    from sklearn.datasets import load_diabetes

    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame["sex"] = frame["sex"].map({1.0: "one", 2.0: "the other"})
    return table(frame, {"age": "count"})


def table(frame: pd.DataFrame, types: dict[str, Any] | None = None) -> Parts:
    """Of a frame: a fifth to score, a fifth to stop by; what is known of the columns is known from the other rows alone."""
    rows, fifth = shuffled(len(frame)).tolist(), len(frame) // 5
    test, validation, train = (
        frame.iloc[part].reset_index(drop=True) for part in (rows[:fifth], rows[fifth : 2 * fifth], rows[2 * fifth :])
    )
    schema = lb.data.load(train, types=types).schema
    read = [lb.data.load(part, schema=schema).whole for part in (train, validation, test)]
    return Parts(*read, DataSpec.of(read[0], read[2], schema))


def shuffled(rows: int) -> torch.Tensor:
    """Their numbers in an order that is always the same."""
    return torch.from_numpy(np.random.default_rng(0).permutation(rows))


SETS = {
    "digits": digits,
    "mnist": lambda: images("mnist", 5_000),
    "fashion": lambda: images("fashion-mnist", 3_000),
    "colours": colours,
    "cells": cells,
    "patients": patients,
}


@cache
def parts(name: str) -> Parts:
    """Those of a set."""
    return SETS[name]()
