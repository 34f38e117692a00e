"""Laws of whole numbers that torch lacks, and whole numbers as the levels of a pixel."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Beta as BetaLaw
from torch.distributions import Binomial, Categorical, Distribution, constraints
from torch.distributions.utils import broadcast_all

from lowerbound.distributions.double import in_double


class OverSteps(Distribution, ABC):
    """A law of whole numbers, ``counts``, seen as values k/``steps``."""

    steps: int

    @property
    @abstractmethod
    def counts(self) -> Distribution:
        """That of k."""

    @property
    def mean(self) -> Tensor:
        """Mean value."""
        return self.counts.mean / self.steps

    @property
    def variance(self) -> Tensor:
        """Variance of the value."""
        return self.counts.variance / self.steps**2

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Values that are levels."""
        return self.counts.sample(sample_shape) / self.steps


class PixelLevels(OverSteps):
    """A law of whole numbers k = 0 … ``steps``, seen as values k/steps: the 256 levels of a pixel in [0, 1].

    log_prob is that of k, a probability and no density: −log_prob / log 2 is a number of bits that can be coded.
    Values between levels are taken for the nearest.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 - torch's own annotation

    def __init__(self, counts: Distribution, steps: int):
        self._counts, self.steps = counts, steps
        super().__init__(counts.batch_shape, counts.event_shape, validate_args=False)

    @property
    def counts(self) -> Distribution:
        """That of k."""
        return self._counts

    @property
    def support(self) -> Any:
        """The values."""
        return constraints.unit_interval

    def expand(self, batch_shape: Any, _instance: Any = None) -> PixelLevels:
        """The same law over more batches."""
        return PixelLevels(self.counts.expand(batch_shape), self.steps)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of the level, nats."""
        return self.counts.log_prob((value * self.steps).round())


class BetaBinomial(Distribution):
    """Whole numbers 0 … n of a binomial whose probability is a Beta(a, b): log C(n, k) + log B(k + a, n − k + b) − log B(a, b)."""

    arg_constraints = {"a": constraints.positive, "b": constraints.positive}  # noqa: RUF012 - torch's own annotation

    def __init__(self, a: Tensor, b: Tensor, n: int = 255):
        self.a, self.b = broadcast_all(a, b)
        self.n = n
        super().__init__(self.a.shape, validate_args=False)

    @property
    def support(self) -> Any:
        """0 … n."""
        return constraints.integer_interval(0, self.n)

    def expand(self, batch_shape: Any, _instance: Any = None) -> BetaBinomial:
        """The same law over more batches."""
        return BetaBinomial(self.a.expand(batch_shape), self.b.expand(batch_shape), self.n)

    @property
    def mean(self) -> Tensor:
        """The mean n a/(a + b)."""
        return self.n * self.a / (self.a + self.b)

    @property
    def variance(self) -> Tensor:
        """n ab (a + b + n) / ((a + b)² (a + b + 1))."""
        total = self.a + self.b
        return self.n * self.a * self.b * (total + self.n) / (total**2 * (total + 1))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """A binomial draw of a Beta draw."""
        p = BetaLaw(self.a, self.b, validate_args=False).sample(sample_shape)
        return Binomial(self.n, probs=p, validate_args=False).sample()

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(k), nats."""

        def log_beta(x: Tensor, y: Tensor) -> Tensor:
            return torch.lgamma(x) + torch.lgamma(y) - torch.lgamma(x + y)

        def score(k: Tensor, a: Tensor, b: Tensor) -> Tensor:
            rest = self.n - k
            choose = -log_beta(k + 1, rest + 1) - math.log(self.n + 1)
            return choose + log_beta(k + a, rest + b) - log_beta(a, b)

        return in_double(score, value, self.a, self.b)


class Numbered(Categorical):
    """A categorical law of the numbers 0 … C − 1, which therefore has a mean."""

    def __init__(self, logits: Float[Tensor, "*batch C"]):
        super().__init__(logits=logits, validate_args=False)

    @property
    def _numbers(self) -> Tensor:
        return torch.arange(self.logits.shape[-1], device=self.logits.device, dtype=self.logits.dtype)

    @property
    def mean(self) -> Tensor:
        """Σ k p(k)."""
        return (self.probs * self._numbers).sum(-1)

    @property
    def variance(self) -> Tensor:
        """Σ k² p(k) − mean²."""
        return (self.probs * self._numbers**2).sum(-1) - self.mean**2

    def expand(self, batch_shape: Any, _instance: Any = None) -> Numbered:
        """The same law over more batches."""
        return Numbered(self.logits.expand(*batch_shape, self.logits.shape[-1]))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Numbers, as floats."""
        drawn: Tensor = super().sample(sample_shape)  # type: ignore[no-untyped-call]
        return drawn.to(self.logits.dtype)
