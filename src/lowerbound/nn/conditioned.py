"""Networks of two inputs, x or z and a context c."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Size, Tensor, nn
from torch.nn import functional as F

from lowerbound.errors import RecipeError
from lowerbound.nn.precision import Linear


class Conditioned(nn.Module, ABC):
    """The contract of a network of two inputs, ``(N, *in)`` and a context ``(M, *context)`` → ``(max(N, M), *out)``.

    Of the one there may be several times as many as of the other: all of the fewer go with the first of those, then all with the next. What
    is made of the fewer alone is computed once.

    >>> import torch
    >>> import lowerbound as lb
    >>> network = lb.nn.Joined(lb.nn.mlp(64 + 10, 4))
    >>> network(torch.rand(2, 64), torch.eye(10)).shape  # both examples with each of the ten classes: five times both
    torch.Size([10, 4])
    """

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """``(N, *in)`` and ``(M, *context)`` → ``(max(N, M), *out)``. Errors: RecipeError where there is no context."""


def _as_many(some: Tensor, others: Tensor) -> Tensor:
    """``some``, again and again, until they are as many as the others."""
    if some.shape[0] == others.shape[0]:  # not len(), which makes of the size of a batch that is traced, for ONNX, a number
        return some
    times = len(others) // max(1, len(some))
    return some.repeat(times, *[1] * (some.dim() - 1)) if times > 1 else some


class Joined(Conditioned):
    """Made of a network of one input: input and context, both flat, one after the other.

    Where they are not as many as each other, a first layer (of networks that begin with ``Flatten`` and ``Linear``, as ``mlp`` does) is the
    sum of what it makes of each: most of the work, where the fewer are images.
    Errors: RecipeError where there is no context.

    >>> import torch
    >>> import lowerbound as lb
    >>> encoder = lb.nn.Joined(lb.nn.mlp(64 + 10, 32, 4))
    >>> encoder(torch.rand(5, 1, 8, 8), torch.eye(10)[:5]).shape
    torch.Size([5, 4])
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """``(N, *in)`` and ``(M, *context)`` → ``(max(N, M), *out)``."""
        x, context = x.flatten(1), _must_be_there(context).flatten(1)
        if x.shape[0] != context.shape[0] and isinstance(self.network, nn.Sequential):
            match list(self.network.children())[:2]:
                case [nn.Flatten(), nn.Linear() as first] if not isinstance(first, Linear):
                    of_x, of_context = first.weight.split([x.shape[1], context.shape[1]], 1)
                    parts = F.linear(x, of_x, first.bias), F.linear(context, of_context)
                    rest: Tensor = self.network[2:](_as_many(*parts) + _as_many(*parts[::-1]))
                    return rest
        joined: Tensor = self.network(torch.cat([_as_many(x, context), _as_many(context, x)], 1))
        return joined


class Planes(Conditioned):
    """Made of a network of series, images or volumes: the context as further channels.

    A vector's numbers are all over space, an image is enlarged to the size of the other.
    Errors: RecipeError where there is no context.

    >>> import torch
    >>> import lowerbound as lb
    >>> encoder = lb.nn.Planes(lb.nn.convolutional_encoder((1 + 10, 8, 8), [16], 4))
    >>> encoder(torch.rand(5, 1, 8, 8), torch.eye(10)[:5]).shape
    torch.Size([5, 4])
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """``(N, C, *space)`` and ``(M, c)`` or ``(M, c, *smaller)`` → ``(max(N, M), *out)``."""
        planes = _planes(_must_be_there(context), x.shape[2:])
        return self.network(torch.cat([_as_many(x, planes), _as_many(planes, x)], 1))


class Guided(Conditioned):
    """A decoder of latents that an image guides: its features join z, for what is far, itself the last layers' input, for what is near.

    ``features`` is ``(M, c, *space) → (M, f)``, ``decoder`` ``(N, latent + f) → (N, w, *space)`` and ``last`` ``(N, w + c, *space) → (N,
    *out)``; ``size`` are the sides of space.
    Errors: RecipeError where there is no context.

    >>> import torch
    >>> import lowerbound as lb
    >>> features, decoder = lb.nn.convolutional_encoder((1, 8, 8), [4], 3), lb.nn.convolutional_decoder(2 + 3, [4], (6, 8, 8))
    >>> guided = lb.nn.Guided(features, decoder, torch.nn.Conv2d(6 + 1, 1, 3, padding=1), size=(8, 8))
    >>> guided(torch.zeros(5, 2), torch.rand(5, 1, 4, 4)).shape  # z, and an image made small
    torch.Size([5, 1, 8, 8])
    """

    def __init__(self, features: nn.Module, decoder: nn.Module, last: nn.Module, size: Sequence[int]):
        super().__init__()
        self.features, self.decoder, self.last, self.size = features, decoder, last, tuple(size)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """``(N, latent)`` and ``(M, c, *smaller)`` → ``(max(N, M), *out)``."""
        planes = _planes(_must_be_there(context), self.size)
        features = self.features(planes)
        made = self.decoder(torch.cat([_as_many(z, features), _as_many(features, z)], 1))
        return self.last(torch.cat([made, _as_many(planes, z)], 1))


def _planes(context: Tensor, size: Sequence[int]) -> Tensor:
    """The context as an image of this size: a vector's numbers everywhere, a smaller image by nearest neighbours."""
    if context.dim() == 2:
        return context[(..., *[None] * len(size))].expand(-1, -1, *size)
    return context if context.shape[2:] == Size(size) else F.interpolate(context, size=tuple(size))


def _must_be_there(context: Tensor | None) -> Tensor:
    if context is None:
        raise RecipeError("this model is conditional: it wants a context; take its given(context)")
    return context
