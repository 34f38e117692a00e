"""What every likelihood is: a law of x given z, that says how data look to it and of which it can be one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from lowerbound.errors import DataError
from lowerbound.vae.conditional import ConditionalLaw

PIXEL_STEPS = 255
A_DENSITY = "A log density in the units of the data (white is 1 for images): it can be positive, and bits a dimension are no code length."
A_PROBABILITY = "The probability of the pixels' levels as they are: −bound/log 2 is a code length in bits, bits a dimension are honest."


class Likelihood(ConditionalLaw):
    """A law of x given latents ``(*batch, d)``; in training the batch axes are ``(K, B)``.

    The network ``(N, d) → (N, *event)`` gives the law's one parameter for each value, or
    ``(N, P, *event)`` its P parameters: ``shape`` says how many, before there is a network. With ``holes`` some values of the data may
    be missing (NaN), and are left out of the density.
    """

    #: P, how many numbers the network gives for each value
    outputs: int = 1
    #: whether values may be missing whatever the data
    holes: bool = False
    #: what its nats are nats of, for whoever reads a figure
    note: str = A_DENSITY

    def __init__(self, network: nn.Module, holes: bool = False):
        super().__init__(network)
        self.holes = type(self).holes or holes

    @classmethod
    def shape(cls, event: Sequence[int], **arguments: Any) -> tuple[tuple[int, ...], int]:
        """For data of shape ``event`` that of what the network gives, and how many numbers for each value of it.

        ``arguments`` are those that the likelihood is made with, but for the network.
        """
        return tuple(event), cls.outputs

    def batch_axes(self, parent: Tensor) -> int:
        """All axes of z but the last."""
        return parent.dim() - 1

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """Laws over the shape of the network's output, without the axis of the parameters."""
        parameters = (output,) if self.outputs == 1 else output.unbind(axes)
        return Independent(self.each(*parameters), parameters[0].dim() - axes, validate_args=False)

    def each(self, *parameters: Tensor) -> Distribution:
        """The law of each value alone, all values independent given z; its batch is the shape of ``parameters[0]``."""
        raise NotImplementedError

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError where this law cannot be one of ``values``; all real numbers will do by default.

        Apart from ``observe`` because a look at the values makes an accelerator wait: once, not each step.
        """

    def admit(self, values: Float[Tensor, "..."]) -> None:
        """``check`` of the values that are there."""
        there = values[~values.isnan()] if self.holes else values
        if there.numel():
            self.check(there)

    def errors(self, back: Float[Tensor, "B *event"], x: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """How far values that came back are from what they were: the squared error by default; NaN where there was none."""
        return (back - x).square()

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """Raw values as the data that this law describes; the same by default."""
        return values

    def share_at_floor(self, law: Distribution, counted: Bool[Tensor, "*batch_event"] | None = None) -> Float[Tensor, "*batch"]:
        """The share of (``counted``) values whose σ, in a law that this gave, is held up by its bound alone; 0 where there is none."""
        return torch.zeros(law.batch_shape)


def must_be_within(values: Tensor, low: float, high: float, name: str) -> None:
    """Raise DataError where a value is outside [low, high], or NaN."""
    if not (values.min() >= low and values.max() <= high):  # said so that NaN is outside too
        bounds = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"of {low:g} or more"
        raise DataError(f"a {name} likelihood needs values {bounds}; rescale the data or choose gaussian")
