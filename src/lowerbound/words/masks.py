"""What is missing, in words: ``--missing``. A new way is one row of ``MISSING``, a function of data and a seed that marks what is gone.

On images a word is about whole pixels; an array may be about single values. ``observed`` is the way in.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from lowerbound.data import Dataset, arrays
from lowerbound.errors import DataError, UsageError
from lowerbound.seeding import key
from lowerbound.words.reading import call

ARRAY, HOLES = ".npy", "nan"


def observed(word: str, data: Dataset, seed: int = 0) -> Bool[Tensor, "N *event"]:
    """Which values are there, True, when ``word`` says which are missing: a row of ``MISSING``, or an array's file.

    Errors: RecipeError for an unknown word; UsageError for one that these data do not have, or that makes no sense; DataError for an
    array that does not fit.
    """
    missing = _of_file(data, Path(word)) if word.endswith(ARRAY) else call("missing part", word, MISSING, data, seed)
    return ~missing.expand(len(data), *data.event_shape)


# --- words -------------------------------------------------------------------------------------------


def _left(data: Dataset, seed: int) -> Bool[Tensor, "1 1 H W"]:
    """The columns before the middle one."""
    missing = _pixels(data)
    missing[..., : missing.shape[-1] // 2] = True
    return missing


def _right(data: Dataset, seed: int) -> Bool[Tensor, "1 1 H W"]:
    """The other columns."""
    return ~_left(data, seed)


def _top(data: Dataset, seed: int) -> Bool[Tensor, "1 1 H W"]:
    """The rows above the middle one."""
    missing = _pixels(data)
    missing[..., : missing.shape[-2] // 2, :] = True
    return missing


def _bottom(data: Dataset, seed: int) -> Bool[Tensor, "1 1 H W"]:
    """The other rows."""
    return ~_top(data, seed)


def _quadrants(data: Dataset, seed: int, there: int = 1) -> Bool[Tensor, "1 1 H W"]:
    """All but the lower left (1), all but the left half (2), the lower right (3): those that are there are counted.

    Source: Pyro's tutorial on conditional VAEs, https://pyro.ai/examples/cvae.html.
    """
    left, bottom = _left(data, seed), _bottom(data, seed)
    kept = {1: left & bottom, 2: left, 3: left | ~bottom}
    if there not in kept:
        raise UsageError(f"of four quadrants 1, 2 or 3 can be there, not {there}")
    return ~kept[there]


def _random(data: Dataset, seed: int, share: float = 0.5) -> Tensor:
    """Each pixel or value by itself, with this probability."""
    if not 0 < share <= 1:
        raise UsageError(f"random:{share:g} is no share of the values; write one above 0 and up to 1, as random:0.5")
    shape = (1, *data.event_shape[1:]) if len(data.event_shape) > 1 else data.event_shape
    generator = torch.Generator().manual_seed(key(seed, "missing"))
    return torch.rand(len(data), *shape, generator=generator) < share


def _nan(data: Dataset, seed: int) -> Bool[Tensor, "N *event"]:
    """Where the data have no number."""
    return data[:].isnan()


MISSING = {
    "left": _left,
    "right": _right,
    "top": _top,
    "bottom": _bottom,
    "quadrants": _quadrants,
    "random": _random,
    HOLES: _nan,
}


def lets_holes_in(word: str) -> bool:
    """Whether data may have NaN where ``word`` says what is missing."""
    return word == HOLES


def _pixels(data: Dataset) -> Bool[Tensor, "1 1 H W"]:
    """An image of which nothing is missing. Errors: UsageError for data that are no images."""
    if len(data.event_shape) != 3:
        raise UsageError(f"data of shape {data.event_shape} have no left, right, top or bottom; write random:0.5, {HOLES} or FILE{ARRAY}")
    return torch.zeros(1, 1, *data.event_shape[1:], dtype=torch.bool)


# --- arrays ------------------------------------------------------------------------------------------


def _of_file(data: Dataset, path: Path) -> Tensor:
    """True where missing: of one datum or of each, and on images of whole pixels where there is no axis for channels."""
    array, event = arrays.pick(path, arrays.read(path)), data.event_shape
    if not np.isin(array, (0, 1)).all():
        raise DataError(f"{path} marks what is missing, and must hold True (or 1) there and else False (or 0)")
    missing = torch.from_numpy(array.astype(bool))
    if array.shape in (event, (len(data), *event)):
        return missing
    if len(event) == 3 and array.shape in (event[1:], (len(data), *event[1:])):
        return missing.unsqueeze(-3)
    raise DataError(f"{path} is of shape {array.shape}, the data of {(len(data), *event)}; mark the values of one datum, or of each")
