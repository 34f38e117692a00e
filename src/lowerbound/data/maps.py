"""Monotone maps from the values of a column to ones that a normal or a Student-t suits: v → w, w → v, and log dw/dv, of tensors.

Values are in the model's unit, and stay between the ends ``low`` and ``high``, which may be infinite, whatever w is. ``width`` is how
far from an end, or from 0, a map begins to bend.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

NEAR = 1e-6  # of the way between two ends: where values at an end are taken to be
WITHIN = (1e-30, 80.0)  # widths from an end: where values at it are taken to be, and from where on it is not felt


@dataclass(frozen=True)
class Ends:
    """The ends of some columns, and their widths, each ``(n,)`` or a number."""

    low: Tensor
    high: Tensor
    width: Tensor


class Map(ABC):
    """``bend(v)`` is w and log dw/dv, ``back(w)`` is v; all shapes ``(*batch, n)``. Of each there is one, which copies of a model share."""

    #: whether a law of w with heavier tails than a normal leaves v a variance
    heavy: bool

    @abstractmethod
    def bend(self, v: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
        """w(v) and log dw/dv."""

    @abstractmethod
    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """v(w)."""

    def __reduce__(self) -> tuple[Callable[[str], Map], tuple[str]]:
        return _one, (type(self).__name__,)  # itself, for who looks it up among the others


class Linear(Map):
    """w = v: no end."""

    heavy = True

    def bend(self, v: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
        """The value, and 0."""
        return v, torch.zeros_like(v)

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """The value."""
        return w


class Soft(Map):
    """w = v but near the ends: v = w + s log(1 + e^((low − w)/s)) − s log(1 + e^((w − high)/s)), s the width."""

    heavy = True

    def bend(self, v: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
        """w = v + s log(1 − e⁻ᵃ) − s log(1 − e⁻ᵇ) and log(1/(1 − e⁻ᵃ) + 1/(eᵇ − 1)), v being a and b widths from the ends."""
        above = ((v - ends.low) / ends.width).clamp(*WITHIN)
        below = ((ends.high - v) / ends.width).clamp(*WITHIN)
        at_low, at_high = -(-above).expm1(), below.expm1()
        return v + ends.width * (at_low.log() + at_high.reciprocal().log1p()), (at_low.reciprocal() + at_high.reciprocal()).log()

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """As above; what rounding puts beyond an end is put there."""
        s = ends.width
        return (w + s * (softplus((ends.low - w) / s) - softplus((w - ends.high) / s))).clamp(ends.low, ends.high)


class Log(Map):
    """w = log(v − low)."""

    heavy = False

    def bend(self, v: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
        """w and −w."""
        w = (v - ends.low).maximum(ends.width).log()
        return w, -w

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """low + eʷ."""
        return ends.low + w.exp()


class LogBelow(Map):
    """w = −log(high − v)."""

    heavy = False

    def bend(self, v: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
        """w and w."""
        w = -(ends.high - v).maximum(ends.width).log()
        return w, w

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """high − e⁻ʷ."""
        return ends.high - (-w).exp()


class Logit(Map):
    """w = log((v − low)/(high − v))."""

    heavy = False

    def bend(self, v: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
        """w = log(v − low) − log(high − v) and log((high − low)/((v − low)(high − v)))."""
        wide = ends.high - ends.low
        above, below = (v - ends.low).maximum(NEAR * wide).log(), (ends.high - v).maximum(NEAR * wide).log()
        return above - below, wide.log() - above - below

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """low + (high − low)/(1 + e⁻ʷ)."""
        return (ends.low + (ends.high - ends.low) * w.sigmoid()).minimum(ends.high)


class Asinh(Map):
    """w = arsinh(v/s), a logarithm to both sides of 0: heavy tails."""

    heavy = False

    def bend(self, v: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
        """w and −½ log(v² + s²)."""
        return (v / ends.width).asinh(), -(v.square() + ends.width.square()).log() / 2

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """s sinh w."""
        return ends.width * w.sinh()


#: maps by the word that a column's description has; ``law`` of a file of types is one of the first four
MAPS: dict[str, Map] = {"linear": Linear(), "soft": Soft(), "log": Log(), "asinh": Asinh(), "log-below": LogBelow(), "logit": Logit()}


def _one(name: str) -> Map:
    """The map of a class of that name."""
    return next(each for each in MAPS.values() if type(each).__name__ == name)
