"""Likelihoods of whole numbers: the levels of a pixel, and counts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily

from lowerbound.distributions import discrete, double, ordinal
from lowerbound.vae.likelihoods.base import A_PROBABILITY, PIXEL_STEPS, PerValue
from lowerbound.vae.likelihoods.ordinal import LOG_SCALE
from lowerbound.vae.likelihoods.scales import positive

LEAST = 1e-6  # the share that a level has at least, so that its cuts are apart in single precision


class Whole(PerValue):
    """A distribution of whole numbers. ``steps`` is what value 1 stands for: 255 for pixels, which are then k/255, or 1 for counts."""

    note = A_PROBABILITY
    low = 0.0
    steps: int

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS, holes: bool = False):
        super().__init__(network, holes)
        self.steps = steps

    def each(self, *parameters: Tensor) -> Distribution:
        """The counts' law, on the values' scale."""
        return discrete.PixelLevels(self.counts(*parameters), self.steps)

    @abstractmethod
    def counts(self, *parameters: Tensor) -> Distribution:
        """The distribution of k = steps × value."""

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values as they are."""
        return values


class OfLogistics(Whole):
    """A mixture of ``components`` logistic laws, of whose pieces each is a whole number.

    The network gives 3 × components numbers per value: mixture logits, locations, scales.
    """

    takes = "logits, locations and scales before they are bounded"
    high = 1.0
    outputs, outputs_of = 0, {"components": 3}

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS, components: int = 5, holes: bool = False):
        super().__init__(network, steps, holes)
        self.components = components
        _, self.outputs = self.shape((), components=components)
        # apart from the start, or all would stay the same for ever
        self.start: Tensor
        self.register_buffer("start", torch.logit((torch.arange(components) + 0.5) / components), persistent=False)

    def counts(self, *parameters: Tensor) -> Distribution:
        """The mixture's law of each k."""
        logits, loc, scale = torch.stack(parameters, -1).split(self.components, -1)
        each = self.component(loc + self.start, scale)
        return MixtureSameFamily(Categorical(logits=logits, validate_args=False), each, validate_args=False)

    @abstractmethod
    def component(self, loc: Tensor, scale: Tensor) -> ordinal.LogisticPieces:
        """Each of the mixed, by the network's numbers for its location and scale."""


class LogisticMixture(OfLogistics):
    """A mixture of ``components`` discretised logistics: honest bits/dim for 8-bit pixels.

    The network gives 3 × components numbers per value: mixture logits, locations, scales.
    Source: Salimans et al., "PixelCNN++", 2017, https://arxiv.org/abs/1701.05517; Kingma et al., "Improving
    Variational Inference with Inverse Autoregressive Flow", 2016, https://arxiv.org/abs/1606.04934 (one logistic).

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.LogisticMixture(torch.nn.Unflatten(1, (15, 1)))  # 3 × 5 numbers for one pixel
    >>> levels = torch.arange(256)[:, None] / 255
    >>> round(float(likelihood(torch.zeros(1, 15)).log_prob(levels).exp().sum()), 3)
    1.0
    """

    def component(self, loc: Tensor, scale: Tensor) -> ordinal.LogisticPieces:
        """Logistic laws whose mass is that of each level's interval."""
        return ordinal.DiscretizedLogistic(self.steps * torch.sigmoid(loc), self.steps * positive(scale - 2), self.steps)


def DiscretizedLogistic(network: nn.Module, steps: int = PIXEL_STEPS) -> LogisticMixture:
    """One logistic, discretised: ``LogisticMixture`` with one component.

    The network ``(N, d) → (N, 3, *event)`` gives a mixture logit that says nothing, a location and a scale.
    Source: as there.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.DiscretizedLogistic(torch.nn.Unflatten(1, (3, 1)))
    >>> levels = torch.arange(256)[:, None] / 255
    >>> round(float(likelihood(torch.zeros(1, 3)).log_prob(levels).exp().sum()), 3)
    1.0
    """
    return LogisticMixture(network, steps, components=1)


class OrderedLogistic(OfLogistics):
    """A mixture of ``components`` logistics over levels that are as far apart as the training data have them often.

    P(level ≤ k) = Σ_c π_c S((cut_k − μ_c)/s_c), S the logistic function: an ordered logistic model. Its ``cuts`` are those at which μ = 0
    and s = 1 have the shares of the levels in all training data (``meet``; before, all levels alike), so that a few levels which are
    most of an image, as white and black are, cost little. The network gives 3 × components numbers per value: logits, μ and log s.
    Source: McCullagh, "Regression Models for Ordinal Data", 1980, https://doi.org/10.1111/j.2517-6161.1980.tb01109.x.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.OrderedLogistic(torch.nn.Unflatten(1, (3, 1)), steps=1, components=1)
    >>> likelihood.meet([torch.cat([torch.zeros(300, 1), torch.ones(100, 1)])])  # three of four pixels are black
    >>> round(float(likelihood(torch.zeros(1, 3)).log_prob(torch.zeros(1, 1)).exp()), 2)  # and so they are at μ = 0, s = 1
    0.75
    """

    cuts: Tensor

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS, components: int = 3, holes: bool = False):
        super().__init__(network, steps, components, holes)
        self.register_buffer("cuts", cuts_of(torch.ones(steps + 1)))

    @torch.no_grad()
    def meet(self, batches: Iterable[Tensor]) -> None:
        """Take ``cuts`` from all batches ``(B, *event)`` of data, as ``fit`` does first."""
        levels = [(values[~values.isnan()] * self.steps).round().long() for values in batches]
        self.cuts.copy_(cuts_of(sum((torch.bincount(some, minlength=self.steps + 1) for some in levels), torch.zeros(()))))

    def component(self, loc: Tensor, scale: Tensor) -> ordinal.LogisticPieces:
        """Logistic laws whose mass is that between two cuts."""
        return ordinal.OrderedLogistic(loc, scale.clamp(-LOG_SCALE, LOG_SCALE).exp(), self.cuts)


