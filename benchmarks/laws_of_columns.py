"""The laws of a table's columns for ``laws_table``: after a map, beside spikes, and of classes in an order; here and with all digits.

Locations, scales and ends are numbers that single precision has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import laws_exact as exact
import mpmath
import torch
from mpmath import log, log1p, mp
from torch import Tensor

from lowerbound.data.column import Column
from lowerbound.data.marginals import Marginal
from lowerbound.distributions.mixed import Nominal
from lowerbound.distributions.ordinal import of_pieces
from lowerbound.vae.likelihoods.numbers import LIGHT, Numbers
from lowerbound.vae.likelihoods.scales import FLOOR

MARGINALS = {
    "soft": Marginal("soft", low=-0.5, high=3.0, width=0.25, loc=0.125, scale=1.25),
    "log": Marginal("log", low=-0.5, width=2**-20, loc=0.375, scale=0.75),
    "log-below": Marginal("log-below", high=3.0, width=2**-20, loc=-1.125, scale=0.5),
    "logit": Marginal("logit", low=-0.5, high=3.0, loc=-0.25, scale=1.5),
    "asinh": Marginal("asinh", width=0.25, loc=0.5, scale=2.0),
}
SPIKED = Marginal("log", low=-0.5, width=2**-20, loc=0.375, scale=0.75, spikes=(0.0, 1.5))
CUTS = (-1.5, -0.25, 2.0)


def numbers(marginal: Marginal) -> Callable[..., Tensor]:
    """log p of a column of numbers with that marginal law, by what the decoder gives."""
    law = Numbers([Column("x", "number", marginal=marginal)], True)
    return lambda x, *given: law(torch.stack(given, -1)).log_prob(x[..., None])[..., 0]


def of_numbers(marginal: Marginal) -> Callable[..., Any]:
    """The same with all digits: log t(u) + log dw/dv − log of the marginal's scale; at a spike, and beside spikes, with shares."""
    low, high, width = (None if each is None else mp.mpf(each) for each in (marginal.low, marginal.high, marginal.width))
    bend: dict[str, Callable[[Any], tuple[Any, Any]]] = {
        "soft": lambda v: _soft((v - low) / width, (high - v) / width, v, width),
        "log": lambda v: (log(v - low), -log(v - low)),
        "log-below": lambda v: (-log(high - v), -log(high - v)),
        "logit": lambda v: (log((v - low) / (high - v)), log((high - low) / (v - low) / (high - v))),
        "asinh": lambda v: (mp.asinh(v / width), -log(v**2 + width**2) / 2),
    }
    more = 0 if marginal.law == "soft" else LIGHT

    def found(x: Any, loc: Any, s: Any, f: Any, *logits: Any) -> Any:
        total = log(1 + sum(mp.exp(logit) for logit in logits))
        if x in marginal.spikes:
            return logits[marginal.spikes.index(float(x))] - total
        w, slope = bend[marginal.law](x)
        floor = mp.mpf(FLOOR)
        nu, scale = 2 + floor + log1p(mp.exp(f + 2 + more)), floor + log1p(mp.exp(s))
        u = (w - mp.mpf(marginal.loc)) / mp.mpf(marginal.scale)
        return exact.of_student(u, nu, loc, scale) + slope - log(mp.mpf(marginal.scale)) - total

    return found


def _soft(above: Any, below: Any, v: Any, width: Any) -> tuple[Any, Any]:
    at_low, at_high = -mpmath.expm1(-above), mpmath.expm1(below)
    return v + width * (log(at_low) + log1p(1 / at_high)), log(1 / at_low + 1 / at_high)


def inside(*_: float) -> list[float]:
    """Values within all ends, some near them, the spikes among them."""
    return [-0.4999, -0.375, 0.0, 0.01, 1.0, 1.5, 2.75, 2.999]


def ordinal(k: Tensor, loc: Tensor, log_scale: Tensor) -> Tensor:
    """log p of a class."""
    return Nominal(of_pieces(loc, log_scale.exp(), torch.tensor(CUTS))).log_prob(k)


def of_ordinal(k: Any, loc: Any, log_scale: Any) -> Any:
    """log(S(a) − S(b)), the cuts around the class being a and b scales from the location."""
    a, b = ((mp.mpf(cut) - loc) / mp.exp(log_scale) for cut in ((*CUTS, 0)[int(k)], (0, *CUTS)[int(k)]))
    if k == 0:
        return exact.log_sigmoid(a)
    return exact.log_sigmoid(-b) if k == len(CUTS) else exact.log_sigmoid(a) + exact.log_sigmoid(-b) + log(-mpmath.expm1(b - a))
