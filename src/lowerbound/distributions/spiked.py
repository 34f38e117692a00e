"""A law of numbers of which some are shared by many: point masses at those, and a density elsewhere."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch import distributions as td
from torch.distributions import constraints


class Spiked(td.Distribution):
    """p(v_k) = π_k, a probability; elsewhere p(v) = (1 − Σπ) p_rest(v), a density. ``rest`` is ``(*batch,)`` laws.

    ``logits`` ``(*batch, V + 1)`` are of the rest and of the V spikes, ``spikes`` ``(V,)`` their values. The density is one with respect
    to length and a count of the spikes.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 torch's name and kind

    def __init__(self, logits: Float[Tensor, "*batch V1"], spikes: Float[Tensor, " V"], rest: td.Distribution, inside: Tensor):
        self.log_shares, self.spikes, self.rest, self.inside = logits.log_softmax(-1), spikes, rest, inside
        super().__init__(rest.batch_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Numbers."""
        return constraints.real

    def expand(self, batch_shape: Any, _instance: Any = None) -> Spiked:
        """The same laws over more batches."""
        wide = torch.Size(batch_shape)
        return Spiked(self.log_shares.expand(*wide, -1), self.spikes, self.rest.expand(wide), self.inside)

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log π_k at a spike, log(1 − Σπ) + log p_rest elsewhere, nats."""
        at = value.unsqueeze(-1) == self.spikes
        spiked = at.any(-1)
        elsewhere = self.rest.log_prob(value.where(~spiked, self.inside))  # a density may be none at a spike
        shares = (self.log_shares[..., 1:] * at).sum(-1)
        return shares.where(spiked, self.log_shares[..., 0] + elsewhere)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Values; those of spikes to the bit."""
        which = td.Categorical(logits=self.log_shares, validate_args=False).sample(sample_shape)  # type: ignore[no-untyped-call]
        rest = self.rest.sample(sample_shape)
        return rest.where(which == 0, self.spikes[(which - 1).clamp(min=0)])

    @property
    def mean(self) -> Tensor:
        """Σ π_k v_k + (1 − Σπ) E_rest[v]."""
        shares = self.log_shares.exp()
        return (shares[..., 1:] * self.spikes).sum(-1) + shares[..., 0] * self.rest.mean

    @property
    def variance(self) -> Tensor:
        """Of all of it, about its mean."""
        shares, mean = self.log_shares.exp(), self.mean
        of_spikes = (shares[..., 1:] * (self.spikes - mean.unsqueeze(-1)).square()).sum(-1)
        return of_spikes + shares[..., 0] * (self.rest.variance + (self.rest.mean - mean).square())
