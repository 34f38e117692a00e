"""What a conditional model is given besides: a context c for each datum, a function of its record, values and label.

A new context is one class here and one row in a table of ``words``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from lowerbound.errors import DataError


class Context(ABC):
    """The contract of this room."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of one context."""

    @abstractmethod
    def of(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> Float[Tensor, "B *context"]:
        """The contexts of some data. Errors: DataError where these data have none."""

    def tells(self, context: Float[Tensor, "B *context"]) -> Bool[Tensor, "B *event"] | None:
        """Which values of the datum c has in it, so that there is nothing left to say of them; None for none."""
        return None


@dataclass(frozen=True)
class Label(Context):
    """The class of the datum, one of ``classes``, as zeros and a one."""

    classes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """A number for each class."""
        return (self.classes,)

    def of(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> Float[Tensor, "B classes"]:
        """A one where the class is. Errors: DataError for data without labels, or with classes that the model does not know."""
        if labels is None:
            raise DataError("these data have no labels, and this model is given them; bring labels, or train without --given label")
        return self.numbered(labels)

    def numbered(self, labels: Int64[Tensor, " B"]) -> Float[Tensor, "B classes"]:
        """The contexts of class numbers. Errors: DataError for one that is none of the model's."""
        if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < self.classes):
            strange = next(label for label in labels.tolist() if not 0 <= label < self.classes)
            raise DataError(f"label {strange} is none of this model's classes, 0 to {self.classes - 1}")
        return torch.nn.functional.one_hot(labels, self.classes).float()
