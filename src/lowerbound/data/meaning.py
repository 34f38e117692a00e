"""What the numbers of a file mean: zeros and ones, greys between black and white, counts, or reals. Decided once, from type and values.

Whole numbers that are 0 and 1 alone are bits. Bytes are greys from 0 to 255, numbers of 16 bits without a sign greys from 0 to 65535; where
the greatest is far below that, a note says so. Floats are what they are. Where the user gives a range, that is black and white whatever
the type; where the likelihood is one of counts, whole numbers are counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lowerbound.errors import DataError

#: of whole numbers that are greys, by type: the number that is white
WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
PIXEL = 255
#: greatest counts that single precision has exactly
EXACT = 2**24
#: a grey whose greatest value is below this share of white is probably of another white
DARK = 0.5


@dataclass(frozen=True)
class Range:
    """The numbers of a file that are read as 0 and as 1."""

    low: float
    high: float

    @classmethod
    def read(cls, text: str) -> Range:
        """Of ``LOW:HIGH``. Errors: DataError."""
        try:
            low, high = (float(part) for part in text.split(":"))
        except ValueError as error:
            raise DataError(f"a range is LOW:HIGH, such as 0:4095, not {text!r}") from error
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise DataError(f"a range goes from a number to a greater one, such as 0:4095, not {text!r}")
        return cls(low, high)

    def __str__(self) -> str:
        return f"{self.low:.10g}:{self.high:.10g}"


@dataclass(frozen=True)
class Numbers:
    """Values as they are kept: uint8, of which ``unit`` is 1, or float32; and notes on how they were taken.

    ``white`` is the number that was read as 1 where the type alone does not say it, ``black`` the one that was read as 0; ``stored`` is
    the type of the file's numbers.
    """

    values: Tensor
    unit: int = PIXEL
    white: float | None = None
    black: float = 0.0
    stored: str = ""
    notes: tuple[str, ...] = ()


def numbers(
    name: str | Path,
    values: np.ndarray,
    limits: Range | None = None,
    counts: bool = False,
    unit: int | None = None,
    white: float | None = None,
) -> Numbers:
    """The numbers of an array that holds no NaN but such as are allowed; ``unit`` and ``white`` are those of the data that a model is for.

    Errors: DataError for numbers that have no meaning, or lie outside the range.
    """
    if limits is not None:
        return Numbers(_scaled(name, values, limits), white=limits.high, black=limits.low, stored=values.dtype.name)
    return replace(_of_type(name, values, counts, unit, white), stored=values.dtype.name)


def _of_type(name: str | Path, values: np.ndarray, counts: bool, unit: int | None, white: float | None) -> Numbers:
    if values.dtype.kind == "b":
        return Numbers(torch.from_numpy(values.astype(np.uint8)), 1)
    if values.dtype.kind not in "iu":
        return Numbers(_counted(name, values) if counts else _single(name, values), 1 if counts else PIXEL)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    low, high = int(values.min()), int(values.max())
    if low < 0:
        raise DataError(
            f"{name}: whole numbers from {low} to {high}; greys and counts are not negative: say which are black and white with "
            f"--range {low}:{high}, or give them as floats"
        )
    if counts:
        return Numbers(_of_counts(name, values, high), 1)
    if unit == 1 or (unit is None and high <= 1):
        if high > 1:
            raise DataError(f"{name}: whole numbers from {low} to {high}, and this run's data are zeros and ones; give data like those")
        note = f"{name}: whole numbers 0 and 1 are read as bits; where 255 is white, say --range 0:255"
        return Numbers(torch.from_numpy(values.astype(np.uint8)), 1, notes=() if unit == 1 else (note,))
    return _greys(name, values, high, white)


def _greys(name: str | Path, values: np.ndarray, high: int, of_run: float | None) -> Numbers:
    of_type = WHITE.get(values.dtype, PIXEL)
    if of_run is not None and high <= of_run and values.dtype != np.uint8:
        of_type = int(of_run)  # of numbers of another type that go as far
    white = PIXEL if high <= PIXEL and of_run != of_type else of_type
    if high > white:
        raise DataError(
            f"{name}: whole numbers from {int(values.min())} to {high}, which may be greys or counts; say which are black and white with "
            f"--range 0:{high}, choose a likelihood of counts, or give them as floats"
        )
    notes = dark(name, float(high), float(white)) if high < DARK * white else ()
    if white == PIXEL:
        return Numbers(torch.from_numpy(values.astype(np.uint8, copy=False)), PIXEL, notes=notes)
    return Numbers(torch.from_numpy((values / white).astype(np.float32)), PIXEL, float(white), notes=notes)


def dark(name: str | Path, high: float, white: float) -> tuple[str, ...]:
    """A note that the greatest value is far below white."""
    likely = 2 ** math.ceil(math.log2(high + 1)) - 1 if high >= 1 else high
    tip = f"; if {likely:g} is white, say --range 0:{likely:g}" if 0 < likely < white else ""
    return (f"{name}: the greatest value is {high:g} where {white:g} is read as white{tip}",)


def _of_counts(name: str | Path, values: np.ndarray, high: int) -> Tensor:
    if high > EXACT:
        raise DataError(f"{name}: counts up to {high}; single precision has those up to {EXACT:,} exactly, so give them in other units")
    return torch.from_numpy(values.astype(np.uint8 if high <= PIXEL else np.float32))


def _counted(name: str | Path, values: np.ndarray) -> Tensor:
    there = values[~np.isnan(values)]
    if (there < 0).any() or (there != np.floor(there)).any():
        raise DataError(f"{name}: some values are negative or no whole numbers, and the likelihood is one of counts; choose another")
    return _single(name, values)


def _scaled(name: str | Path, values: np.ndarray, limits: Range) -> Tensor:
    there = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    low, high = float(there.min()), float(there.max())
    if low < limits.low or high > limits.high:
        raise DataError(f"{name}: values go from {low:g} to {high:g}, outside the range {limits}; give a wider one")
    if values.dtype == np.uint8 and limits.low == 0 and limits.high == PIXEL:
        return torch.from_numpy(values)
    return torch.from_numpy(((values.astype(np.float64) - limits.low) / (limits.high - limits.low)).astype(np.float32))


def _single(name: str | Path, values: np.ndarray) -> Tensor:
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    if np.isinf(single).any():
        raise DataError(f"{name}: values beyond ±3.4e38 do not fit in single precision; rescale them")
    return torch.from_numpy(single)
