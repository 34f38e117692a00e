"""Likelihoods of whole numbers: the levels of a pixel, and counts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, MixtureSameFamily
from torch.distributions import NegativeBinomial as NegativeBinomialLaw
from torch.distributions import Poisson as PoissonLaw

from lowerbound.distributions import discrete
from lowerbound.errors import DataError
from lowerbound.vae.likelihoods.base import A_PROBABILITY, PIXEL_STEPS, Likelihood, must_be_within
from lowerbound.vae.likelihoods.scales import positive


class Whole(Likelihood):
    """A law of whole numbers. ``steps`` is what value 1 stands for: 255 for pixels, which are then k/255, or 1 for counts."""

    note = A_PROBABILITY

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS, holes: bool = False):
        super().__init__(network, holes)
        self.steps = steps

    def each(self, *parameters: Tensor) -> Distribution:
        """The counts' law, on the values' scale."""
        return discrete.PixelLevels(self.counts(*parameters), self.steps)

    def counts(self, *parameters: Tensor) -> Distribution:
        """The law of k = steps × value."""
        raise NotImplementedError

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError for values that are no levels, or below 0."""
        name = type(self).__name__
        must_be_within(values, 0.0, math.inf, name)
        if ((values * self.steps).round() - values * self.steps).abs().max() > 0.05:
            raise DataError(f"a {name} likelihood needs whole numbers, or pixels; choose gaussian for others")


class Pixels(Whole):
    """A law of the ``steps`` + 1 levels of a pixel."""

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError for values that are no levels in [0, 1]."""
        must_be_within(values, 0.0, 1.0, type(self).__name__)
        super().check(values)


class LogisticMixture(Pixels):
    """A mixture of ``components`` discretised logistics: honest bits a dimension for 8-bit pixels.

    The network gives 3 × components numbers a value: mixture logits, locations, scales.
    Source: Salimans et al., "PixelCNN++", 2017, https://arxiv.org/abs/1701.05517; Kingma et al., "Improving
    Variational Inference with Inverse Autoregressive Flow", 2016, https://arxiv.org/abs/1606.04934 (one logistic).
    """

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS, components: int = 5, holes: bool = False):
        super().__init__(network, steps, holes)
        self.components = components
        self.outputs = 3 * components
        # apart from the start, or all would stay the same for ever
        self.start: Tensor
        self.register_buffer("start", torch.logit((torch.arange(components) + 0.5) / components), persistent=False)

    @classmethod
    def shape(cls, event: Sequence[int], components: int = 5, **arguments: Any) -> tuple[tuple[int, ...], int]:
        """That of the data; three numbers a component."""
        return tuple(event), 3 * components

    def counts(self, *parameters: Tensor) -> Distribution:
        """The mixture."""
        logits, loc, scale = torch.stack(parameters, -1).split(self.components, -1)
        loc = self.steps * torch.sigmoid(loc + self.start)
        component = discrete.DiscretizedLogistic(loc, self.steps * positive(scale - 2), self.steps)
        return MixtureSameFamily(Categorical(logits=logits, validate_args=False), component, validate_args=False)


def DiscretizedLogistic(network: nn.Module, steps: int = PIXEL_STEPS) -> LogisticMixture:
    """One logistic, discretised: ``LogisticMixture`` with one component."""
    return LogisticMixture(network, steps, components=1)


class BetaBinomial(Pixels):
    """The levels of a pixel as a beta-binomial, whose shape may be a bump, a U or a slope."""

    outputs = 2

    def counts(self, *parameters: Tensor) -> Distribution:
        """The beta-binomial."""
        a, b = (positive(raw + 0.5) for raw in parameters)
        return discrete.BetaBinomial(a, b, self.steps)


class LevelCategorical(Pixels):
    """Each level of a pixel with a probability of its own, ``levels`` of them: no shape assumed, and as many numbers a pixel."""

    def __init__(self, network: nn.Module, steps: int = PIXEL_STEPS, holes: bool = False):
        super().__init__(network, steps, holes)
        self.outputs = steps + 1

    @classmethod
    def shape(cls, event: Sequence[int], steps: int = PIXEL_STEPS, **arguments: Any) -> tuple[tuple[int, ...], int]:
        """That of the data; a number for each level."""
        return tuple(event), steps + 1

    def counts(self, *parameters: Tensor) -> Distribution:
        """The categorical."""
        return discrete.Numbered(torch.stack(parameters, -1))


class Poisson(Whole):
    """p(k|z) = Poisson(k; λ), λ = softplus of the decoder's number; ``steps`` as for all whole numbers."""

    def counts(self, *parameters: Tensor) -> Distribution:
        """The Poisson."""
        return PoissonLaw(positive(parameters[0]) * (self.steps / 2 if self.steps > 1 else 1), validate_args=False)


class NegativeBinomial(Whole):
    """Counts that vary more than a Poisson's: total count r and logits from the decoder."""

    outputs = 2

    def counts(self, *parameters: Tensor) -> Distribution:
        """The negative binomial."""
        return NegativeBinomialLaw(positive(parameters[0]), logits=parameters[1], validate_args=False)
