"""The marginal law of a column of numbers: its bounds, the values that many rows share, and the map that makes the others about normal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from lowerbound.data.cells import as_number
from lowerbound.data.maps import MAPS

#: which ends, the low and the high one, the maps have that need theirs; ``soft`` has those that there are
ENDS = {"linear": (False, False), "asinh": (False, False), "log": (True, False), "log-below": (False, True), "logit": (True, True)}


@dataclass(frozen=True)
class Marginal:
    """Values are from ``least`` to ``greatest``, None where there is no bound; ``spikes`` are those that many rows share, in their order.

    Others have a density between the ends ``low`` and ``high`` of a map ``law`` (``maps.MAPS``), which are beyond the bounds where values
    are at these. With v in the model's unit, u = (w(v) − ``loc``)/``scale`` is about standard normal; ``width`` is the map's, in that unit
    too. Where w is a logarithm draws of u end at ``bottom`` and ``top``, some way beyond all that was seen. All other numbers are in the
    column's own unit.
    """

    law: str = "linear"
    least: float | None = None
    greatest: float | None = None
    spikes: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    width: float = 1.0
    loc: float = 0.0
    scale: float = 1.0
    bottom: float | None = None
    top: float | None = None

    @classmethod
    def read(cls, words: Any) -> Marginal:
        """That of a JSON file. Errors: TypeError, KeyError, ValueError for an invalid description."""
        bounds = {key: None if words[key] is None else float(words[key]) for key in ("least", "greatest", "low", "high", "bottom", "top")}
        width, loc, scale = (float(words[key]) for key in ("width", "loc", "scale"))
        spikes = tuple(float(spike) for spike in words["spikes"])
        low, high = bounds["low"], bounds["high"]
        there = (low is not None, high is not None)
        numbers = [each for each in (*bounds.values(), *spikes, width, loc, scale) if each is not None]
        if words["law"] not in MAPS or ENDS.get(words["law"], there) != there or not all(map(math.isfinite, numbers)):
            raise ValueError("law")
        if min(width, scale) <= 0 or len(set(spikes)) != len(spikes) or (low is not None and high is not None and low >= high):
            raise ValueError("marginal")
        return cls(words["law"], spikes=spikes, width=width, loc=loc, scale=scale, **bounds)

    def bounded(self, value: float) -> float:
        """The value, or the bound that it is beyond."""
        above = value if self.least is None else max(value, self.least)
        return above if self.greatest is None else min(above, self.greatest)

    def written(self, value: float, places: int | None) -> str:
        """The value with so many decimals, or the nearest such number that is not beyond a bound."""
        text = as_number(self.bounded(value), places)
        rounded = float(text)
        inside = self.bounded(rounded)
        if inside == rounded:
            return text
        return repr(inside) if places is None else as_number(rounded + math.copysign(10.0**-places, inside - rounded), places)

    @property
    def bounds(self) -> str:
        """The bounds in words, none in none."""
        named = (("from", self.least), ("to", self.greatest))
        return " ".join(f"{word} {bound:.6g}" for word, bound in named if bound is not None)

    @property
    def described(self) -> str:
        """The bounds, spikes and map in words."""
        spikes = f"often {', '.join(f'{spike:.6g}' for spike in self.spikes)}" if self.spikes else ""
        return ", ".join(each for each in (self.bounds, spikes, self.law) if each)
