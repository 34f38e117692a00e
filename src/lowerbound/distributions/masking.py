"""Probabilities that a value is missing, by the value itself, and what is behind a hole: p(v) π(v)/∫ p π, of columns of each kind.

Each ``Masking`` is π of the values of one part of a ``Mixed`` law, as ``SelfMasked`` has them side by side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch import distributions as td
from torch.distributions import constraints
from torch.nn.functional import logsigmoid

from lowerbound.distributions import points
from lowerbound.distributions.mapped import Mapped
from lowerbound.distributions.mixed import Nominal
from lowerbound.distributions.spiked import Spiked
from lowerbound.distributions.student import RawStudentT

ROUNDS = 64  # of draws, of which one is taken with probability π


@dataclass(frozen=True)
class Link:
    """How a number t ∈ ℝ is a probability: ``log`` gives log π(t), and log(1 − π(t)) is that of −t; ``inverse`` is t of π."""

    log: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]


LOGISTIC = Link(logsigmoid, torch.logit)
PROBIT = Link(torch.special.log_ndtr, torch.special.ndtri)


class Masking(ABC):
    """π(v) = link(t(v)) of n columns side by side."""

    link: Link

    @abstractmethod
    def number(self, law: td.Distribution, value: Float[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """t(v), of values that are there."""

    @abstractmethod
    def log_hole(self, law: td.Distribution, hole: Bool[Tensor, "*batch n"]) -> Float[Tensor, "*batch n"]:
        """log ∫ p π where there is a hole, nats; elsewhere any number."""

    @abstractmethod
    def behind(self, law: td.Distribution, hole: Bool[Tensor, "*batch n"]) -> td.Distribution:
        """The same laws, but p π/∫ p π where there is a hole: their means, variances and draws."""


@dataclass(frozen=True)
class OfClasses(Masking):
    """A number for each class of one column, ``numbers`` ``(C,)``; of a class that training has not seen their mean."""

    link: Link
    numbers: Float[Tensor, " C"]

    def number(self, law: td.Distribution, value: Tensor) -> Tensor:
        """That of the class."""
        return torch.where(value < 0, self.numbers.mean(), self.numbers[value.long().clamp(min=0)])

    def log_hole(self, law: td.Distribution, hole: Tensor) -> Tensor:
        """log Σ p_c π_c."""
        assert isinstance(law, Nominal)
        return (law.logits + self.link.log(self.numbers)).logsumexp(-1)

    def behind(self, law: td.Distribution, hole: Tensor) -> Nominal:
        """Classes."""
        assert isinstance(law, Nominal)
        return Nominal(torch.where(hole.unsqueeze(-1), law.logits + self.link.log(self.numbers), law.logits))


@dataclass(frozen=True)
class OfTruths(Masking):
    """t = a − b of false and a + b of true; a and b are ``(n,)``."""

    link: Link
    intercept: Float[Tensor, " n"]
    slope: Float[Tensor, " n"]

    def number(self, law: td.Distribution, value: Tensor) -> Tensor:
        """a ± b."""
        return self.intercept + self.slope * (2 * value - 1)

    def log_hole(self, law: td.Distribution, hole: Tensor) -> Tensor:
        """log(p₀ π₀ + p₁ π₁)."""
        assert isinstance(law, td.Bernoulli)
        no, yes = self._log_chances()
        return torch.logaddexp(logsigmoid(-law.logits) + no, logsigmoid(law.logits) + yes)

    def behind(self, law: td.Distribution, hole: Tensor) -> td.Bernoulli:
        """Zeros and ones."""
        assert isinstance(law, td.Bernoulli)
        no, yes = self._log_chances()
        return td.Bernoulli(logits=law.logits + torch.where(hole, yes - no, 0.0), validate_args=False)

    def _log_chances(self) -> tuple[Tensor, Tensor]:
        """log π of false and of true."""
        return self.link.log(self.intercept - self.slope), self.link.log(self.intercept + self.slope)


@dataclass(frozen=True)
class OfCounts(Masking):
    """t(k) = a + b (log(1 + k) − loc)/scale, all ``(n,)``."""

    link: Link
    intercept: Float[Tensor, " n"]
    slope: Float[Tensor, " n"]
    loc: Float[Tensor, " n"]
    scale: Float[Tensor, " n"]

    def number(self, law: td.Distribution, value: Tensor) -> Tensor:
        """Of counts."""
        return self.intercept + self.slope * (value.log1p() - self.loc) / self.scale

    def log_hole(self, law: td.Distribution, hole: Tensor) -> Tensor:
        """By the points of ``points.of_counts``."""
        assert isinstance(law, td.NegativeBinomial)
        _, log_weight = self._points(law, hole)
        return _put(hole, log_weight.logsumexp(0))

    def behind(self, law: td.Distribution, hole: Tensor) -> Behind:
        """Counts."""
        assert isinstance(law, td.NegativeBinomial)
        k, log_weight = self._points(law, hole)
        return Behind(law, self, hole, k, log_weight)

    def _points(self, law: td.NegativeBinomial, hole: Tensor) -> tuple[Tensor, Tensor]:
        """Points and the logs of p π."""
        k, log_weight = points.of_counts(law, hole)
        each = OfCounts(self.link, *(part.expand_as(hole)[hole] for part in (self.intercept, self.slope, self.loc, self.scale)))
        return k, log_weight + self.link.log(each.number(law, k))


@dataclass(frozen=True)
class OfNumbers(Masking):
    """t(v) = a + b u(v), u the value after the map of its column, if it has one; at a spike a and a number of its own.

    a and b are ``(n,)``, ``spikes`` ``(m, V)``.
    """

    link: Link
    intercept: Float[Tensor, " n"]
    slope: Float[Tensor, " n"]
    spikes: Float[Tensor, "m V"]

    def number(self, law: td.Distribution, value: Tensor) -> Tensor:
        """Of numbers."""
        rest = law.rest if isinstance(law, Spiked) else law
        if not isinstance(law, Spiked):
            return self.intercept + self.slope * (rest.mapping(value)[0] if isinstance(rest, Mapped) else value)
        at = value[..., law.places].unsqueeze(-1) == law.spikes
        spiked = at.any(-1)
        plain = value.index_copy(-1, law.places, law.inside.where(spiked, value[..., law.places]))
        found = self.number(rest, plain)
        of_spikes = self._of_spikes(law).where(at, 0).sum(-1)
        return found.index_copy(-1, law.places, of_spikes.where(spiked, found[..., law.places]))

    def log_hole(self, law: td.Distribution, hole: Tensor) -> Tensor:
        """By the points of ``points.of_numbers``; spikes as they are."""
        _, log_weight = self._points(law.rest if isinstance(law, Spiked) else law, hole)
        found = _put(hole, log_weight.logsumexp(0))
        if not isinstance(law, Spiked):
            return found
        at_spikes = (law.log_shares[..., 1:] + self.link.log(self._of_spikes(law))).logsumexp(-1)
        return found.index_copy(-1, law.places, torch.logaddexp(law.log_shares[..., 0] + found[..., law.places], at_spikes))

    def behind(self, law: td.Distribution, hole: Tensor) -> td.Distribution:
        """Numbers."""
        rest = law.rest if isinstance(law, Spiked) else law
        u, log_weight = self._points(rest, hole)
        values = torch.stack([rest.mapping.back(_put(hole, each))[hole] for each in u]) if isinstance(rest, Mapped) else u
        found = Behind(rest, self, hole, values, log_weight)
        if not isinstance(law, Spiked):
            return found
        chances = self.link.log(self._of_spikes(law)) - _put(hole, log_weight.logsumexp(0))[..., law.places].unsqueeze(-1)
        logits = law.logits + torch.where(hole[..., law.places].unsqueeze(-1), chances, 0.0)
        return Spiked(logits, law.spikes, law.places, found, law.inside)

    def _of_spikes(self, law: Spiked) -> Tensor:
        return self.intercept[law.places].unsqueeze(-1) + self.spikes

    def _points(self, law: td.Distribution, hole: Tensor) -> tuple[Tensor, Tensor]:
        """Points u and the logs of p π."""
        base = law.base if isinstance(law, Mapped) else law
        assert isinstance(base, td.Normal | RawStudentT)
        light = law.mapping.light if isinstance(law, Mapped) else torch.zeros_like(self.slope, dtype=torch.bool)
        step = -self.intercept * self.slope / (self.slope.square() + 1e-6)  # where t = 0
        u, log_weight = points.of_numbers(base, light.expand_as(hole), step.expand_as(hole), hole)
        a, b = (each.expand_as(hole)[hole] for each in (self.intercept, self.slope))
        return u, log_weight + self.link.log(a + b * u)


def _put(hole: Bool[Tensor, "*batch n"], found: Float[Tensor, " some"]) -> Float[Tensor, "*batch n"]:
    """What was found for the holes in their places, 0 elsewhere."""
    return torch.zeros(hole.shape, dtype=found.dtype, device=found.device).masked_scatter(hole, found)


class Behind(td.Distribution):
    """``law``, but p π/∫ p π where there is a hole: ``values`` ``(P, holes)`` with the logs of p π are points of those."""

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 torch's name and kind

    def __init__(self, law: td.Distribution, masking: Masking, hole: Tensor, values: Tensor, log_weight: Tensor):
        self.law, self.masking, self.hole = law, masking, hole
        self.values, self.weight = values, log_weight.softmax(0)
        super().__init__(hole.shape, validate_args=False)

    @cached_property
    def _means(self) -> Tensor:
        return (self.weight * self.values).sum(0)

    @property
    def mean(self) -> Tensor:
        """E[v]."""
        return torch.where(self.hole, _put(self.hole, self._means), self.law.mean)

    @property
    def variance(self) -> Tensor:
        """E[(v − E[v])²]."""
        found = (self.weight * (self.values - self._means).square()).sum(0)
        return torch.where(self.hole, _put(self.hole, found), self.law.variance)

    @torch.no_grad()
    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Values: the first of many draws of p that π takes; where it takes none, one of them by its π."""
        shape = torch.Size([*sample_shape, *self.hole.shape])
        found, best = self.law.sample(sample_shape).expand(shape), torch.full(shape, -torch.inf, device=self.hole.device)
        waits = self.hole.expand(shape)
        for _ in range(ROUNDS):
            drawn = self.law.sample(sample_shape).expand(shape)
            log_chance = self.masking.link.log(self.masking.number(self.law, drawn))
            key = log_chance - (-torch.rand_like(log_chance).log()).log()  # Gumbel's: the largest is a draw by π
            better = waits & (key > best)
            taken = waits & (torch.rand_like(log_chance).log() < log_chance)
            found, best = torch.where(better | taken, drawn, found), torch.where(better, key, best)
            waits = waits & ~taken
            if not bool(waits.any()):
                break
        return found
