"""Networks of a hierarchy whose latents are images: residual blocks on the way up from x, and on the way down from level to level.

Source: Child, "Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on Images", 2021,
https://arxiv.org/abs/2011.10650.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.nn.convolutions import in_memory_format
from lowerbound.nn.networks import convolution, sizes_of
from lowerbound.nn.precision import roughly, rounded


@dataclass(frozen=True)
class Place:
    """Where a level is: so many channels of z, at the sides of a resolution whose features are ``width`` wide."""

    channels: int
    resolution: int
    width: int
    space: tuple[int, ...]

    @property
    def latent(self) -> int:
        """Dimensions of the level."""
        return self.channels * prod(self.space)


def places(event: Sequence[int], widths: Sequence[int], channels: int, levels: Sequence[int]) -> list[Place]:
    """The levels from the top down: ``levels`` at each resolution, the coarsest first, whose widths are the last of ``widths``."""
    shapes = resolutions(event, widths)
    coarsest_first = list(enumerate(shapes))[::-1]
    return [
        Place(channels, resolution, shape[0], shape[1:])
        for (resolution, shape), many in zip(coarsest_first, levels, strict=False)
        for _ in range(many)
    ]


def resolutions(event: Sequence[int], widths: Sequence[int]) -> list[tuple[int, ...]]:
    """The shape of the features at each resolution, the finest first, which has half the data's sides."""
    return [(width, *space) for width, space in zip(widths, sizes_of(event[1:], len(widths))[1:], strict=True)]


class Block(nn.Module):
    """x + f(x), f two convolutions; it begins as x itself."""

    def __init__(self, event: Sequence[int], width: int):
        super().__init__()
        kind = convolution(event)
        self.first, self.second = kind(width, width, 3, padding=1), kind(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Of the same shape."""
        x = in_memory_format(x)
        return x + self.second(nn.functional.silu(self.first(nn.functional.silu(x))))


class Parameters(nn.Module):
    """Features ``(N, w, *space)`` → ``outputs`` channels, with all their digits; zeros at first."""

    def __init__(self, event: Sequence[int], inputs: int, width: int, outputs: int):
        super().__init__()
        self.first = convolution(event)(inputs, width, 3, padding=1)
        self.last = convolution(event, last=True)(width, outputs, 1)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, outputs, *space)``."""
        return in_memory_format(self.last(nn.functional.silu(self.first(nn.functional.silu(in_memory_format(x))))))


class BottomUp(nn.Module):
    """x ``(N, C, *space)`` → features of each resolution ``(N, Σ wᵢ · sides)``, flat, the finest first, which has half the sides.

    They are other networks' inputs, so that they may be rounded.
    """

    def __init__(self, event: Sequence[int], widths: Sequence[int], blocks: int):
        super().__init__()
        kind = convolution(event, last=True)
        self.stem = kind(event[0], widths[0], 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(nn.Sequential(*(Block(event, width) for _ in range(blocks))) for width in widths)
        self.down = nn.ModuleList(kind(before, after, 3, stride=2, padding=1) for before, after in pairwise(widths))
        roughly(self)

    def forward(self, x: Tensor) -> Tensor:
        """All features."""
        h = self.blocks[0](self.stem(in_memory_format(x)))
        found = [h]
        for down, block in zip(self.down, self.blocks[1:], strict=True):
            h = block(down(h))
            found.append(h)
        return torch.cat([each.flatten(1) for each in found], 1)


class TopDown(nn.Module):
    """The way down: features begin as weights, and each level's z is added to them before the next.

    Of features h a level has parameters of p(z|h), ``2 channels``, and a part of h that they bring along.
    """

    def __init__(self, event: Sequence[int], places: Sequence[Place]):
        super().__init__()
        kind, self.places = convolution(event), tuple(places)
        first = places[0]
        self.start = nn.Parameter(torch.zeros(first.width, *first.space))
        self.priors = nn.ModuleList(Parameters(event, at.width, at.width, 2 * at.channels + at.width) for at in places)
        self.inputs = nn.ModuleList(kind(at.channels, at.width, 1) for at in places)
        self.blocks = nn.ModuleList(Block(event, at.width) for at in places)
        self.up = nn.ModuleList(_up(event, at, after) for at, after in pairwise(places))

    def parameters_of(self, level: int, h: Float[Tensor, "N w *space"]) -> tuple[Tensor, Tensor]:
        """Parameters of a level's p(z|h) ``(N, 2 channels, *space)``, and h with what they bring along."""
        parameters, more = self.priors[level](h).split([2 * self.places[level].channels, self.places[level].width], 1)
        h = rounded(h)
        return parameters, h + more.to(h.dtype)

    def given(self, level: int, h: Float[Tensor, "N w *space"], z: Float[Tensor, "M d"]) -> Float[Tensor, "M wider *larger"]:
        """Features after a level's z, of N = M or N = 1 that are the same for all; at the next level's resolution."""
        at = self.places[level]
        h = self.blocks[level](rounded(h) + self.inputs[level](in_memory_format(z.reshape(-1, at.channels, *at.space))))
        return self.up[level](h) if level < len(self.up) else h


class Up(nn.Sequential):
    """Upsampling by nearest neighbours and a 1 × 1 convolution, which comes first: the numbers are the same, of fewer products."""

    def __init__(self, event: Sequence[int], at: Place, after: Place):
        super().__init__(nn.Upsample(size=after.space), convolution(event)(at.width, after.width, 1))

    def forward(self, h: Float[Tensor, "N w *space"]) -> Float[Tensor, "N v *larger"]:
        """At the resolution of the level after."""
        upsampled, convolved = self
        return upsampled(convolved(h))


def _up(event: Sequence[int], at: Place, after: Place) -> nn.Module:
    return nn.Identity() if at.resolution == after.resolution else Up(event, at, after)
