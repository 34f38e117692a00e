"""What a conditional model is given besides: a context c for each example, a function of its record, values and label.

The label makes the conditional VAE, a part of the values makes data completion, the example made small makes super-resolution.
A new context is one class here and one row in a table of ``words``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from lowerbound.errors import DataError, RecipeError


class Context(ABC):
    """The contract of what a conditional model is given besides: c, a function of an example's values and label.

    A new one says its ``shape``, how it is made ``of`` some data, which values of an example it ``tells`` already, and how these are
    ``put`` into an example. The model is then a family of three distributions, p(z|c), p(x|z, c) and q(z|x, c).

    >>> import torch
    >>> import lowerbound as lb
    >>> context = lb.contexts.Label(10)
    >>> encoder, decoder = lb.nn.Joined(lb.nn.mlp(64 + 10, 4)), lb.nn.Joined(lb.nn.mlp(2 + 10, 64))
    >>> parts = lb.priors.StandardNormal(2), lb.likelihoods.Bernoulli(decoder), lb.posteriors.DiagonalGaussian(encoder)
    >>> vae = lb.VAE(*parts, context)
    >>> sevens = vae.given(context.numbered(torch.tensor([7])))
    >>> sevens.sample(16).shape, vae.density
    (torch.Size([16, 64]), 'log p(x|c)')
    """

    #: what a model that is given it has a density of, in words
    density: ClassVar[str] = "log p(x|c)"
    #: whether it is made of the values of the example
    of_values: ClassVar[bool] = True
    #: whether it is drawn, from torch's random numbers, so that at each look the same example may have another one
    drawn: ClassVar[bool] = False

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of the context of one example."""

    @abstractmethod
    def of(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> Float[Tensor, "B *context"]:
        """The contexts of some data. Errors: DataError where these data have none."""

    @abstractmethod
    def tells(self, context: Float[Tensor, "B *context"]) -> Bool[Tensor, "B *event"] | None:
        """Which values of the example c has in it, so that there is nothing left to say of them; None for none."""

    @abstractmethod
    def put(self, context: Float[Tensor, "B *context"], x: Float[Tensor, "*K B *event"]) -> Float[Tensor, "*K B *event"]:
        """x with the values that c has in it in their places."""


@dataclass(frozen=True)
class Label(Context):
    """The class of the example, one of ``classes``, as zeros and a one ``(classes,)``: what a conditional VAE of classes is given.

    >>> import torch
    >>> import lowerbound as lb
    >>> lb.contexts.Label(3).of(torch.rand(2, 64), torch.tensor([2, 0])).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    of_values: ClassVar[bool] = False
    classes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """``(classes,)``: a number for each class."""
        return (self.classes,)

    def of(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> Float[Tensor, "B classes"]:
        """A one where the class is ``(B, classes)``.

        Errors: DataError for data without labels, or with classes that the model does not know.
        """
        if labels is None:
            raise DataError("these data have no labels, and this model is given them; bring labels, or train without --given label")
        return self.numbered(labels)

    def tells(self, context: Float[Tensor, "B *context"]) -> None:
        """None: a class is none of the values."""

    def put(self, context: Float[Tensor, "B *context"], x: Float[Tensor, "*K B *event"]) -> Float[Tensor, "*K B *event"]:
        """x as it is, since a class is none of the values."""
        return x

    def numbered(self, labels: Int64[Tensor, " B"]) -> Float[Tensor, "B classes"]:
        """The contexts ``(B, classes)`` of class numbers ``(B,)``. Errors: DataError for one that is none of the model's."""
        if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < self.classes):
            strange = next(label for label in labels.tolist() if not 0 <= label < self.classes)
            raise DataError(f"label {strange} is none of this model's classes, 0 to {self.classes - 1}")
        return torch.nn.functional.one_hot(labels, self.classes).float()


