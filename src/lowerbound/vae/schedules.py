"""Numbers that change while a model is trained: β and its kin, the learning rate, as functions of the epoch (which may be a fraction).

A new schedule is one class here and one row in a table of ``words``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from lowerbound.errors import RecipeError


@runtime_checkable
class Schedule(Protocol):
    """A number that changes while a model is trained, as a function of the epoch; any callable of that form is one.

    >>> import lowerbound as lb
    >>> late = lambda epoch: 0.0 if epoch < 5 else 1.0
    >>> lb.objectives.ELBO(beta=late, epoch=3.0).weight_of_kl, lb.objectives.ELBO(beta=late, epoch=7.0).weight_of_kl
    (0.0, 1.0)
    """

    def __call__(self, epoch: float) -> float:
        """The value after ``epoch`` passes over the data; ``math.inf`` is after the training."""


@dataclass(frozen=True)
class Constant:
    """The same ``value`` at every epoch: β of a β-VAE, say.

    >>> import lowerbound as lb
    >>> beta = lb.schedules.Constant(4.0)
    >>> beta(0.0), beta(100.0)
    (4.0, 4.0)
    """

    value: float = 1.0

    def __call__(self, epoch: float) -> float:
        """The value, at every ``epoch``."""
        return self.value


@dataclass(frozen=True)
class Linear:
    """From 0 to ``value`` over ``epochs``, then constant.

    Source: Bowman et al., "Generating Sentences from a Continuous Space", 2016, https://arxiv.org/abs/1511.06349;
    Sønderby et al., "Ladder Variational Autoencoders", 2016, https://arxiv.org/abs/1602.02282.

    >>> import lowerbound as lb
    >>> warm_up = lb.schedules.Linear(epochs=10.0)
    >>> warm_up(0.0), warm_up(5.0), warm_up(20.0)
    (0.0, 0.5, 1.0)
    """

    value: float = 1.0
    epochs: float = 10.0

    def __call__(self, epoch: float) -> float:
        """The value after ``epoch`` passes."""
        return self.value * min(1.0, epoch / self.epochs)


@dataclass(frozen=True)
class Cyclical:
    """Every ``epochs`` anew: from 0 to ``value`` over the first half, constant over the second; ``value`` after the training.

    Source: Fu et al., "Cyclical Annealing Schedule", 2019, https://arxiv.org/abs/1903.10145.

    >>> import lowerbound as lb
    >>> beta = lb.schedules.Cyclical(epochs=10.0)
    >>> [beta(epoch) for epoch in (0.0, 2.5, 5.0, 9.0, 10.0)]
    [0.0, 0.5, 1.0, 1.0, 0.0]
    """

    value: float = 1.0
    epochs: float = 10.0

    def __call__(self, epoch: float) -> float:
        """The value after ``epoch`` passes."""
        if math.isinf(epoch):
            return self.value
        return self.value * min(1.0, 2 * (epoch % self.epochs) / self.epochs)


@dataclass(frozen=True)
class Sigmoid:
    """value / (1 + exp(−10 (epoch/epochs − ½))): slow, fast, slow; half of it at the middle of ``epochs``.

    Source: Bowman et al., "Generating Sentences from a Continuous Space", 2016, https://arxiv.org/abs/1511.06349.

    >>> import lowerbound as lb
    >>> beta = lb.schedules.Sigmoid(epochs=10.0)
    >>> [round(beta(epoch), 2) for epoch in (0.0, 5.0, 10.0)]
    [0.01, 0.5, 0.99]
    """

    value: float = 1.0
    epochs: float = 10.0

    def __call__(self, epoch: float) -> float:
        """The value after ``epoch`` passes."""
        return self.value / (1 + math.exp(-10 * (min(epoch / self.epochs, 2.0) - 0.5)))


# --- shares of a learning rate -------------------------------------------------------------------------


@dataclass(frozen=True)
class Cosine:
    """Up from 0 over ``warm_up`` epochs, then down a half cosine from 1, to ``LEAST`` at the end of ``epochs``, where it stays.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2016, https://arxiv.org/abs/1608.03983.
    Errors: RecipeError for a warm-up that is not shorter than the epochs.

    >>> import lowerbound as lb
    >>> rate = lb.schedules.Cosine(epochs=20.0, warm_up=4.0)
    >>> [round(rate(epoch), 3) for epoch in (0.0, 2.0, 4.0, 12.0, 20.0)]
    [0.0, 0.5, 1.0, 0.505, 0.01]
    """

    LEAST: ClassVar[float] = 0.01

    epochs: float = 20.0
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warm_up < self.epochs < math.inf:
            raise RecipeError("a cosine's warm-up must be shorter than its epochs; write cosine:EPOCHS:WARM-UP")

    def __call__(self, epoch: float) -> float:
        """The share after ``epoch`` passes."""
        if epoch < self.warm_up:
            return epoch / self.warm_up
        done = min(1.0, (epoch - self.warm_up) / max(self.epochs - self.warm_up, 1e-9))
        return self.LEAST + (1 - self.LEAST) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class Exponential:
    """``factor`` to the power of the epoch: a learning rate that falls by the same share each epoch.

    Errors: RecipeError for a factor outside (0, 1].

    >>> import lowerbound as lb
    >>> rate = lb.schedules.Exponential(0.5)
    >>> [rate(epoch) for epoch in (0.0, 1.0, 3.0)]
    [1.0, 0.5, 0.125]
    """

    factor: float = 0.95

    def __post_init__(self) -> None:
        _must_be_share(self.factor)

    def __call__(self, epoch: float) -> float:
        """The share after ``epoch`` passes."""
        return self.factor**epoch


@dataclass(frozen=True)
class Steps:
    """A learning rate that falls in steps: its share is ``factor`` to the power of the number of times that ``epochs`` have passed.

    Errors: RecipeError for a factor outside (0, 1], and epochs below ``LEAST``.

    >>> import lowerbound as lb
    >>> rate = lb.schedules.Steps(epochs=10.0, factor=0.5)
    >>> [rate(epoch) for epoch in (0.0, 9.0, 10.0, 25.0)]
    [1.0, 1.0, 0.5, 0.25]
    """

    LEAST: ClassVar[float] = 0.01

    epochs: float = 10.0
    factor: float = 0.1

    def __post_init__(self) -> None:
        if not self.LEAST <= self.epochs < math.inf:
            raise RecipeError(f"steps must be some epochs apart, at least {self.LEAST:g}; write steps:EPOCHS:FACTOR")
        _must_be_share(self.factor)

    def __call__(self, epoch: float) -> float:
        """The share after ``epoch`` passes."""
        return self.factor ** (epoch // self.epochs)


@dataclass(frozen=True)
class Scaled:
    """Another schedule times a number: ``scale`` · ``schedule(epoch)``.

    >>> import lowerbound as lb
    >>> lb.schedules.Scaled(lb.schedules.Linear(epochs=10.0), 3.0)(5.0)
    1.5
    """

    schedule: Schedule
    scale: float

    def __call__(self, epoch: float) -> float:
        """The share after ``epoch`` passes."""
        return self.scale * self.schedule(epoch)


def _must_be_share(factor: float) -> None:
    if not 0 < factor <= 1:
        raise RecipeError(f"a learning rate falls by a factor above 0 and at most 1, not {factor:g}")
