"""What every likelihood is: a distribution of x given z, that says how data look to it and of which it can be one."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from lowerbound.errors import DataError
from lowerbound.vae.conditional import ConditionalLaw
from lowerbound.vae.misfits import DECODER, must_be_free

PIXEL_STEPS = 255
A_DENSITY = "A log density in the units of the data (white is 1 for images): it can be positive, and bits/dim are no code length."
A_PROBABILITY = "The probability of the pixels' levels as they are: −bound/log 2 is a code length in bits, bits/dim are honest."


@runtime_checkable
class OfExamples(Protocol):
    """A law of values that takes something of the examples that it is of: the σ that suits them, their total."""

    def of(self, x: Float[Tensor, "B *event"], observed: Bool[Tensor, "B *event"] | None = None) -> Distribution:
        """The same for examples at hand, or for what is ``observed`` of them; nothing else of them is looked at."""


@runtime_checkable
class Meets(Protocol):
    """A likelihood that is to know something of all data before the first step."""

    def meet(self, batches: Iterable[Tensor]) -> None:
        """Take it from all batches ``(B, *event)`` of the data."""


def at_hand(law: Distribution, x: Float[Tensor, "B *event"], observed: Bool[Tensor, "B *event"] | None = None) -> Distribution:
    """A law p(x|z) of examples at hand, given to those that take something of them; other laws as they are."""
    if not isinstance(law, Independent) or not isinstance(law.base_dist, OfExamples):
        return law
    x = x.reshape(x.shape[0], *law.event_shape)
    observed = None if observed is None else observed.reshape(x.shape)
    return Independent(law.base_dist.of(x, observed), law.reinterpreted_batch_ndims, validate_args=False)


class Likelihood(ConditionalLaw):
    """A distribution of x given latents ``(*batch, d)``; in training the batch axes are ``(K, B)``.

    Besides ``law`` one says what its network is to give (``shape``) and how values are seen by it (``observe``); what data it can be a
    distribution of is given by ``low``, ``high`` and ``steps``. With ``holes`` some values of the data may be missing (NaN), and are left
    out of the density.
    Errors: RecipeError for a network that ends in a sigmoid, say, where the law takes any numbers.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.Poisson(lb.nn.mlp(2, 4), steps=1)
    >>> likelihood(torch.zeros(5, 3, 2)).log_prob(torch.ones(5, 3, 4)).shape  # K = 5 latents for each of B = 3 examples
    torch.Size([5, 3])
    >>> likelihood.check(torch.tensor([-1.0]))
    Traceback (most recent call last):
        ...
    lowerbound.errors.DataError: a poisson likelihood needs values of 0 or more; rescale the data or choose gaussian
    """

    part = DECODER
    #: what the network's numbers are to the law, where they may be any and something that bounds them is a mistake
    takes: str = ""
    #: whether values may be missing whatever the data
    holes: bool = False
    #: whether a hole is an outcome with a probability of its own, and log p is of values and holes together
    scores_holes: bool = False
    #: what its nats are nats of, for whoever reads a figure
    note: str = A_DENSITY
    #: between which values it has its mass, both included; all real numbers by default.
    #: Where an end has no density, ``observe`` moves values inside
    low: float = -math.inf
    high: float = math.inf
    #: what value 1 stands for, where values are whole numbers k over this: 255 for pixels, 1 for counts; None for others
    steps: int | None = None
    #: the places of values that name a class, of which one that comes back is right or wrong
    categories: Sequence[int] = ()

    def __init__(self, network: nn.Module, holes: bool = False):
        super().__init__(network)
        self.holes = type(self).holes or holes
        if self.takes:
            must_be_free(network, type(self).__name__, self.takes)

    def batch_axes(self, parent: Tensor) -> int:
        """All axes of z but the last: ``(K, B)`` in training."""
        return parent.dim() - 1

    @classmethod
    @abstractmethod
    def shape(cls, event: Sequence[int], **arguments: Any) -> tuple[tuple[int, ...], int]:
        """For data of shape ``event`` that of what the network gives, and how many numbers for each value of it.

        It is known before there is a network: ``arguments`` are the others that the likelihood is made with.
        """

    @abstractmethod
    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """Raw values ``(B, *event)`` as the data that this distribution describes: binarized, say, or as they are."""

    def check(self, values: Float[Tensor, "..."]) -> None:
        """Raise DataError where this distribution cannot be one of ``values``: those outside [low, high], NaN, infinity, no whole numbers.

        Apart from ``observe`` because a look at the values makes an accelerator wait: once, not per step.
        """
        if math.isinf(self.low):
            if not bool(values.isfinite().all()):
                raise DataError("some values are NaN or infinite; fill them in or leave those examples out, or allow holes (holes=True)")
            return
        name = re.sub("(?<=[a-z])(?=[A-Z])", "-", type(self).__name__).lower()
        if not (values.min() >= self.low and values.max() <= self.high):  # said so that NaN is outside too
            bounds = f"in [{self.low:g}, {self.high:g}]" if math.isfinite(self.high) else f"of {self.low:g} or more"
            raise DataError(f"a {name} likelihood needs values {bounds}; rescale the data or choose gaussian")
        if self.steps is not None and ((values * self.steps).round() - values * self.steps).abs().max() > 0.05:
            raise DataError(f"a {name} likelihood needs whole numbers, or pixels; choose gaussian for others")

    def admit(self, values: Float[Tensor, "..."]) -> None:
        """``check`` of the values that are there."""
        there = values[~values.isnan()] if self.holes else values
        if there.numel():
            self.check(there)

    def errors(self, back: Float[Tensor, "B *event"], x: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """How far values that came back are from what they were: the squared error, of a category 0 or 1; NaN where there was none."""
        found = (back - x).square()
        if self.categories:
            found[:, self.categories] = found[:, self.categories].sign()
        return found


class PerValue(Likelihood):
    """All values independent given z, each with a distribution of one kind: ``each``, of ``outputs`` numbers from the network.

    The network ``(N, d) → (N, *event)`` gives the one parameter of each value, or ``(N, P, *event)`` its P parameters.

    >>> import torch
    >>> import lowerbound as lb
    >>> class Exponential(lb.likelihoods.PerValue):
    ...     low, takes = 0.0, "the log of a rate"
    ...     def each(self, log_rate):
    ...         return torch.distributions.Exponential(log_rate.exp())
    ...     def observe(self, values):
    ...         return values
    >>> float(Exponential(torch.nn.Identity())(torch.zeros(1, 4)).log_prob(torch.full((1, 4), 2.0)))  # four values of log density −2
    -8.0
    """

    #: P, how many numbers the network gives for each value; of a class without those that its arguments ask for
    outputs: int = 1
    #: arguments that ask for numbers, and for how many: so many for each of a whole number, or of a ``Scale``'s ``outputs``
    outputs_of: Mapping[str, int] = {}

    @abstractmethod
    def each(self, *parameters: Tensor) -> Distribution:
        """The distribution of each value alone; its batch is the shape of ``parameters[0]``."""

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """Distributions over the shape of the network's output, without the axis of the parameters."""
        parameters = (output,) if self.outputs == 1 else output.unbind(axes)
        return Independent(self.each(*parameters), parameters[0].dim() - axes, validate_args=False)

    @classmethod
    def shape(cls, event: Sequence[int], **arguments: Any) -> tuple[tuple[int, ...], int]:
        """The shape of the data, and P."""
        asked = {name: getattr(arguments[name], "outputs", arguments[name]) for name in cls.outputs_of}
        return tuple(event), cls.outputs + sum(each * asked[name] for name, each in cls.outputs_of.items())