def cuts_of(counts: Float[Tensor, " levels"]) -> Float[Tensor, " levels-1"]:
    """Where a standard logistic law has the shares of levels that occur so often, each of half a time, or of ``LEAST`` of all, at least."""
    counts = counts.double().cpu()
    counts = counts + max(0.5, LEAST * float(counts.sum()))
    return (counts.cumsum(0)[:-1].log() - counts.flip(0).cumsum(0).flip(0)[1:].log()).float()


class BetaBinomial(Whole):
    """The levels of a pixel as a beta-binomial, whose shape may be a bump, a U or a slope: p(k|z) = C(n, k) B(k + a, n − k + b)/B(a, b).

    n is ``steps``, 255 for pixels k/255. The network gives a and b, ``(N, 2, *event)``, through FLOOR + softplus; both start near 1, where
    all levels are alike.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.BetaBinomial(torch.nn.Unflatten(1, (2, 1)))
    >>> levels = torch.arange(256)[:, None] / 255
    >>> round(float(likelihood(torch.zeros(1, 2)).log_prob(levels).exp().sum()), 3)
    1.0
    """

    takes = "concentrations before a softplus"
    outputs = 2
    high = 1.0

    def counts(self, *parameters: Tensor) -> Distribution:
        """The beta-binomial law of each k."""
        a, b = (positive(raw + 0.5) for raw in parameters)
        return discrete.BetaBinomial(a, b, self.steps)


class LevelCategorical(Whole):
    """Each level of a pixel with a probability of its own, softmax of the network's numbers: no shape is assumed.

    There are ``steps`` + 1 levels, k/``steps``, and the network gives as many numbers a value, ``(N, steps + 1, *event)``.

    >>> import math
    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.LevelCategorical(torch.nn.Unflatten(1, (256, 1)))
    >>> nats = float(likelihood(torch.zeros(1, 256)).log_prob(torch.tensor([[128 / 255]])))
    >>> round(-nats / math.log(2), 3)  # bits for one of 256 levels that are alike
    8.0
    """

    takes = "logits"
    high = 1.0
    outputs_of = {"steps": 1}  # noqa: RUF012

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS, holes: bool = False):
        super().__init__(network, steps, holes)
        _, self.outputs = self.shape((), steps=steps)

    def counts(self, *parameters: Tensor) -> Distribution:
        """The categorical law of each k."""
        return discrete.Numbered(torch.stack(parameters, -1))


class Poisson(Whole):
    """Counts of one rate: p(k|z) = λᵏ e^−λ / k!, λ = FLOOR + softplus of the decoder's number.

    ``steps`` is what value 1 stands for: 1 for counts, 255 for pixels k/255, of which λ is then times 255/2.

    >>> import torch
    >>> import lowerbound as lb
    >>> law = lb.likelihoods.Poisson(torch.nn.Identity(), steps=1)(torch.zeros(1, 1))
    >>> round(float(law.mean), 3), round(float(law.log_prob(torch.zeros(1, 1))), 3)  # λ, and log p(0) = −λ
    (0.694, -0.694)
    """

    takes = "λ before a softplus"

    def counts(self, *parameters: Tensor) -> Distribution:
        """The Poisson law of each k."""
        return double.Poisson(positive(parameters[0]) * (self.steps / 2 if self.steps > 1 else 1), validate_args=False)


class NegativeBinomial(Whole):
    """Counts that vary more than a Poisson's: p(k|z) = C(k + r − 1, k) (1 − p)ʳ pᵏ, of mean r p/(1 − p) and variance mean/(1 − p).

    The network ``(N, d) → (N, 2, *event)`` gives what r is the softplus of, and the logit of p. ``steps`` is what value 1 stands for: 1 for
    counts.

    >>> import torch
    >>> import lowerbound as lb
    >>> law = lb.likelihoods.NegativeBinomial(torch.nn.Unflatten(1, (2, 1)), steps=1)(torch.zeros(1, 2))  # p = ½
    >>> round(float(law.variance / law.mean), 3)
    2.0
    """

    takes = "r before a softplus, and logits"
    outputs = 2

    def counts(self, *parameters: Tensor) -> Distribution:
        """The negative binomial law of each k."""
        return double.NegativeBinomial(positive(parameters[0]), logits=parameters[1], validate_args=False)
