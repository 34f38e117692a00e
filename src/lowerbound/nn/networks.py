"""Backbones: tensor → tensor, ``(N, *in) → (N, *out)``, with nothing probabilistic in them.

Any ``torch.nn.Module`` of that shape can stand in their place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch import Size, Tensor, nn
from torch.nn import functional as F

from lowerbound.errors import RecipeError

Shape = int | Sequence[int]
LARGE = 2**15  # weights of a layer from which on its products gain by rounding


def _hidden(inputs: int, outputs: int) -> nn.Linear:
    """A layer before a ReLU, its first weights uniform on ±√(6/inputs), its biases on twice that.

    The weights keep the signal's size (He et al., "Delving Deep into Rectifiers", 2015,
    https://arxiv.org/abs/1502.01852); the biases put the places where the units switch on all over the
    latent space, instead of all near its origin. On MNIST this is worth 3 nats after 5 epochs of the
    lesson's network over torch's own first weights; convolutions are better off with those (docs/log.md).
    """
    layer, limit = nn.Linear(inputs, outputs), math.sqrt(6 / inputs)
    nn.init.uniform_(layer.weight, -limit, limit)
    nn.init.uniform_(layer.bias, -2 * limit, 2 * limit)
    return layer


def _numel(shape: Shape) -> int:
    return shape if isinstance(shape, int) else math.prod(shape)


# --- products that may be rounded ----------------------------------------------------------------------
# Training multiplies in bfloat16 where a device is faster so (``VAE.multiplying``): it has the range of single precision and three
# digits, which is less than the noise of a batch. What a law's parameters are made by is not rounded, unless the law says that it may be.


class Linear(nn.Linear):
    """The last layer of a network: its output has all its digits, also where those before may round theirs."""

    rough = False

    def forward(self, x: Tensor) -> Tensor:
        """x Wᵀ + b."""
        with _whole(self.rough, x):
            return super().forward(x if self.rough else x.to(self.weight.dtype))


class Conv2d(nn.Conv2d):
    """The same of a convolutional network."""

    rough = False

    def forward(self, x: Tensor) -> Tensor:
        """The convolution."""
        with _whole(self.rough, x):
            return super().forward(x if self.rough else x.to(self.weight.dtype))


def _whole(rough: bool, x: Tensor) -> AbstractContextManager[Any]:
    return nullcontext() if rough else torch.autocast(x.device.type, enabled=False)


def roughly(network: nn.Module) -> nn.Module:
    """The same network, changed: its output may be rounded too."""
    for layer in network.modules():
        if isinstance(layer, (Linear, Conv2d)):
            layer.rough = True
    return network


def gains(network: nn.Module) -> bool:
    """Whether rounding makes ``network`` faster: small layers spend more on it than they save (docs/log.md)."""
    return any(
        isinstance(layer, nn.Conv2d) or (isinstance(layer, nn.Linear) and layer.weight.numel() >= LARGE) for layer in network.modules()
    )


def rounding(network: nn.Module, device: torch.device, products: torch.dtype | None, rough: bool) -> AbstractContextManager[Any]:
    """Within the block ``network`` multiplies in the type ``products``, its last layer too if ``rough``.

    One that has no last layer of these, or nothing to gain, does not round at all.
    """
    if products in (None, torch.float32):
        return nullcontext()
    last = [layer for layer in network.modules() if isinstance(layer, (Linear, Conv2d))][-1:]
    if not last or not gains(network):
        return nullcontext()
    last[0].rough = rough
    return torch.autocast(device.type, products, cache_enabled=False)


# --- fully connected -----------------------------------------------------------------------------------


def mlp(*shapes: Shape, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Fully connected layers with an activation between them: ``mlp(784, 512, 4)`` has one hidden layer.

    The first and the last shape may be that of an array, e.g. ``mlp((1, 28, 28), 512, 4)``: the
    input ``(N, *first)`` is flattened, the output is ``(N, *last)``.
    Hidden units start out switching on all over the input, see ``_hidden``.
    """
    *widths, last = [_numel(shape) for shape in shapes]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [_hidden(before, after), activation()]
    layers.append(Linear(widths[-1], last))
    if not isinstance(shapes[-1], int):
        layers.append(nn.Unflatten(1, Size(shapes[-1])))
    return nn.Sequential(*layers)


def with_dropout(network: nn.Module, share: float) -> nn.Module:
    """The same network, changed: in training each unit after a ReLU is 0 with probability ``share``, the others grow by 1/(1 − share).

    Errors: RecipeError for a share outside [0, 1).
    Source: Srivastava et al., "Dropout", 2014, https://jmlr.org/papers/v15/srivastava14a.html.
    """
    if not 0 <= share < 1:
        raise RecipeError(f"the share of units that dropout takes must be at least 0 and below 1, not {share:g}")
    for name, part in network.named_children():
        setattr(network, name, nn.Sequential(part, nn.Dropout(share)) if isinstance(part, nn.ReLU) else with_dropout(part, share))
    return network


@torch.no_grad()
def expect(network: nn.Module, mean: Tensor, scale: Tensor) -> None:
    """Change the first weights of a network for inputs of this mean and scale ``(d,)``: as if they came standardized, as weights suppose.

    On a sphere, say, or between 0 and 1, few of the hidden units would ever switch (docs/log.md). Inputs after the first d are left alone.
    """
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Linear))
    weight = first.weight[:, : len(scale)]
    weight.div_(scale)
    first.bias.sub_(weight @ mean)


