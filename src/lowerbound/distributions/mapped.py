"""Laws of v = g⁻¹(u) for a monotone map g and a law of u, normal or Student-t: the density has the slope of g in it."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch import distributions as td
from torch.distributions import constraints

from lowerbound.distributions.student import RawStudentT

NODES = 33  # of a quadrature
REACH = 9.0  # of its nodes for a normal, in σ
MANY = 1e6  # degrees of freedom of a normal
TAIL = 4.6  # sinh of it, 50 σ, is the reach for a Student-t


@runtime_checkable
class Mapping(Protocol):
    """g of n values side by side, as ``nn.marginal_map.MarginalMap`` is: ``bent`` are the places of those that it changes.

    ``light`` says which have a law of u with a normal's tails.
    """

    bent: Tensor
    light: Tensor

    def __call__(self, v: Float[Tensor, "*batch n"], /) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n"]]:
        """u = g(v) and log du/dv."""

    def back(self, u: Float[Tensor, "*batch n"], /) -> Float[Tensor, "*batch n"]:
        """v."""


class Mapped(td.Distribution):
    """p(v) = p_u(g(v)) g′(v), ``(*batch, n)`` of them; ``base`` is the law of u, and draws are g⁻¹ of its draws.

    Mean and variance of what is bent are by quadrature, of a base that is cut off at nine σ, or a Student-t at fifty: they are numbers, and
    do not hang on what a tail may do where nothing was ever seen.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 torch's name and kind

    def __init__(self, base: td.Normal | RawStudentT, mapping: Mapping):
        self.base, self.mapping = base, mapping
        super().__init__(base.batch_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Numbers."""
        return constraints.real

    def expand(self, batch_shape: Any, _instance: Any = None) -> Mapped:
        """The same laws over more batches."""
        return Mapped(self.base.expand(torch.Size(batch_shape)), self.mapping)

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log p_u(g(v)) + log g′(v), nats."""
        u, slope = self.mapping(value)
        found: Tensor = self.base.log_prob(u)
        return found + slope

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Values."""
        return self.mapping.back(self.base.sample(sample_shape))

    @property
    def mean(self) -> Tensor:
        """E[v]."""
        bent = self.mapping.bent
        return self.base.mean.index_copy(-1, bent, self._moments[0][..., bent])

    @property
    def variance(self) -> Tensor:
        """E[(v − E[v])²]."""
        bent = self.mapping.bent
        return self.base.variance.index_copy(-1, bent, self._moments[1][..., bent])

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        loc, scale = self.base.loc, self.base.scale
        freedom = self.base.df if isinstance(self.base, RawStudentT) else torch.full_like(loc, MANY)
        even = self.mapping.light | (not isinstance(self.base, RawStudentT))
        middle = self.mapping.back(loc)
        total = first = second = torch.zeros_like(loc)
        for place in range(NODES):
            at = 2 * place / (NODES - 1) - 1
            t = torch.where(even, REACH * at, math.sinh(TAIL * at)).to(loc)
            step = torch.where(even, 1.0, math.cosh(TAIL * at)).to(loc)
            weight = step * (-(freedom + 1) / 2 * (t.square() / freedom).log1p()).exp()
            away = self.mapping.back(loc + t * scale) - middle
            total, first, second = total + weight, first + weight * away, second + weight * away.square()
        first = first / total
        return middle + first, (second / total - first.square()).clamp(min=0)
