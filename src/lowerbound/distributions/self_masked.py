"""A law of a row's values of which each may be missing, with a probability that depends on the value itself: a hole is an outcome too.

p(v, there) = p(v)(1 − π(v)) and p(hole) = ∫ p(v) π(v) dv, which sum and integrate to one. What is behind a hole has the law
p(v) π(v)/∫ p π. What π is, of values of each kind, is in masking.py.

Source: Ipsen, Mattei and Frellsen, "not-MIWAE: Deep Generative Modelling with Missing not at Random Data", 2021,
https://arxiv.org/abs/2006.12871; there what is missing is drawn, here it is summed or integrated out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch import distributions as td
from torch.distributions import constraints

from lowerbound.distributions.masking import Masking
from lowerbound.distributions.mixed import Mixed
from lowerbound.distributions.shapes import broadcast_shapes

PLAIN = 0.5  # stands in a hole: every law has a finite density here


class SelfMasked(td.Distribution):
    """D values side by side, each of which may be missing (NaN) by a ``masking`` of its part of ``law``.

    ``log_prob`` is that of each value and that it is there, or that it is missing, in nats. Draws, means and variances are of whole rows;
    ``of`` gives those of examples at hand, where what is missing is known to be.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 torch's name and kind

    def __init__(self, law: Mixed, masking: Sequence[Masking], hole: Bool[Tensor, "*batch D"] | None = None):
        self.law, self.masking, self.hole = law, tuple(masking), hole
        super().__init__(law.batch_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Numbers."""
        return constraints.real

    def expand(self, batch_shape: Any, _instance: Any = None) -> SelfMasked:
        """The same laws over more batches."""
        return SelfMasked(self.law.expand(batch_shape), self.masking, self.hole)

    def of(self, x: Float[Tensor, "B D"], observed: Bool[Tensor, "B D"] | None = None) -> SelfMasked:
        """The same for examples at hand; where a value is not ``observed`` it is not known whether it is missing."""
        hole = x.isnan()
        return SelfMasked(self.law, self.masking, hole if observed is None else hole & observed)

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log p(v)(1 − π(v)) of a value, log ∫ p π of NaN, nats."""
        value = value.expand(broadcast_shapes(value.shape, self.batch_shape))
        hole = value.isnan()
        plain = value.where(~hole, PLAIN)
        each = [
            torch.where(gone, masking.log_hole(law, gone), law.log_prob(some) + masking.link.log(-masking.number(law, some)))
            for law, masking, gone, some in zip(self.law.parts, self.masking, self.law.parted(hole), self.law.parted(plain), strict=True)
        ]
        return self.law.joined(each)

    @cached_property
    def values(self) -> Mixed:
        """The law of values alone: of whole rows, or of examples at hand, whose holes are known."""
        if self.hole is None:
            return self.law
        holes = self.law.parted(self.hole.expand(self.batch_shape))
        each = [masking.behind(law, hole) for law, masking, hole in zip(self.law.parts, self.masking, holes, strict=True)]
        return Mixed(each, self.law.places)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Values, none of them missing."""
        return self.values.sample(sample_shape)

    @property
    def mean(self) -> Tensor:
        """As ``Mixed`` has it."""
        return self.values.mean

    @property
    def variance(self) -> Tensor:
        """As ``Mixed`` has it."""
        return self.values.variance