def orthogonal(network: nn.Module) -> nn.Module:
    """The same network, its linear layers beginning anew: orthogonal weights, biases 0.

    All units then switch on at the origin, so that it begins as a rotation with folds there. Of few and standardized data a network
    that begins with folds all over learns each by heart (docs/log.md).
    Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013,
    https://arxiv.org/abs/1312.6120.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network


class Conditioned(nn.Module):
    """A network of two inputs, ``(N, *in)`` and a context ``(M, *context)`` → ``(max(N, M), *out)``.

    Of the one there may be several times as many as of the other: all of the fewer go with the first of those, then all with the next. What
    is made of the fewer alone is computed once.
    """


def _as_many(some: Tensor, others: Tensor) -> Tensor:
    """``some``, again and again, until they are as many as the others."""
    times = len(others) // max(1, len(some))
    return some.repeat(times, *[1] * (some.dim() - 1)) if times > 1 else some


class Joined(Conditioned):
    """Made of a network of one input: input and context, both flat, one after the other.

    Where they are not as many as each other, a first layer (of networks that begin with ``Flatten`` and ``Linear``, as ``mlp`` does) is the
    sum of what it makes of each: most of the work, where the fewer are images.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """``(N, *in)`` and ``(M, *context)`` → ``(max(N, M), *out)``."""
        x, context = x.flatten(1), _must_be_there(context).flatten(1)
        if len(x) != len(context) and isinstance(self.network, nn.Sequential):
            match list(self.network.children())[:2]:
                case [nn.Flatten(), nn.Linear() as first] if not isinstance(first, Linear):
                    of_x, of_context = first.weight.split([x.shape[1], context.shape[1]], 1)
                    parts = F.linear(x, of_x, first.bias), F.linear(context, of_context)
                    rest: Tensor = self.network[2:](_as_many(*parts) + _as_many(*parts[::-1]))
                    return rest
        joined: Tensor = self.network(torch.cat([_as_many(x, context), _as_many(context, x)], 1))
        return joined


class Planes(Conditioned):
    """Made of a network of images: the context as further channels.

    A vector's numbers are all over the image, an image is enlarged to its size.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """``(N, C, H, W)`` and ``(M, c)`` or ``(M, c, h, w)`` → ``(max(N, M), *out)``."""
        planes = _planes(_must_be_there(context), x.shape[2:])
        return self.network(torch.cat([_as_many(x, planes), _as_many(planes, x)], 1))


class Guided(Conditioned):
    """A decoder of latents that an image guides: its features join z, for what is far, itself the last layers' input, for what is near.

    ``features`` is ``(M, c, H, W) → (M, f)``, ``decoder`` ``(N, latent + f) → (N, w, H, W)`` and ``last`` ``(N, w + c, H, W) → (N, *out)``.
    """

    def __init__(self, features: nn.Module, decoder: nn.Module, last: nn.Module, size: Sequence[int]):
        super().__init__()
        self.features, self.decoder, self.last, self.size = features, decoder, last, tuple(size)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """``(N, latent)`` and ``(M, c, h, w)`` → ``(max(N, M), *out)``."""
        planes = _planes(_must_be_there(context), self.size)
        features = self.features(planes)
        made = self.decoder(torch.cat([_as_many(z, features), _as_many(features, z)], 1))
        return self.last(torch.cat([made, _as_many(planes, z)], 1))


def _planes(context: Tensor, size: Sequence[int]) -> Tensor:
    """The context as an image of this size: a vector's numbers everywhere, a smaller image by nearest neighbours."""
    if context.dim() == 2:
        return context[:, :, None, None].expand(-1, -1, *size)
    return context if context.shape[2:] == Size(size) else F.interpolate(context, size=tuple(size))


def _must_be_there(context: Tensor | None) -> Tensor:
    if context is None:
        raise RecipeError("this model is conditional: it wants a context; take its given(context)")
    return context


def _sizes(height: int, width: int, levels: int) -> list[tuple[int, int]]:
    """The size of the image before and after each halving, rounded up as a strided convolution does."""
    sizes = [(height, width)]
    for _ in range(levels):
        height, width = (height + 1) // 2, (width + 1) // 2
        sizes.append((height, width))
    return sizes


def convolutional_encoder(image: Sequence[int], channels: Sequence[int], features: int) -> nn.Sequential:
    """Images ``(N, C, H, W)`` → features ``(N, features)``: each of ``channels`` halves the image."""
    depth, height, width = image
    layers: list[nn.Module] = []
    for before, after in pairwise([depth, *channels]):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
    height, width = _sizes(height, width, len(channels))[-1]
    return nn.Sequential(*layers, nn.Flatten(), Linear(channels[-1] * height * width, features))


def convolutional_decoder(latent: int, channels: Sequence[int], image: Sequence[int]) -> nn.Sequential:
    """Latents ``(N, latent)`` → images ``(N, C, H, W)``, the encoder backwards.

    The image grows by nearest neighbours followed by a convolution: a transposed convolution would
    leave a checkerboard (Odena et al., "Deconvolution and Checkerboard Artifacts", 2016,
    https://distill.pub/2016/deconv-checkerboard).
    """
    depth, height, width = image
    *larger, (height, width) = _sizes(height, width, len(channels))
    layers: list[nn.Module] = [
        nn.Linear(latent, channels[-1] * height * width),
        nn.Unflatten(1, (channels[-1], height, width)),
    ]
    kinds = [nn.Conv2d] * (len(channels) - 1) + [Conv2d]
    for kind, (before, after), size in zip(kinds, pairwise(reversed([depth, *channels])), reversed(larger), strict=True):
        layers += [nn.ReLU(), nn.Upsample(size=size), kind(before, after, 3, padding=1)]
    return nn.Sequential(*layers)
