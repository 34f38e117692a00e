"""Draws made of noise that is given: z = T(ε), ε standard normal and of the shape of z, so that a graph needs no random numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, TransformedDistribution

from lowerbound.distributions.chain import Levels
from lowerbound.distributions.dirac import Delta
from lowerbound.errors import RecipeError, law_name
from lowerbound.vae.terms import Node, Sampler


@singledispatch
def from_noise(law: Distribution, noise: Tensor) -> Tensor:
    """z ``(K, *batch, d)`` of standard normal ε of this shape. Errors: RecipeError for a law whose draws are made in another way."""
    if hasattr(law, "transform") and hasattr(law, "base"):  # a flow of zuko's, which is imported where one is made
        moved: Tensor = law.transform.inv(from_noise(law.base, noise))
        return moved
    raise RecipeError(f"draws of {law_name(law)} are no function of so many normal numbers, and a graph makes no others")


@from_noise.register
def _(law: Delta, noise: Tensor) -> Tensor:
    raise RecipeError("q(z|x) is a point and has no density, so that there is no bound of log p(x)")


@from_noise.register
def _(law: Normal, noise: Tensor) -> Tensor:
    return law.loc + law.scale * noise


@from_noise.register
def _(law: Independent, noise: Tensor) -> Tensor:  # type: ignore[type-arg]  # it takes none where Python runs
    return from_noise(law.base_dist, noise)


@from_noise.register
def _(law: MultivariateNormal, noise: Tensor) -> Tensor:
    return law.loc + (law.scale_tril @ noise[..., None])[..., 0]


@from_noise.register
def _(law: TransformedDistribution, noise: Tensor) -> Tensor:
    z = from_noise(law.base_dist, noise)
    for transform in law.transforms:
        z = transform(z)
    return z


@from_noise.register
def _(law: Levels, noise: Tensor) -> Tensor:
    part = iter(noise.split(law.sizes, -1))
    return law.along(lambda level, _: from_noise(level, next(part)))


def sampler_of(noise: Tensor) -> Sampler:
    """Latents drawn one after the other, each of its share of ε ``(K, B, d)``."""
    return _each(iter_of(noise))


def iter_of(noise: Tensor) -> Callable[[int], Tensor]:
    """So many of the last axis as are asked for, from the first on."""
    used = 0

    def take(n: int) -> Tensor:
        nonlocal used
        used += n
        return noise[..., used - n : used]

    return take


def _each(take: Callable[[int], Tensor]) -> Sampler:
    def draw(posterior: Distribution, prior: Distribution, name: str) -> Node:
        return Node(from_noise(posterior, take(posterior.event_shape.numel())), prior, posterior, name=name)

    return draw
