"""Likelihoods of values in [0, 1], as pixels have: zeros and ones, or greys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from lowerbound import distributions
from lowerbound.distributions import bernoulli, continuous_bernoulli
from lowerbound.vae.likelihoods.base import PIXEL_STEPS, Likelihood, PerValue
from lowerbound.vae.likelihoods.scales import positive


class Bernoulli(Likelihood):
    """p(x|z) = Π pᵢ^xᵢ (1 − pᵢ)^(1−xᵢ), the network giving the logits of p.

    With ``binarize`` (the default) a value g in [0, 1] is the probability of a one, drawn afresh each
    time it is observed; zeros and ones stay what they are. Without it grey values are kept, and the
    log-likelihood is the negative cross-entropy Σ g log p + (1 − g) log(1 − p): the mean of log p(b|z) over all
    binarizations b of g, so that the bound is one on the mean of log p(b), with an encoder that sees g.
    It is no density of grey values.

    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114
    (appendix C.1); dynamic binarization: Salakhutdinov and Murray, "On the quantitative analysis of
    deep belief networks", 2008, https://doi.org/10.1145/1390156.1390266.

    >>> import math
    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Bernoulli(torch.nn.Identity())  # a decoder whose logits are z itself
    >>> x = likelihood.observe(torch.rand(1, 64))  # greys, drawn as zeros and ones
    >>> round(float(likelihood(torch.zeros(1, 64)).log_prob(x)), 3), round(64 * math.log(1 / 2), 3)
    (-44.361, -44.361)
    """

    rough = True  # of a logit
    takes = "logits"
    low, high = 0.0, 1.0

    def __init__(self, network: nn.Module, binarize: bool = True, holes: bool = False):
        super().__init__(network, holes)
        self.binarize = binarize
        self.note = (
            "Pixels are binarized, their grey value the probability of a one: −bound/log 2 is a code length in bits."
            if binarize
            else "Grey pixels are kept: the mean over their binarizations of a bound on each, with an encoder that sees the greys."
        )

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """Bernoulli laws of these logits, a batch over the first ``axes`` axes."""
        return bernoulli.Bits(output, output.dim() - axes)

    @classmethod
    def shape(cls, event: Sequence[int], **arguments: Any) -> tuple[tuple[int, ...], int]:
        """The shape of the data, and 1: the network gives a logit for each value."""
        return tuple(event), 1

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """Zeros and ones ``(B, *event)`` drawn by the grey values, or where ``binarize`` is False the grey values themselves."""
        if not self.binarize:
            return values
        return bernoulli.drawn(values)


class ContinuousBernoulli(PerValue):
    """p(x|z) ∝ λ^x (1 − λ)^(1−x) on [0, 1]: the cross-entropy of grey values with the constant that makes it a density.

    Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli", 2019, https://arxiv.org/abs/1907.06845.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.ContinuousBernoulli(torch.nn.Identity())
    >>> law = likelihood(torch.zeros(1, 64))  # at logits of 0 it is uniform on [0, 1], of log density 0
    >>> round(abs(float(law.log_prob(torch.rand(1, 64)))), 3)
    0.0
    """

    takes = "logits"
    low, high = 0.0, 1.0

    def each(self, *parameters: Tensor) -> Distribution:
        """A continuous Bernoulli of these logits."""
        return continuous_bernoulli.ContinuousBernoulli(parameters[0], validate_args=False)

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values as they are ``(B, *event)``: greys in [0, 1]."""
        return values


class Beta(PerValue):
    """p(x|z) = Beta(x; a, b) with a and b from the decoder, for values in (0, 1).

    The density is 0 or infinite at the ends, so values there are moved to half a grey level inside.
    Concentrations are bounded below by .001 (``scales.FLOOR``) and start near 1.
    The network gives 2 numbers a value, ``(N, 2, *event)``.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Beta(torch.nn.Unflatten(1, (2, 3)))
    >>> likelihood(torch.zeros(1, 6)).mean.tolist()
    [[0.5, 0.5, 0.5]]
    >>> [round(value, 4) for value in likelihood.observe(torch.tensor([[0.0, 0.5, 1.0]]))[0].tolist()]
    [0.002, 0.5, 0.998]
    """

    takes = "concentrations before a softplus"
    outputs = 2
    low, high = 0.0, 1.0
    INSIDE = 0.5 / (PIXEL_STEPS + 1)

    def each(self, *parameters: Tensor) -> Distribution:
        """A Beta law of each value, of these concentrations."""
        a, b = (positive(raw + 0.5) for raw in parameters)
        return distributions.Beta(a, b, validate_args=False)

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values ``(B, *event)``, those at 0 and 1 moved inside by half a grey level."""
        return values.clamp(self.INSIDE, 1 - self.INSIDE)
