"""What is computed in double precision whatever the type of its numbers: laws whose log p is a small difference of large terms.

Beside log Γ(r), of 10⁸ at r = 10⁷, the seven digits of single precision leave nothing of a log p of −3: a dispersion that is learned, say,
would gain a likelihood that is not there. The usual formulas in double precision cost less than formulas in which nothing cancels do in
single precision (docs/log.md). docs/precision.md has the largest error of every law.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor
from torch import distributions as td
from torch.nn.functional import logsigmoid

from lowerbound.system.devices import widest


def in_double(function: Callable[..., Tensor], *given: Tensor) -> Tensor:
    """What the function makes of tensors, in their type, but computed in the widest that their device has."""
    kind, wide = reduce(torch.promote_types, (each.dtype for each in given)), widest(given[0].device)
    return function(*(each.to(wide) for each in given)).to(kind)


class Poisson(td.Poisson):
    """Poisson(λ), of ``rate`` λ > 0 ``(*batch,)``: p(k) = λᵏ e^(−λ)/k!."""

    def log_prob(self, value: Tensor) -> Tensor:
        """k log λ − λ − log k!, nats."""
        if self._validate_args:
            self._validate_sample(value)
        return in_double(lambda k, rate: k.xlogy(rate) - rate - (k + 1).lgamma(), value, self.rate)


class NegativeBinomial(td.NegativeBinomial):
    """NB(r, l), of ``total_count`` r > 0 and ``logits`` l ``(*batch,)``: p(k) = Γ(k + r)/(Γ(r) k!) S(−l)ʳ S(l)ᵏ, S the logistic function.

    Its mean is r eˡ; for r → ∞ it is a Poisson.
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(k), nats."""
        if self._validate_args:
            self._validate_sample(value)
        return in_double(_of_counts, value, self.total_count, self.logits)


class StudentT(td.StudentT):
    """Student-t of ``df`` ν > 0, ``loc`` and ``scale`` σ > 0 ``(*batch,)``: p(x) ∝ (1 + y²/ν)^(−(ν+1)/2)/σ with y = (x − loc)/σ."""

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x), nats."""
        if self._validate_args:
            self._validate_sample(value)
        return in_double(_of_student, value, self.df, self.loc, self.scale)


def _of_counts(k: Tensor, r: Tensor, logits: Tensor) -> Tensor:
    gammas = torch.lgamma(k + r) - torch.lgamma(r) - torch.lgamma(k + 1)
    return gammas + r * logsigmoid(-logits) + k * logsigmoid(logits)


def _of_student(x: Tensor, freedom: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    half = (freedom + 1) / 2
    gammas = torch.lgamma(half) - torch.lgamma(freedom / 2) - (math.pi * freedom).log() / 2
    return gammas - scale.log() - half * (((x - loc) / scale).square() / freedom).log1p()
