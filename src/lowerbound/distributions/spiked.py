"""A law of numbers of which some are shared by many: point masses at those, and a density elsewhere."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch import distributions as td
from torch.distributions import constraints


class Spiked(td.Distribution):
    """p(v_k) = π_k, a probability; elsewhere p(v) = (1 − Σπ) p_rest(v), a density. ``rest`` is ``(*batch, n)`` laws.

    ``logits`` ``(*batch, n, V)`` are those of the spikes against the rest, ``spikes`` ``(n, V)`` their values, NaN where a column has fewer;
    ``inside`` ``(n,)`` are values that the rest may have. The density is one with respect to length and a count of the spikes.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 torch's name and kind

    def __init__(
        self, logits: Float[Tensor, "*batch n V"], spikes: Float[Tensor, "n V"], rest: td.Distribution, inside: Float[Tensor, " n"]
    ):
        self.logits, self.spikes, self.rest, self.inside = logits, spikes, rest, inside
        super().__init__(rest.batch_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Numbers."""
        return constraints.real

    def expand(self, batch_shape: Any, _instance: Any = None) -> Spiked:
        """The same laws over more batches."""
        wide = torch.Size(batch_shape)
        return Spiked(self.logits.expand(*wide, -1), self.spikes, self.rest.expand(wide), self.inside)

    @cached_property
    def log_shares(self) -> Float[Tensor, "*batch n V1"]:
        """log(1 − Σπ), and log π of each spike."""
        there = self.logits.masked_fill(self.spikes.isnan(), -torch.inf)
        return torch.cat([torch.zeros_like(there[..., :1]), there], -1).log_softmax(-1)

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log π_k at a spike, log(1 − Σπ) + log p_rest elsewhere, nats."""
        at = value.unsqueeze(-1) == self.spikes
        spiked = at.any(-1)
        elsewhere = self.rest.log_prob(self.inside.where(spiked, value))  # a density may be none at a spike
        shares = self.log_shares[..., 1:].where(at, 0).sum(-1)
        return shares.where(spiked, self.log_shares[..., 0] + elsewhere)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Values; those of spikes to the bit."""
        which = td.Categorical(logits=self.log_shares, validate_args=False).sample(sample_shape)  # type: ignore[no-untyped-call]
        spikes = self.spikes.expand(*which.shape, -1).gather(-1, (which - 1).clamp(min=0).unsqueeze(-1)).squeeze(-1)
        return self.rest.sample(sample_shape).where(which == 0, spikes)

    @property
    def mean(self) -> Tensor:
        """Σ π_k v_k + (1 − Σπ) E_rest[v]."""
        shares = self.log_shares.exp()
        return (shares[..., 1:] * self.spikes.nan_to_num()).sum(-1) + shares[..., 0] * self.rest.mean

    @property
    def variance(self) -> Tensor:
        """Of all of it, about its mean."""
        shares, mean = self.log_shares.exp(), self.mean
        of_spikes = (shares[..., 1:] * (self.spikes.nan_to_num() - mean.unsqueeze(-1)).square()).sum(-1)
        return of_spikes + shares[..., 0] * (self.rest.variance + (self.rest.mean - mean).square())
