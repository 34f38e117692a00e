"""Laws of numbers and of counts as weighted points, for the mean of what has a step in it: half of the points are on each side of it."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch import distributions as td

from lowerbound.distributions.mapped import MANY, REACH, TAIL
from lowerbound.distributions.student import RawStudentT

SIDE = 20  # points on each side of a step
FIRST = 32  # counts that are points themselves, those from 0 on
BEYOND = 48  # points for all larger counts


@cache
def _legendre(n: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1) / 2, weights / 2


def _on(low: Tensor, high: Tensor, n: int) -> tuple[Float[Tensor, "n *batch"], Float[Tensor, "n *batch"]]:
    """Gauss–Legendre's nodes between two ends, and the logs of their weights."""
    nodes, weights = (torch.as_tensor(each, dtype=low.dtype, device=low.device).view(-1, *[1] * low.dim()) for each in _legendre(n))
    width = high - low
    return low + width * nodes, (width * weights).log()


def _from(step: Tensor, end: Tensor, n: int) -> tuple[Float[Tensor, "n *batch"], Float[Tensor, "n *batch"]]:
    """The same from a step to an end, closer to one another near the step, however steep it is: the nodes' square roots are Legendre's."""
    root, log_width = _on(torch.zeros_like(step), torch.ones_like(step), n)
    width = end - step
    return step + width * root.square(), log_width + (2 * width.abs() * root).log()


def of_numbers(law: td.Normal | RawStudentT, light: Tensor, step: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Points u ``(2 SIDE, n)`` and the logs of their weights, which sum to one, of the n laws where ``at`` is true.

    ``at``, ``light`` and ``step`` are of the shape of the laws: which have a normal's tails, and where what is averaged has its step. A
    normal is cut off at nine σ, a Student-t at fifty.
    """
    loc, scale = (part.expand_as(at)[at] for part in (law.loc, law.scale))
    heavy = isinstance(law, RawStudentT)
    freedom = law.df.expand_as(at)[at] if isinstance(law, RawStudentT) else torch.full_like(loc, MANY)
    with torch.no_grad():  # where the points are does not matter to the mean
        reach = torch.where(light[at] | (not heavy), math.asinh(REACH), TAIL).to(loc)
        middle = torch.minimum(torch.maximum(torch.asinh((step[at] - loc) / scale), -reach), reach)
        (left, of_left), (right, of_right) = (_from(middle, end, SIDE) for end in (-reach, reach))
        place, log_width = torch.cat([left, right]), torch.cat([of_left, of_right])
        t, log_width = place.sinh(), log_width + place.cosh().log()
    log_weight = log_width - (freedom + 1) / 2 * (t.square() / freedom).log1p()
    return loc + scale * t, log_weight.log_softmax(0)


def of_counts(law: td.NegativeBinomial, at: Tensor) -> tuple[Tensor, Tensor]:
    """Points k ``(FIRST + BEYOND, n)`` and the logs of their weights, which sum to one, of the n laws where ``at`` is true.

    The first counts are points themselves; for larger ones, p(k) being smooth there, an integral over log k stands for the sum.
    """
    total, logits = (part.expand_as(at)[at] for part in (law.total_count, law.logits))
    some = type(law)(total, logits=logits, validate_args=False)
    with torch.no_grad():
        mean, spread, tail = some.mean, some.variance.sqrt(), logits.exp()
        low = (mean - 9 * spread).clamp(min=FIRST - 0.5)
        high = torch.maximum(mean + 9 * spread + 30 * tail, low + 1)
        place, log_width = _on(low.log(), high.log(), BEYOND)
        first = torch.arange(FIRST, dtype=mean.dtype, device=mean.device)[:, None].expand(FIRST, len(mean))
        k = torch.cat([first, place.exp()])
        log_width = torch.cat([torch.zeros_like(first), log_width + place])
    return k, (some.log_prob(k) + log_width).log_softmax(0)
