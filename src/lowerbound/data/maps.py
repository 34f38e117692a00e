"""Monotone maps from the values of a column to ones that a normal or a Student-t suits: v → w, w → v, and log dw/dv, of tensors.

Values are in the model's unit, and stay between the ends ``low`` and ``high``, which may be infinite, whatever w is. ``width`` is how
far from an end, or from 0, a map begins to bend.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

FAR = 40.0  # the largest w that has an exponential of its own: the square of e⁴⁰ is still a number in single precision
NEAR = 1e-6  # of a width, or of the way between two ends: values at an end are taken to be so far inside


@dataclass(frozen=True)
class Ends:
    """The ends of some columns, and their widths, each ``(n,)`` or a number."""

    low: Tensor
    high: Tensor
    width: Tensor


class Map(ABC):
    """``to(v)``, ``back(w)`` and the logarithm of the slope dw/dv at v; all shapes ``(*batch, n)``."""

    #: whether a law of w may have heavier tails than a normal and v still a variance
    heavy: bool

    @abstractmethod
    def to(self, v: Tensor, ends: Ends) -> Tensor:
        """w(v)."""

    @abstractmethod
    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """v(w)."""

    @abstractmethod
    def log_slope(self, v: Tensor, ends: Ends) -> Tensor:
        """log dw/dv."""


class Linear(Map):
    """w = v: no end."""

    heavy = True

    def to(self, v: Tensor, ends: Ends) -> Tensor:
        """The value."""
        return v

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """The value."""
        return w

    def log_slope(self, v: Tensor, ends: Ends) -> Tensor:
        """0."""
        return torch.zeros_like(v)


class Soft(Map):
    """w = v but near the ends: v = w + s log(1 + e^((low − w)/s)) − s log(1 + e^((w − high)/s)), s the width."""

    heavy = True

    def _inside(self, v: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
        """How far a value is above the low end and below the high one, in widths, and inside both."""
        return ((v - ends.low) / ends.width).clamp(min=NEAR), ((ends.high - v) / ends.width).clamp(min=NEAR)

    def to(self, v: Tensor, ends: Ends) -> Tensor:
        """v + s log(1 − e^(−(v − low)/s)) − s log(1 − e^(−(high − v)/s))."""
        above, below = self._inside(v, ends)
        return v + ends.width * ((-(-above).expm1()).log() - (-(-below).expm1()).log())

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """As above; what rounding puts beyond an end is put there."""
        s = ends.width
        return (w + s * (softplus((ends.low - w) / s) - softplus((w - ends.high) / s))).clamp(ends.low, ends.high)

    def log_slope(self, v: Tensor, ends: Ends) -> Tensor:
        """log(1/(1 − e^(−(v − low)/s)) + 1/(e^((high − v)/s) − 1))."""
        above, below = self._inside(v, ends)
        return (-1 / (-above).expm1() + 1 / below.expm1()).log()


class Log(Map):
    """w = log(v − low)."""

    heavy = False

    def to(self, v: Tensor, ends: Ends) -> Tensor:
        """log(v − low)."""
        return (v - ends.low).maximum(ends.width).log()

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """low + eʷ."""
        return ends.low + w.clamp(max=FAR).exp()

    def log_slope(self, v: Tensor, ends: Ends) -> Tensor:
        """−log(v − low)."""
        return -self.to(v, ends)


class LogBelow(Map):
    """w = −log(high − v)."""

    heavy = False

    def to(self, v: Tensor, ends: Ends) -> Tensor:
        """−log(high − v)."""
        return -(ends.high - v).maximum(ends.width).log()

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """high − e⁻ʷ."""
        return ends.high - (-w).clamp(max=FAR).exp()

    def log_slope(self, v: Tensor, ends: Ends) -> Tensor:
        """−log(high − v)."""
        return self.to(v, ends)


class Logit(Map):
    """w = log((v − low)/(high − v))."""

    heavy = False

    def _sides(self, v: Tensor, ends: Ends) -> tuple[Tensor, Tensor]:
        least = NEAR * (ends.high - ends.low)
        return (v - ends.low).maximum(least), (ends.high - v).maximum(least)

    def to(self, v: Tensor, ends: Ends) -> Tensor:
        """log(v − low) − log(high − v)."""
        above, below = self._sides(v, ends)
        return above.log() - below.log()

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """low + (high − low)/(1 + e⁻ʷ)."""
        return (ends.low + (ends.high - ends.low) * w.sigmoid()).minimum(ends.high)

    def log_slope(self, v: Tensor, ends: Ends) -> Tensor:
        """log((high − low)/((v − low)(high − v)))."""
        above, below = self._sides(v, ends)
        return (ends.high - ends.low).log() - above.log() - below.log()


class Asinh(Map):
    """w = arsinh(v/s), a logarithm to both sides of 0: heavy tails."""

    heavy = False

    def to(self, v: Tensor, ends: Ends) -> Tensor:
        """arsinh(v/s)."""
        return (v / ends.width).asinh()

    def back(self, w: Tensor, ends: Ends) -> Tensor:
        """s sinh w."""
        return ends.width * w.clamp(-FAR, FAR).sinh()

    def log_slope(self, v: Tensor, ends: Ends) -> Tensor:
        """−½ log(v² + s²)."""
        return -(v.square() + ends.width.square()).log() / 2


#: maps by the word that a column's description has; ``law`` of a file of types is one of the first four
MAPS: dict[str, Map] = {
    "linear": Linear(),
    "soft": Soft(),
    "log": Log(),
    "asinh": Asinh(),
    "log-below": LogBelow(),
    "logit": Logit(),
}