@dataclass(frozen=True)
class Observed(Context):
    """A part of the values, and which part: x · m and m, as one image ``(2C, H, W)`` or vector ``(2D,)``; m is 1 where observed.

    The model is then one of the rest, p(x_missing | x_observed). ``masks`` gives those of n data, True where observed, anew at each call.
    Source: Sohn et al., "Learning Structured Output Representation using Deep Conditional Generative Models", 2015,
    https://papers.nips.cc/paper/5775; masks drawn at random: Ivanov et al., "Variational Autoencoder with Arbitrary Conditioning", 2018,
    https://arxiv.org/abs/1806.02382.

    >>> import torch
    >>> import lowerbound as lb
    >>> left = lambda n: torch.tensor([True, True, False, False]).expand(n, 4)
    >>> context = lb.contexts.Observed((4,), left)
    >>> c = context.of(torch.tensor([[0.1, 0.2, 0.3, 0.4]]), None)
    >>> [round(value, 1) for value in c[0].tolist()]  # x · m, and m
    [0.1, 0.2, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    """

    event_shape: tuple[int, ...]
    masks: Callable[[int], Bool[Tensor, "n *event"]]
    density: ClassVar[str] = "log p(x_missing | x_observed)"
    drawn: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, ...]:
        """``(2C, H, W)`` of images or ``(2D,)`` of vectors: twice the channels, or values."""
        first, *rest = self.event_shape
        return (2 * first, *rest)

    def of(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None) -> Float[Tensor, "B *context"]:
        """A part of each example, drawn by ``masks``."""
        return self.part(values, self.masks(len(values)).to(values.device))

    def part(self, values: Float[Tensor, "B *event"], observed: Bool[Tensor, "B *event"]) -> Float[Tensor, "B *context"]:
        """The context of data of which these values are observed, but where there are none (NaN); nothing else is looked at."""
        observed = observed & ~values.isnan()
        return torch.cat([values.where(observed, 0.0), observed.to(values.dtype)], 1)

    def tells(self, context: Float[Tensor, "B *context"]) -> Bool[Tensor, "B *event"]:
        """Its mask, True where a value was observed."""
        return context.chunk(2, 1)[1] > 0

    def put(self, context: Float[Tensor, "B *context"], x: Float[Tensor, "*K B *event"]) -> Float[Tensor, "*K B *event"]:
        """What was observed, to the bit, and x elsewhere; images may come as vectors, and go as images."""
        values = context.chunk(2, 1)[0]
        lead = x.shape[: x.dim() - len(self.event_shape)] if x.shape[-len(self.event_shape) :] == self.event_shape else x.shape[:-1]
        return torch.where(self.tells(context), values, x.reshape(*lead, *self.event_shape))


@dataclass(frozen=True)
class LowResolution(Context):
    """The image made smaller: the means of its blocks of ``factor`` × ``factor`` pixels, ``(C, H/factor, W/factor)``.

    Errors: RecipeError for data that are no images, and for images whose sides the factor does not divide.

    >>> import torch
    >>> import lowerbound as lb
    >>> context = lb.contexts.LowResolution(2, (1, 4, 4))
    >>> context.of(torch.arange(16.0).view(1, 1, 4, 4))[0, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """

    factor: int
    event_shape: tuple[int, ...]

    def __post_init__(self) -> None:
        must_divide(self.factor, self.event_shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(C, H/factor, W/factor)``: that of the small image."""
        channels, height, width = self.event_shape
        return channels, height // self.factor, width // self.factor

    def of(self, values: Float[Tensor, "B *event"], labels: Int64[Tensor, " B"] | None = None) -> Float[Tensor, "B *context"]:
        """The block means of each example."""
        return F.avg_pool2d(values, self.factor)

    def tells(self, context: Float[Tensor, "B *context"]) -> None:
        """None: a mean of values is none of them."""

    def put(self, context: Float[Tensor, "B *context"], x: Float[Tensor, "*K B *event"]) -> Float[Tensor, "*K B *event"]:
        """x as it is, since a mean of values is none of them."""
        return x


def must_divide(factor: int, event_shape: tuple[int, ...]) -> None:
    """Raise RecipeError where data of this shape cannot be made smaller by the factor: no images ``(C, H, W)``, or sides that it does not
    divide.

    >>> import lowerbound as lb
    >>> lb.contexts.must_divide(3, (1, 28, 28))
    Traceback (most recent call last):
        ...
    lowerbound.errors.RecipeError: images of 28 × 28 pixels cannot be made 3 times smaller; choose one of 2 or more that divides both sides
    """
    if len(event_shape) != 3:
        raise RecipeError(f"data of shape {event_shape} are no images, and have no lower resolution; bring images")
    if factor < 2 or math.gcd(factor, *event_shape[1:]) != factor:
        height, width = event_shape[1:]
        raise RecipeError(
            f"images of {height} × {width} pixels cannot be made {factor} times smaller; choose one of 2 or more that divides both sides"
        )
