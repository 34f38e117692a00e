"""The three distributions of a hierarchy whose latents are images: prior, posterior and decoder share the way down.

Going down p and q see the same features h of the levels above, which is why q is a ``Refined`` chain: q(zᵢ|z₁ … zᵢ₋₁, x) is of h and of the
example's features at the same resolution.
Source: Child, "Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on Images", 2021,
https://arxiv.org/abs/2011.10650; Vahdat and Kautz, "NVAE: A Deep Hierarchical Variational Autoencoder", 2020,
https://arxiv.org/abs/2007.03898 (q relative to p).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from math import prod
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Size, Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from lowerbound import distributions
from lowerbound.distributions.chain import Refinement
from lowerbound.nn.convolutions import in_memory_format
from lowerbound.nn.held import held
from lowerbound.nn.networks import convolution
from lowerbound.nn.precision import rounding
from lowerbound.nn.top_down import Block, Parameters, TopDown
from lowerbound.vae.conditional import deviation, diagonal_gaussian, floor_of
from lowerbound.vae.posteriors import Posterior
from lowerbound.vae.priors import Prior


class State(NamedTuple):
    """Features on the way down: what q sees of the levels above, and what goes on to the next, with what p's parameters bring along."""

    seen: Float[Tensor, "N w *space"]
    onward: Float[Tensor, "N w *space"]


class TopDownPrior(Prior):
    """p(z₁) p(z₂|z₁) …, all Gaussians that are learned; ``network`` has the way down. No σ is below ``floor``."""

    def __init__(self, network: TopDown, floor: float = 0.0):
        super().__init__()
        self.network, self.floor = network, floor_of(floor)

    def forward(self) -> distributions.Chain:
        """p(z), with no batch axes and events ``(Σ sizes,)``."""
        first, state = self._level(0, self.network.start[None], Size())
        steps = [partial(self._step, level) for level in range(1, len(self.network.places))]
        sizes = [at.latent for at in self.network.places]
        return distributions.Chain(first, steps, sizes, state, held=lambda: held(self)(), maker=self)

    def features(self, z: Float[Tensor, "N d"]) -> Float[Tensor, "N w *space"]:
        """h after all levels."""
        parts, walk = z.split([at.latent for at in self.network.places], -1), self().walk()
        state = next(walk)[1]
        for part in parts[:-1]:
            state = walk.send(part)[1]
        with self._rounding():
            return self.network.given(len(parts) - 1, state.onward, parts[-1]).to(z.dtype)

    def _step(self, level: int, state: State, z: Float[Tensor, "*batch d"]) -> tuple[Distribution, State]:
        """The law of a level and its features, by the z of the one before."""
        with self._rounding():
            h = self.network.given(level - 1, state.onward, z.flatten(0, -2))
        return self._level(level, h, z.shape[:-1])

    def _level(self, level: int, h: Float[Tensor, "N w *space"], lead: Size) -> tuple[Distribution, State]:
        with self._rounding():
            parameters, onward = self.network.parameters_of(level, h)
        each = [part.flatten(1).reshape(*lead, -1) for part in parameters.to(self.network.start.dtype).chunk(2, 1)]
        return diagonal_gaussian(torch.cat(each, -1), len(lead), self.floor), State(h, onward)

    def _rounding(self) -> AbstractContextManager[None]:
        first = self.network.priors[0]  # all of the way down rounds, or nothing, and this is sooner looked through
        return rounding(first, self.network.start.device, False) if self.training else nullcontext()


class TopDownPosterior(Posterior):
    """q(z|x), level by level relative to p: μ_q = μ_p + a, log σ_q = log σ_p + b, with a and b a network's of features above and of x.

    Where p has a floor, q has the same, and b is of what both σ have above it.
    The encoder gives features of each resolution, flat, side by side (``nn.top_down.BottomUp``), ``shapes`` of them; ``prior`` is that of
    the same model, whose weights it shares.
    """

    def __init__(self, network: nn.Module, prior: TopDownPrior, shapes: Sequence[tuple[int, ...]]):
        super().__init__(network)
        self._prior, self.shapes = (prior,), tuple(shapes)  # in a tuple, so that its weights are counted, moved and saved once
        self.levels = nn.ModuleList(
            Parameters(shapes[at.resolution], 2 * at.width, at.width, 2 * at.channels) for at in prior.network.places
        )

    @staticmethod
    def features(latent: int) -> int:
        """Any number will do; as many as a Gaussian has."""
        return 2 * latent

    def law(self, output: Float[Tensor, "*batch parameters"], axes: int) -> distributions.Refined:
        """A batch ``(B,)`` of laws over ``(Σ sizes,)``."""
        prior = self._prior[0]
        parts = output.split([prod(shape) for shape in self.shapes], -1)
        seen = [in_memory_format(part.reshape(-1, *shape)) for part, shape in zip(parts, self.shapes, strict=True)]
        each: list[Refinement] = [
            partial(self._refined, level, seen[at.resolution]) for level, at in zip(self.levels, prior.network.places, strict=True)
        ]
        return distributions.Refined(prior(), each, held=lambda: held(self).law(output.detach(), axes))

    def _refined(self, level: nn.Module, of_x: Float[Tensor, "B w *space"], p: Distribution, state: State) -> Distribution:
        lead = p.batch_shape or Size([of_x.shape[0]])
        n, space = prod(lead), [-1] * (of_x.dim() - 1)
        h = in_memory_format(state.seen.expand(n, *space))
        of_x = of_x if n == len(of_x) else of_x.repeat(n // len(of_x), *[1] * len(space))
        with rounding(level, of_x.device, False) if self.training else nullcontext():
            parameters = level(torch.cat([h, of_x.to(h.dtype)], 1))
        shift, log_ratio = (part.flatten(1).reshape(*lead, -1) for part in parameters.to(p.mean.dtype).chunk(2, 1))
        floor = self._prior[0].floor
        scale = (p.stddev - floor) * deviation(log_ratio) + floor
        return Independent(Normal(p.mean + shift, scale, validate_args=False), 1, validate_args=False)


class TopDownDecoder(nn.Module):
    """z ``(N, d)`` → parameters of p(x|z) ``(N, P, *event)``, or ``(N, *event)`` of one: by the way down, to the data's own sides."""

    def __init__(self, prior: TopDownPrior, event: Sequence[int], parameters: int, width: int):
        super().__init__()
        self._prior = (prior,)  # in a tuple, so that its weights are counted, moved and saved once
        last = prior.network.places[-1]
        self.up = nn.Sequential(
            nn.Upsample(size=tuple(event[1:])), convolution(event)(last.width, width, 3, padding=1), Block(event, width)
        )
        self.last = convolution(event, last=True)(width, parameters * event[0], 3, padding=1)
        self.several = nn.Unflatten(1, (parameters, event[0])) if parameters > 1 else nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        """The parameters."""
        return self.several(self.last(nn.functional.silu(self.up(self._prior[0].features(z)))))
