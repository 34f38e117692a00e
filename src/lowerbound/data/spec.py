"""What a run keeps of its data, so that its model can be used without them: their shape, range, classes and columns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from lowerbound.data import Dataset, Schema, fingerprint_of

FORMAT = 1  # of the folder; counted up when an older program could not read it


@dataclass(frozen=True)
class Facts:
    """What a model has to know of the data it was made for, so that it can be used without them."""

    event_shape: tuple[int, ...]
    low: float
    high: float
    classes: tuple[str, ...]
    train: int
    validation: int
    test: int
    fingerprint: str
    format: int = FORMAT
    holes: bool = False
    schema: Schema | None = None

    @classmethod
    def of(cls, train: Dataset, validation: Dataset, test: Dataset, labels: bool = False, schema: Schema | None = None) -> Facts:
        """The facts of the data that a training uses; ``labels`` says whether it uses those too, ``schema`` what a table's columns are."""
        low, high = (float(value) for value in train.extremes)
        sizes = len(train), len(validation), len(test)
        fingerprint = fingerprint_of(train, validation, test, labels=labels)
        holes = schema is not None or train.holes + test.holes > 0
        return cls(train.event_shape, low, high, train.classes, *sizes, fingerprint, holes=holes, schema=schema)

    @classmethod
    def read(cls, words: dict[str, Any]) -> Facts:
        """The facts from what a file holds, but for the schema, which has a file of its own.

        Errors: TypeError, KeyError, ValueError for what they cannot be.
        """
        numbers = {name: int(words[name]) for name in ("train", "validation", "test", "format")}
        shape, classes = words["event_shape"], words["classes"]
        if not (isinstance(shape, list) and shape and all(type(side) is int and 0 < side < 10**9 for side in shape)):
            raise ValueError(f"event_shape {shape!r}")
        if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
            raise ValueError(f"classes {classes!r}")
        low, high, holes = float(words["low"]), float(words["high"]), words.get("holes", False)  # which runs of before had not
        if not isinstance(holes, bool):
            raise ValueError(f"holes {holes!r}")
        sizes, fingerprint = (numbers["train"], numbers["validation"], numbers["test"]), str(words["fingerprint"])
        return cls(tuple(shape), low, high, tuple(classes), *sizes, fingerprint, numbers["format"], holes)

    def words(self) -> dict[str, Any]:
        """What a file holds of them, but for the schema."""
        return {name: value for name, value in asdict(self).items() if name != "schema"}

    @property
    def unit_interval(self) -> bool:
        """Whether all values are in [0, 1], as those of pixels are."""
        return self.schema is None and self.low >= 0 and self.high <= 1

    @property
    def dimensions(self) -> int:
        """D, the number of values of one datum."""
        return int(torch.Size(self.event_shape).numel())
