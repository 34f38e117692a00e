"""Laws of v = g⁻¹(u) for a monotone map g and a law of u, normal or Student-t: the density has the slope of g in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor
from torch import distributions as td
from torch.distributions import constraints

NODES = 33  # of a quadrature
REACH = 9.0  # of its nodes for a normal, in σ
TAIL = 4.6  # sinh of it, 50 σ, is the reach for a Student-t


class Mapping(Protocol):
    """g of n values side by side, ``bent`` those of them that it changes, as ``nn.marginal_map.MarginalMap`` is."""

    bent: Tensor

    def __call__(self, v: Float[Tensor, "*batch n"], /) -> Float[Tensor, "*batch n"]:
        """u = g(v)."""

    def back(self, u: Float[Tensor, "*batch n"], /) -> Float[Tensor, "*batch n"]:
        """v."""

    def log_slope(self, v: Float[Tensor, "*batch n"], /) -> Float[Tensor, "*batch n"]:
        """log du/dv."""


class Mapped(td.Distribution):
    """p(v) = p_u(g(v)) g′(v), ``(*batch, n)`` of them; ``base`` is the law of u, and draws are g⁻¹ of its draws.

    Mean and variance of what is bent are by quadrature, of a base that is cut off at nine σ, or a Student-t at fifty: they are numbers, and
    do not hang on what a tail may do where nothing was ever seen.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 torch's name and kind

    def __init__(self, base: td.Normal | td.StudentT, mapping: Mapping):
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
        found: Tensor = self.base.log_prob(self.mapping(value))
        return found + self.mapping.log_slope(value)

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
        middle = self.mapping.back(loc)
        total = first = second = torch.zeros_like(loc)
        for t, step in self._nodes():
            weight = step * self._kernel(t)
            away = self.mapping.back(loc + t * scale) - middle
            total, first, second = total + weight, first + weight * away, second + weight * away.square()
        first = first / total
        return middle + first, (second / total - first.square()).clamp(min=0)

    def _nodes(self) -> Sequence[tuple[float, float]]:
        """Points on the axis of (u − loc)/σ, and how far apart they are there."""
        to = [2 * place / (NODES - 1) - 1 for place in range(NODES)]
        if isinstance(self.base, td.StudentT):
            return [(math.sinh(TAIL * each), math.cosh(TAIL * each)) for each in to]
        return [(REACH * each, 1.0) for each in to]

    def _kernel(self, t: float) -> Tensor | float:
        """The density there but for a factor."""
        if isinstance(self.base, td.StudentT):
            freedom: Tensor = self.base.df
            return (-(freedom + 1) / 2 * (t * t / freedom).log1p()).exp()
        return math.exp(-t * t / 2)
