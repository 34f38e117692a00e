"""A normal law of values of which some are missing by their own size, and the curve by which they are: the fit that training begins at."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch import distributions as td

from lowerbound.distributions import points
from lowerbound.distributions.masking import Link

USUAL = 3.0  # a slope; two thirds of all are taken to be within a factor of e of it
BOUNDS = [(-5.0, 5.0), (math.log(0.25), math.log(4.0)), (-10.0, 10.0)]  # of the location, log σ and the place of the step
ANY, STEEP = (math.log(0.05), math.log(10.0)), (math.log(10.0), math.log(30.0))  # of the logarithm of the slope
LARGEST, SURE = (3, 5), 2.0  # one value in so many, and nats, by which values are taken to be cut off
MOST = 4_000  # values that a fit of four numbers needs at most
LEAST = 10  # values that it needs at least
CLEAR = 5.0  # nats that a curve must gain over a flat one, where it is not known which values are missing


class Selection(NamedTuple):
    """v ~ N(``loc``, ``scale``²), missing with the probability link(``intercept`` + ``slope`` v)."""

    loc: float
    scale: float
    intercept: float
    slope: float


def selection(values: Float[Tensor, " n"], missing: int, link: Link, sign: int = 0, room: bool = True) -> Selection:
    """The fit to n standardized ``values`` that are there and so many that are ``missing``, the larger ones where ``sign`` is 1.

    The largest Σ log N(v; m, s²)(1 − π(v)) + missing · log ∫ N π dv − ½ log²(|slope|/3): without the last a curve that is all but flat
    may be as likely. Where ``sign`` is 0 it is flat, unless another one is clearly better. Where it is not, there is ``room`` for values
    beyond all that are there, and these look cut off (``is_cut_off``), the slope is 10 or more: no normal law suits a skewed column, and
    a curve that is all but flat would make up for that.
    Source: Heckman, "Sample Selection Bias as a Specification Error", 1979, https://doi.org/10.2307/1912352.
    """
    n = len(values)
    share = torch.tensor((missing + 0.5) / (n + missing + 1), dtype=torch.float64)
    flat = Selection(0.0, 1.0, float(link.inverse(share)), 0.0)
    if not missing or n < LEAST:
        return flat
    some = values.cpu().double().sort().values[torch.linspace(0, n - 1, min(n, MOST)).long()]
    slopes = STEEP if sign and room and is_cut_off(some * sign) else ANY
    found = [_best(_Loss(some, n / len(some), missing, link, side), slopes) for side in ((-1, 1) if sign == 0 else (sign,))]
    loss, best = min(found, key=lambda each: each[0])
    at_random = -float(n * (td.Normal(0.0, 1.0).log_prob(some).mean() + (1 - share).log()) + missing * share.log())
    return flat if sign == 0 and at_random - loss < CLEAR else best


def is_cut_off(values: Float[Tensor, " n"]) -> bool:
    """Whether the largest third of the values, or the largest fifth, is even up to an end, and no tail: more likely so by two nats.

    Even, their k excesses e over the value below have the likelihood ((1 + 1/k) max e)⁻ᵏ, exponential at most (e · mean e)⁻ᵏ.
    """
    ordered = values.sort().values
    for share in LARGEST:
        k = max(len(values) // share, 2)
        excess = ordered[-k:] - ordered[-k - 1]
        if k * (1 + (excess.mean() / ((1 + 1 / k) * excess.max())).log()) > SURE:
            return True
    return False


class _Loss:
    """What is minimised over the location, log σ, the place of the step and the logarithm of the slope, and its gradient."""

    def __init__(self, values: Tensor, weight: float, missing: int, link: Link, side: int):
        self.values, self.weight, self.missing, self.link, self.side = values, weight, missing, link, side

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        at = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
        loc, log_scale, step, log_slope = at
        law, slope = td.Normal(loc, log_scale.exp(), validate_args=False), self.side * log_slope.exp()
        there = (law.log_prob(self.values) + self.link.log(slope * (step - self.values))).sum() * self.weight
        one = torch.ones(1, dtype=torch.bool)
        u, log_weight = points.of_numbers(law, one, step.detach().expand(1), one)
        hole = (log_weight + self.link.log(slope * (u - step))).logsumexp(0).sum()
        loss = (log_slope - math.log(USUAL)).square() / 2 - there - self.missing * hole
        (gradient,) = torch.autograd.grad(loss, at)
        return float(loss.detach()), gradient.numpy()


def _best(loss: _Loss, slopes: tuple[float, float]) -> tuple[float, Selection]:
    """From where values are missing here and there, and from where they are cut off, the logarithm of the slope between two ends."""
    from scipy.optimize import minimize

    side, edge = loss.side, float((loss.values * loss.side).max()) * loss.side
    starts = [(0.5 * side, 0.2, 0.5 * side, max(0.0, slopes[0])), (1.3 * side, 0.5, edge, max(math.log(8), slopes[0]))]
    tries = [minimize(loss, np.array(start), jac=True, method="L-BFGS-B", bounds=[*BOUNDS, slopes]) for start in starts]
    found = min(tries, key=lambda each: float(each.fun))
    loc, log_scale, step, log_slope = map(float, found.x)
    slope = side * math.exp(log_slope)
    return float(found.fun), Selection(loc, math.exp(log_scale), -slope * step, slope)
