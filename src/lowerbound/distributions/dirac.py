"""The Dirac law: all at one point."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributions as td
from torch.distributions import constraints


class Delta(td.Distribution):
    """The Dirac law at ``value`` ``(*batch, *event)``, the event being the last ``event_dim`` axes.

    It has no density: ``log_prob`` is the logarithm of the probability of a point, 0 at ``value`` and −∞ elsewhere, and is
    not to be compared with that of a law that has one. A deterministic encoder's posterior.

    >>> import torch
    >>> import lowerbound as lb
    >>> point = lb.distributions.Delta(torch.tensor([1.0, 2.0]))
    >>> point.sample((3,)).shape, float(point.log_prob(torch.tensor([1.0, 2.0]))), float(point.log_prob(torch.tensor([1.0, 2.1])))
    (torch.Size([3, 2]), 0.0, -inf)
    """

    arg_constraints = {"value": constraints.real}  # noqa: RUF012 torch's name and kind
    has_rsample = True

    def __init__(self, value: Tensor, event_dim: int = 1, validate_args: bool | None = None):
        self.value = value
        split = value.dim() - event_dim
        super().__init__(value.shape[:split], value.shape[split:], validate_args=validate_args)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """All real vectors of the event's shape."""
        return constraints.independent(constraints.real, len(self.event_shape))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Delta:
        """The law over a larger batch, ``batch_shape``."""
        value = self.value.expand(*batch_shape, *self.event_shape)
        return type(self)(value, len(self.event_shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """0 at the point and −∞ elsewhere; no gradient ``(*batch,)``."""
        same = value == self.value
        for _ in self.event_shape:
            same = same.all(-1)
        return torch.zeros_like(same, dtype=self.value.dtype).masked_fill(~same, -torch.inf)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """The point, again and again ``(*sample_shape, *batch, *event)``."""
        return self.value.expand(self._extended_shape(sample_shape))

    @property
    def mean(self) -> Tensor:
        """The point ``(*batch, *event)``, which is all there is."""
        return self.value

    @property
    def mode(self) -> Tensor:
        """The point ``(*batch, *event)``, which is all there is."""
        return self.value

    @property
    def variance(self) -> Tensor:
        """Zeros ``(*batch, *event)``: a point does not vary."""
        return torch.zeros_like(self.value)
