"""Latents that are images, level by level on a way down that prior, posterior and decoder share (``vae/top_down.py``), in fixed point."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import nn

from lowerbound.nn.top_down import Block, BottomUp, Parameters, Place
from lowerbound.tasks.lossless import functions
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.latents import Gaussian, Latents, gaussian
from lowerbound.tasks.lossless.layers import UNIT, Layer, settled
from lowerbound.tasks.lossless.networks import ExactNetwork, exact, layers_of
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.model import Model
from lowerbound.vae.top_down import TopDownDecoder, TopDownPosterior, TopDownPrior


class Down(NamedTuple):
    """Features ``(n, w, *space)`` above a level, what goes on to the next, and p of this level."""

    seen: Array
    onward: Array
    expected: Gaussian


@dataclass(frozen=True)
class WayDown:
    """The prior's networks: of each level, of each z, after each level; features ``start`` at the top."""

    places: tuple[Place, ...]
    start: Array
    priors: tuple[ExactNetwork, ...]
    inputs: tuple[ExactNetwork, ...]
    blocks: tuple[ExactNetwork, ...]
    up: tuple[ExactNetwork, ...]
    floor: float

    @classmethod
    def of(cls, prior: TopDownPrior) -> WayDown:
        """That of a model. Errors: RecipeError for weights that are too large."""
        network = prior.network
        priors, inputs, blocks, up = (
            tuple(exact(each) for each in of) for of in (network.priors, network.inputs, network.blocks, network.up)
        )
        start = settled(network.start.detach().cpu().double().numpy() * UNIT) / UNIT
        return cls(network.places, start, priors, inputs, blocks, up, prior.floor)

    @property
    def networks(self) -> tuple[ExactNetwork, ...]:
        """All, and where they start."""
        start = ExactNetwork((), (Layer("start", lambda x: x, (self.start,)),))
        return (*self.priors, *self.inputs, *self.blocks, *self.up, start)

    def begin(self, n: int) -> Down:
        """The first level, of n examples."""
        return self.level(0, np.broadcast_to(self.start, (n, *self.start.shape)))

    def level(self, level: int, h: Array) -> Down:
        """A level, by the features above it."""
        parameters, more = np.split(self.priors[level](h), [2 * self.places[level].channels], 1)
        return Down(h, h + more, gaussian(_flat(parameters), self.floor))

    def below(self, level: int, state: Down, place: Array) -> Array:
        """Features below a level, whose z ``(n, d)`` is known now."""
        at = self.places[level]
        h = self.blocks[level](state.onward + self.inputs[level](place.reshape(-1, at.channels, *at.space)))
        return self.up[level](h) if level < len(self.up) else h

    def features(self, z: Array) -> Array:
        """Those below all levels, of z ``(n, d)``."""
        state, last = self.begin(len(z)), len(self.places) - 1
        for level, place in enumerate(np.split(z, np.cumsum([at.latent for at in self.places])[:-1], 1)):
            h = self.below(level, state, place)
            state = self.level(level + 1, h) if level < last else state
        return h


@dataclass(frozen=True)
class ImageLevels(Latents):
    """Levels on a way ``down``; ``posterior`` makes what q is beside p, of features above and of the example's, of these ``shapes``."""

    down: WayDown
    posterior: tuple[ExactNetwork, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, vae: Model) -> ImageLevels:
        """Those of a model. Errors: RecipeError for weights that are too large."""
        prior, posterior = vae.prior, vae.posterior
        assert isinstance(prior, TopDownPrior)
        assert isinstance(posterior, TopDownPosterior)
        return cls(WayDown.of(prior), tuple(map(exact, posterior.levels)), posterior.shapes)

    @property
    def sizes(self) -> tuple[int, ...]:  # type: ignore[override]
        """Of each level."""
        return tuple(at.latent for at in self.down.places)

    @property
    def words(self) -> tuple[object, ...]:
        """Where the levels are."""
        return ("images", self.down.places, self.shapes, self.down.floor)

    @property
    def networks(self) -> tuple[ExactNetwork, ...]:
        """Those of prior and posterior."""
        return (*self.down.networks, *self.posterior)

    def begin(self, n: int) -> Down:
        """At the top."""
        return self.down.begin(n)

    def after(self, level: int, state: Down, place: Array) -> Down:
        """By features that z is added to."""
        return self.down.level(level + 1, self.down.below(level, state, place))

    def expected(self, level: int, state: Down) -> Gaussian:
        """As the way down has it."""
        return state.expected

    def seen(self, level: int, features: Array, state: Down, expected: Gaussian | None) -> Gaussian:
        """What q is beside p: a shift, and the log of a ratio of variances, which a floor makes less of."""
        assert expected is not None
        resolution, log_variance = self.down.places[level].resolution, expected[1]
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        of_x = np.split(features, ends, 1)[resolution].reshape(-1, *self.shapes[resolution])
        shift, log_ratio = map(_flat, np.split(self.posterior[level](np.concatenate([state.seen, of_x], 1)), 2, 1))
        log_ratio = np.clip(log_ratio, *LOG_VARIANCE)
        if self.down.floor:
            share = self.down.floor * functions.exp()(-log_variance / 2)  # of p's σ
            log_ratio = 2 * functions.log(np.maximum(1 - share, 0) * functions.exp()(log_ratio / 2) + share)
        return shift * functions.exp()(-log_variance / 2), log_ratio


def _flat(x: Array) -> Array:
    return x.reshape(len(x), -1)


# --- layers ------------------------------------------------------------------------------------------


def _applied(layers: Sequence[Layer], x: Array) -> Array:
    for layer in layers:
        x = layer.apply(x)
    return x


def _layer(kind: str, parts: Sequence[Layer], apply: Callable[[Array], Array]) -> Layer:
    """One of several."""
    words = f"{kind} {', '.join(layer.words for layer in parts)}"
    return Layer(words, apply, tuple(numbers for layer in parts for numbers in layer.numbers))


def _activated(*modules: nn.Module) -> list[Layer]:
    return list(layers_of(nn.Sequential(*(part for module in modules for part in (nn.SiLU(), module)))))


@layers_of.register
def _(module: Block) -> Iterator[Layer]:
    parts = _activated(module.first, module.second)
    yield _layer("block", parts, lambda x: settled(x + _applied(parts, x)))


@layers_of.register
def _(module: Parameters) -> Iterator[Layer]:
    yield from _activated(module.first, module.last)


@layers_of.register
def _(module: BottomUp) -> Iterator[Layer]:
    each = zip([module.stem, *module.down], module.blocks, strict=True)
    stages = [list(layers_of(nn.Sequential(first, blocks))) for first, blocks in each]

    def apply(x: Array) -> Array:
        found = list[Array]()
        for stage in stages:
            x = _applied(stage, x)
            found.append(_flat(x))
        return np.concatenate(found, 1)

    yield _layer("bottom up", [layer for stage in stages for layer in stage], apply)


@layers_of.register
def _(module: TopDownDecoder) -> Iterator[Layer]:
    down = WayDown.of(module._prior[0])
    yield Layer(f"way down {down.places} {down.floor}", lambda z: down.features(z / UNIT) * UNIT)
    yield from layers_of(nn.Sequential(module.up, nn.SiLU(), module.last, module.several))
