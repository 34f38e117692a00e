"""Mixtures of many components, by matrix products where they are Gaussian."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Independent, MixtureSameFamily, Normal

from lowerbound.system.devices import widest


class Mixture(MixtureSameFamily):
    """torch's, for many components: of diagonal Gaussians by matrix products, of a flow without values that score by broadcasting."""

    def log_prob(self, value: Tensor) -> Tensor:
        """log Σ_k π_k p_k(value), nats ``(*batch,)``."""
        components, logits = self.component_distribution, self.mixture_distribution.logits
        if not isinstance(components, Independent):
            each = components.log_prob(value.unsqueeze(-2).expand(*value.shape[:-1], logits.shape[-1], value.shape[-1]))
        elif isinstance(components.base_dist, Normal) and not self.batch_shape:
            each = _gaussians(value, components.base_dist.loc, components.base_dist.scale)
        else:
            return super().log_prob(value)  # type: ignore[no-untyped-call]
        return torch.logsumexp(each + logits.to(each.dtype).log_softmax(-1), -1).to(value.dtype)

    @property
    def gaussians(self) -> Normal | None:
        """The components of one law, where they are diagonal Gaussians."""
        components = self.component_distribution
        if self.batch_shape or not (isinstance(components, Independent) and isinstance(components.base_dist, Normal)):
            return None
        return components.base_dist

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws ``(*sample, *batch, d)``: of Gaussians each of the component that it falls to, where torch draws from all of them."""
        if (normal := self.gaussians) is None:
            return super().sample(sample_shape)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            chosen = self.mixture_distribution.sample(torch.Size(sample_shape))
            return torch.normal(normal.loc[chosen], normal.scale[chosen])


def _gaussians(value: Float[Tensor, "*batch d"], loc: Float[Tensor, "K d"], scale: Float[Tensor, "K d"]) -> Float[Tensor, "*batch K"]:
    """log N(value; loc_k, diag scale_k²) for each k, without a number for each pair and dimension.

    Σ (v − m)²/s² is v²·s⁻² − 2 v·(m s⁻²) + m²·s⁻², whose terms are as large as 1/s² and cancel: in double precision, where the device has
    it, and measured from the values' middle, so that where they are close to one another, as the draws of one posterior are, little has to.
    They stay in it, since how much of the mixture each component is follows from their differences.
    """
    middle = value.detach().reshape(-1, value.shape[-1]).mean(0)
    value, loc, scale = (each.to(widest(value.device)) for each in (value - middle, loc - middle, scale))
    precision = scale.reciprocal().square()
    square = value.square() @ precision.T - 2 * value @ (loc * precision).T + (loc.square() * precision).sum(1)
    return -0.5 * square - (scale.log() + 0.5 * math.log(2 * math.pi)).sum(1)
