"""Laws of v = g⁻¹(u) for a monotone map g and a law of u, normal or Student-t: the density has the slope of g in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
class Part(Protocol):
    """The m of n values that have one kind of map; ``light`` says whether their law of u has a normal's tails."""

    @property
    def light(self) -> bool:
        """Whether it has."""

    def of(self, values: Float[Tensor, "*batch n"], /) -> Float[Tensor, "*batch m"]:
        """Those of the values."""

    def put(self, values: Float[Tensor, "*batch n"], some: Float[Tensor, "*batch m"], /) -> Float[Tensor, "*batch n"]:
        """The values with others in their places."""

    def back(self, u: Float[Tensor, "*batch m"], /) -> Float[Tensor, "*batch m"]:
        """v."""


@runtime_checkable
class Mapping(Protocol):
    """g of n values side by side, as ``nn.marginal_map.MarginalMap`` is: ``kinds`` are the parts that it changes.

    ``light`` ``(n,)`` says of each value whether its law of u has a normal's tails.
    """

    light: Tensor

    @property
    def kinds(self) -> Sequence[Part]:
        """Those of each kind of map."""

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
        return self._moments[0]

    @property
    def variance(self) -> Tensor:
        """E[(v − E[v])²]."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        mean, variance, scale = self.base.mean, self.base.variance, self.base.scale
        freedom = self.base.df if isinstance(self.base, RawStudentT) else None
        for part in self.mapping.kinds:
            first, second = _moments_of(part, part.of(self.base.loc), part.of(scale), None if freedom is None else part.of(freedom))
            mean, variance = part.put(mean, first), part.put(variance, second)
        return mean, variance


def _moments_of(part: Part, loc: Tensor, scale: Tensor, freedom: Tensor | None) -> tuple[Tensor, Tensor]:
    """E[v] and Var[v] by a quadrature, about v(loc): nodes are even for a normal's tails, and ever farther apart for a Student-t's."""
    even, middle = part.light or freedom is None, part.back(loc)
    total = first = second = torch.zeros_like(loc)
    for place in range(NODES):
        at = 2 * place / (NODES - 1) - 1
        t, step = (REACH * at, 1.0) if even else (math.sinh(TAIL * at), math.cosh(TAIL * at))
        weight = step * (math.exp(-t * t / 2) if freedom is None else (-(freedom + 1) / 2 * (t * t / freedom).log1p()).exp())
        away = part.back(loc + t * scale) - middle
        first, total = first + weight * away, total + weight
        second = second + weight * away.square()
    first = first / total
    return middle + first, (second / total - first.square()).clamp(min=0)
