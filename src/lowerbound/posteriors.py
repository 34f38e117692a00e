"""q(z|x): the encoder, read as a distribution of the latent given a datum."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from lowerbound.conditional import LOG_VARIANCE, ConditionalLaw


class Posterior(ConditionalLaw):
    """A law of z given data ``(B, *event)``: one batch axis."""

    #: numbers that the network gives for each latent dimension
    parameters_per_dimension: int

    def batch_axes(self, context: Tensor) -> int:
        """Data come with one axis, B."""
        return 1


class DiagonalGaussian(Posterior):
    """q(z|x) = N(μ, diag σ²); the network ``(N, *event) → (N, 2 d)`` gives μ, then log σ².

    log σ² is bounded to ``LOG_VARIANCE``.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (appendix C.2).
    """

    parameters_per_dimension = 2

    def law(self, output: Float[Tensor, "B parameters"], axes: int) -> Distribution:
        """A batch ``(B,)`` of laws over ``(d,)``."""
        mean, log_variance = output.chunk(2, dim=axes)
        scale = (log_variance.clamp(*LOG_VARIANCE) / 2).exp()
        return Independent(Normal(mean, scale, validate_args=False), 1, validate_args=False)
