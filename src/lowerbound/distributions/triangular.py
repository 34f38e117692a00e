"""N(μ, L Lᵀ), made at once."""

from __future__ import annotations

from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, MultivariateNormal

from lowerbound.distributions.shapes import broadcast_shapes


def multivariate_normal(loc: Float[Tensor, "*batch d"], scale_tril: Float[Tensor, "*batch_too d d"]) -> MultivariateNormal:
    """torch's, of arguments that are not checked. Its own constructor imports sympy, half a second of a command's time (torch 2.13)."""
    law = MultivariateNormal.__new__(MultivariateNormal)
    batch, event = broadcast_shapes(scale_tril.shape[:-2], loc.shape[:-1]), loc.shape[-1:]
    law.loc, law.scale_tril = loc.expand(batch + event), scale_tril.expand(batch + event + event)
    law._unbroadcasted_scale_tril = scale_tril
    Distribution.__init__(law, Size(batch), event, validate_args=False)
    return law
