"""What is missing, for ``--missing`` and ``--given observed``: what the rows of ``MISSING`` make, arrays of files, NaN.

A row is given the shape of the data and makes a function: n → what is missing of n examples, True there. Where that is drawn it is from
``system.noise``, anew for each example. On images a word is about whole pixels; an array may be about single values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from lowerbound.data import Dataset, arrays, numpy_files
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, UsageError
from lowerbound.recipes.contexts import HOLES, MISSING
from lowerbound.recipes.grammar import known, make
from lowerbound.system import noise
from lowerbound.system.seeding import seeded
from lowerbound.vae.contexts import Observed

ARRAY = ".npy"
Masks = Callable[[int], Tensor]


def observed(word: str, data: Dataset, seed: int = 0) -> Bool[Tensor, "N *event"]:
    """Which values are there, True, when ``word`` says which are missing: a row of ``MISSING``, an array's file, or NaN.

    Errors: RecipeError for an unknown word; UsageError for one that these data do not have, or that makes no sense; DataError for an
    array that does not fit.
    """
    if word.endswith(ARRAY):
        return ~_of_file(data, Path(word)).expand(len(data), *data.event_shape)
    if word == HOLES:
        return ~data[:].isnan()
    known("missing part", word.partition(":")[0], [*MISSING, HOLES])
    with seeded(seed, "missing"):
        return ~drawn(word, data.event_shape)(len(data))


def drawn(word: str | None, event: Sequence[int]) -> Callable[[int], Bool[Tensor, "n *event"]]:
    """n → what is missing of n data of this shape, by a row of ``MISSING``, or for each example by any that fits (None).

    Errors: RecipeError for an unknown word; UsageError for one that these data do not have, or that makes no sense.
    """
    masks: Masks = _any(event) if word is None else make("missing part", word, MISSING, event=event)
    return lambda n: masks(n).expand(n, *event)


def part(spec: DataSpec, missing: str) -> Observed:
    """The context of all but what a word of ``MISSING`` says; where it says nothing, for each example one of all that fit."""
    there = drawn(missing or None, spec.event_shape)
    return Observed(spec.event_shape, lambda n: ~there(n))


def lets_holes_in(word: str) -> bool:
    """Whether data may have NaN where ``word`` says what is missing."""
    return word == HOLES


def is_of_data(word: str) -> bool:
    """Whether what is missing is specified for each example of a file, so that all of it is meant."""
    return lets_holes_in(word) or word.endswith(ARRAY)


# --- what the rows make ------------------------------------------------------------------------------


def half(event: Sequence[int], axis: int, first: bool) -> Masks:
    """What is before the middle along an axis of space, or the rest: of series that of time, of volumes that of each slice."""
    before = _first_half(event, axis)
    return _same(before if first else ~before)


def quadrants(event: Sequence[int], there: int) -> Masks:
    """All but the lower left (1), all but the left half (2), the lower right (3): those that are there are counted.

    Source: Pyro's tutorial on conditional VAEs, https://pyro.ai/examples/cvae.html.
    """
    left, bottom = _first_half(event, -1), ~_first_half(event, -2)
    kept = {1: left & bottom, 2: left, 3: left | ~bottom}
    if there not in kept:
        raise UsageError(f"of four quadrants 1, 2 or 3 can be there, not {there}")
    return _same(~kept[there])


def random(event: Sequence[int], share: float) -> Masks:
    """Each pixel or value by itself, with this probability."""
    if not 0 < share <= 1:
        raise UsageError(f"random:{share:g} is no share of the values; write one above 0 and up to 1, as random:0.5")
    pixels = _pixels(event)
    return lambda n: noise.uniform((n, *pixels), 0) < share


#: what may be missing of an image besides pixels at random, if anything may
PARTS = ("left", "right", "top", "bottom", "quadrants:1", "quadrants:2", "quadrants:3")


def _any(event: Sequence[int]) -> Masks:
    """For each example one of ``PARTS`` that it has, or each pixel or value with a probability that is itself uniform in (0, 1)."""
    pixels = _pixels(event)
    parts = _parts(event)

    def masks(n: int) -> Tensor:
        missing = noise.uniform((n, *pixels), 0) < noise.uniform((n, *(1 for _ in pixels)), 0)
        if not parts:
            return missing
        kind = (noise.uniform((n,), 0) * (len(parts) + 1)).long()
        fixed = torch.cat([*parts, torch.zeros_like(parts[0])])[kind]
        return torch.where((kind == len(parts)).view(n, *(1 for _ in pixels)), missing, fixed)

    return masks


def _parts(event: Sequence[int]) -> list[Bool[Tensor, "1 1 *space"]]:
    """Those of ``PARTS`` that the data have: vectors none, series a left and a right."""
    found = []
    for word in PARTS:
        with suppress(UsageError):
            found.append(make("missing part", word, MISSING, event=event)(1))
    return found


def _pixels(event: Sequence[int]) -> tuple[int, ...]:
    """The shape of what is missing or not: of data with channels all of them at once."""
    return (1, *event[1:]) if len(event) > 1 else tuple(event)


def _first_half(event: Sequence[int], axis: int) -> Bool[Tensor, "1 1 *space"]:
    """True before the middle. Errors: UsageError for data that have no such axis of space."""
    if len(event) <= -axis:
        lacking = "top or bottom; write left, right or" if len(event) == 2 else "left, right, top or bottom; write"
        raise UsageError(f"data of shape {tuple(event)} have no {lacking} random:0.5")
    half = torch.zeros(1, *_pixels(event), dtype=torch.bool)
    half.narrow(axis, 0, half.shape[axis] // 2).fill_(True)
    return half


def _same(missing: Bool[Tensor, "1 1 *space"]) -> Masks:
    """The same for all data."""
    return lambda n: missing


# --- arrays ------------------------------------------------------------------------------------------


def _of_file(data: Dataset, path: Path) -> Tensor:
    """True where missing: of one example or of each, and on images of whole pixels where there is no axis for channels."""
    array, event = arrays.pick(path, numpy_files.read(path)), data.event_shape
    if not np.isin(array, (0, 1)).all():
        raise DataError(f"{path} marks what is missing, and must hold True (or 1) there and else False (or 0)")
    missing = torch.from_numpy(array.astype(bool))
    if array.shape in (event, (len(data), *event)):
        return missing
    if len(event) > 1 and array.shape in (event[1:], (len(data), *event[1:])):
        return missing.unsqueeze(-len(event))
    raise DataError(f"{path} is of shape {array.shape}, the data of {(len(data), *event)}; mark the values of one example, or of each")
