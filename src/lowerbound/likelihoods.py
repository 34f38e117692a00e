"""p(x|z): the decoder, read as a distribution of the datum given the latent.

Each also says how values are seen by it (``observe``): a Bernoulli is a law of zeros and ones, so
grey values become them before anything is scored.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli as BernoulliLaw
from torch.distributions import Distribution, Independent, Normal

from lowerbound.conditional import ConditionalLaw
from lowerbound.errors import DataError, RecipeError


class Likelihood(ConditionalLaw):
    """A law of x given latents ``(*batch, d)``; in training the batch axes are ``(K, B)``."""

    #: what its nats are nats of, for whoever reads a figure
    note: str

    def batch_axes(self, context: Tensor) -> int:
        """All axes of z but the last."""
        return context.dim() - 1

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError where this law cannot be one of ``values``; all real numbers will do by default.

        Apart from ``observe`` because a look at the values makes an accelerator wait: once, not each step.
        """

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """Raw values as the data that this law describes; the same by default."""
        return values


class Bernoulli(Likelihood):
    """p(x|z) = Π pᵢ^xᵢ (1 − pᵢ)^(1−xᵢ), the network ``(N, d) → (N, *event)`` giving the logits of p.

    With ``binarize`` (the default) a value g in [0, 1] is the probability of a one, drawn afresh each
    time it is observed; zeros and ones stay what they are. Without it grey values are kept, and the
    log-likelihood is the negative cross-entropy Σ g log p + (1 − g) log(1 − p): the mean of log p(b|z) over all
    binarizations b of g, so that the bound is one on the mean of log p(b), with an encoder that sees g.
    It is no density of grey values.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (appendix C.1); dynamic binarization: Salakhutdinov and Murray, "On the quantitative analysis of
    deep belief networks", 2008, https://doi.org/10.1145/1390156.1390266.
    """

    def __init__(self, network: nn.Module, binarize: bool = True):
        super().__init__(network)
        self.binarize = binarize

    @property
    def note(self) -> str:  # type: ignore[override]
        """What its nats are nats of."""
        if self.binarize:
            return "Pixels are binarized, their grey value the probability of a one: −bound/log 2 is a code length in bits."
        return "Grey pixels are kept: the mean over their binarizations of a bound on each, with an encoder that sees the greys."

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """Laws over the shape of the network's output, mean the image."""
        return Independent(BernoulliLaw(logits=output, validate_args=False), output.dim() - axes, validate_args=False)

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError for values outside [0, 1]."""
        if not (values.min() >= 0 and values.max() <= 1):  # said so that NaN is outside too
            raise DataError("a Bernoulli likelihood needs values in [0, 1]; rescale the data or choose gaussian")

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """Zeros and ones, or the grey values themselves."""
        return (torch.rand_like(values) < values).to(values.dtype) if self.binarize else values


class Gaussian(Likelihood):
    """p(x|z) = N(x; f(z), σ² I) with σ fixed, the network ``(N, d) → (N, *event)`` giving f.

    −log p(x|z) = C ‖x − f(z)‖² + (D/2) log(2πσ²) with C = 1/(2σ²) for D values: C is the weight of the
    squared error against the KL, and the constant is kept, so that the bound is one on log p(x), a
    density in the units of x.

    Errors: RecipeError for σ ≤ 0 or not finite.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (appendix C.2); Rybkin et al., "Simple and effective VAE training with calibrated decoders", 2021,
    https://arxiv.org/abs/2006.13202, on why σ matters.
    """

    def __init__(self, network: nn.Module, scale: float = 0.1):
        super().__init__(network)
        if not (0 < scale < math.inf):
            raise RecipeError(f"σ must be a positive number, not {scale:g}; e.g. --scale 0.1")
        self.scale = float(scale)
        self.note = (
            "A log density in the units of the data (white is 1 for images): it can be positive, and bits a dimension are no code length."
        )

    @property
    def weight(self) -> float:
        """C = 1/(2σ²), the weight of the squared error."""
        return 1 / (2 * self.scale**2)

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """Laws over the shape of the network's output."""
        scale = torch.full_like(output, self.scale)
        return Independent(Normal(output, scale, validate_args=False), output.dim() - axes, validate_args=False)
