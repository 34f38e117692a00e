"""What a model must know of data: their shape and range, their classes, whether some values are missing, a table's columns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from lowerbound.data.column import Column
from lowerbound.data.dataset import Dataset
from lowerbound.data.schema import Schema


@dataclass(frozen=True)
class DataSpec:
    """Of data ``(N, *event_shape)`` whose values are from ``low`` to ``high``, as those of images are by default.

    ``white`` is the number of their files that was read as 1, where their type does not say it, ``black`` that which was read as 0, and
    ``stored`` the type of these numbers, where it is known; ``variables`` are the names of the values of a vector, genes say.
    Of whole numbers ``unit`` is the one that is 1: 255 of pixels, 1 of bits and counts.
    ``classes`` are the names of their labels, where they have some. With ``holes`` some values may be missing (NaN); ``schema`` says what
    the columns of a table are.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> spec = lb.data.DataSpec.of(digits.train, digits.test)
    >>> spec.event_shape, spec.dimensions, (spec.low, spec.high), len(spec.classes)
    ((1, 8, 8), 64, (0.0, 1.0), 10)
    """

    event_shape: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0
    classes: tuple[str, ...] = ()
    holes: bool = False
    schema: Schema | None = None
    unit: int = 255
    white: float | None = None
    black: float = field(default=0.0, compare=False)
    stored: str = field(default="", compare=False)
    variables: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, train: Dataset, test: Dataset, schema: Schema | None = None) -> DataSpec:
        """The spec of a training's data: range and classes are those of ``train``, and values may be missing where some are in either."""
        low, high = (float(value) for value in train.extremes)
        holes = schema is not None or train.holes + test.holes > 0
        stored = "" if schema is not None else train.stored or str(train.array.dtype).removeprefix("torch.")
        return cls(
            train.event_shape, low, high, train.classes, holes, schema, train.unit, train.white, train.black, stored, train.variables
        )

    @property
    def unit_interval(self) -> bool:
        """Whether all values are in [0, 1], as those of pixels are."""
        return self.schema is None and self.low >= 0 and self.high <= 1

    @property
    def steps(self) -> int:
        """What 1 stands for where values are whole numbers."""
        return self.unit if self.unit_interval else 1

    @property
    def dimensions(self) -> int:
        """D, the number of values of one example."""
        return math.prod(self.event_shape)

    @property
    def columns(self) -> tuple[Column, ...] | None:
        """The columns of a table that are modelled, in order; None for all else."""
        return None if self.schema is None else tuple(self.schema.modelled)
