"""Draws made of noise that is given: z = T(ε), ε standard normal and of the shape of z, so that a graph needs no random numbers."""

from __future__ import annotations

import math
from functools import singledispatch

import torch
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
    used = 0

    def draw(posterior: Distribution, prior: Distribution, name: str) -> Node:
        nonlocal used
        begin, used = used, used + posterior.event_shape.numel()
        law = Triangular(posterior.loc, posterior.scale_tril) if isinstance(posterior, MultivariateNormal) else posterior
        return Node(from_noise(law, noise[..., begin:used]), prior, law, name=name)

    return draw


class Triangular(MultivariateNormal):
    """N(μ, L Lᵀ) whose density is had by sums and products alone: ONNX solves no equations."""

    def __init__(self, loc: Tensor, scale_tril: Tensor):
        super().__init__(loc, scale_tril=scale_tril, validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """−|ε|²/2 − Σ log Lᵢᵢ − (d/2) log 2π with L ε = z − μ, found row by row; nats."""
        away, root = value - self.loc, self.scale_tril
        diagonal, noise = root.diagonal(dim1=-2, dim2=-1), list[Tensor]()
        for row in range(away.shape[-1]):
            known = (torch.stack(noise, -1) * root[..., row, :row]).sum(-1) if noise else 0.0
            noise.append((away[..., row] - known) / diagonal[..., row])
        square = torch.stack(noise, -1).square().sum(-1)
        return -0.5 * (square + len(noise) * math.log(2 * math.pi)) - diagonal.log().sum(-1)
