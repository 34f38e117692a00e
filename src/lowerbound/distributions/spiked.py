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

    The m of them in ``places`` have spikes: ``spikes`` ``(m, V)`` are their values, NaN where one has fewer, ``logits`` ``(*batch, m, V)``
    are against the rest. ``inside`` ``(m,)`` are values that the rest may have. The density is one with respect to length and a count
    of the spikes.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 torch's name and kind

    def __init__(self, logits: Tensor, spikes: Tensor, places: Tensor, rest: td.Distribution, inside: Tensor):
        self.logits, self.spikes, self.places, self.rest, self.inside = logits, spikes, places, rest, inside
        super().__init__(rest.batch_shape, validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Numbers."""
        return constraints.real

    def expand(self, batch_shape: Any, _instance: Any = None) -> Spiked:
        """The same laws over more batches."""
        wide = torch.Size(batch_shape)
        logits = self.logits.expand(*wide[:-1], *self.logits.shape[-2:])
        return Spiked(logits, self.spikes, self.places, self.rest.expand(wide), self.inside)

    @cached_property
    def log_shares(self) -> Float[Tensor, "*batch m V1"]:
        """log(1 − Σπ), and log π of each spike."""
        there = self.logits.masked_fill(self.spikes.isnan(), -torch.inf)
        return torch.cat([torch.zeros_like(there[..., :1]), there], -1).log_softmax(-1)

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log π_k at a spike, log(1 − Σπ) + log p_rest elsewhere, nats."""
        some = value[..., self.places]
        at = some.unsqueeze(-1) == self.spikes
        spiked = at.any(-1)
        found = self.rest.log_prob(value.index_copy(-1, self.places, self.inside.where(spiked, some)))  # a density may be none at a spike
        shares = self.log_shares[..., 1:].where(at, 0).sum(-1)
        return found.index_copy(-1, self.places, shares.where(spiked, self.log_shares[..., 0] + found[..., self.places]))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Values; those of spikes to the bit."""
        which = td.Categorical(logits=self.log_shares, validate_args=False).sample(sample_shape)
        spikes = self.spikes.expand(*which.shape, -1).gather(-1, (which - 1).clamp(min=0).unsqueeze(-1)).squeeze(-1)
        rest = self.rest.sample(sample_shape)
        return rest.index_copy(-1, self.places, rest[..., self.places].where(which == 0, spikes))

    @property
    def mean(self) -> Tensor:
        """Σ π_k v_k + (1 − Σπ) E_rest[v]."""
        return self._moments[0]

    @property
    def variance(self) -> Tensor:
        """Of all of it, about its mean."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor]:
        means, variances = self.rest.mean, self.rest.variance
        shares, spikes = self.log_shares.exp(), self.spikes.nan_to_num()
        rest = means[..., self.places]
        mean = (shares[..., 1:] * spikes).sum(-1) + shares[..., 0] * rest
        of_spikes = (shares[..., 1:] * (spikes - mean.unsqueeze(-1)).square()).sum(-1)
        variance = of_spikes + shares[..., 0] * (variances[..., self.places] + (rest - mean).square())
        return means.index_copy(-1, self.places, mean), variances.index_copy(-1, self.places, variance)
