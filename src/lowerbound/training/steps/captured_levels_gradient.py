"""Captured calls of the gradient of a hierarchy of Gaussians and bits: from examples and noise to the gradients of all weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.training.steps.captured_passes import Network, Passes
from lowerbound.training.steps.dense import Dense, Hierarchy
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO


@dataclass
class Value:
    """Numbers that networks take, and the gradient in them, so far as it is known; none where nobody wants it."""

    numbers: Any
    gradient: Float[Tensor, "B d"] | None = None
    wanted: bool = True


class Used(NamedTuple):
    """A network's forward pass, and the values that it took, side by side."""

    network: Network
    values: list[Value]


class Level(NamedTuple):
    """A level's forward pass: networks of q and, below the first, of p, μ and log σ² that each gives, noise, z, and the first's σ of q."""

    networks: list[Used]
    given: list[Float[Tensor, "B 2d"]]
    noise: Float[Tensor, "B d"]
    z: Value
    scale: Float[Tensor, "B d"]


class GradientOfLevels:
    """The calls for batches of one size; ``given`` is what the first layer takes, the examples ``x`` or what in them is not zero."""

    def __init__(
        self,
        compiled: Any,
        of: Hierarchy,
        products: torch.dtype,
        given: Any,
        x: Float[Tensor, "B D"],
        noise: Sequence[Float[Tensor, "B d"]],
    ):
        self.compiled, self.calls, self.of, self.products = compiled, compiled.CapturedCalls(), of, products
        self.passes, self.floats, self.n = Passes(compiled, self.calls), compiled.floats, len(x)
        self.kl, self.means = self.floats(self.n), self.floats(3)
        #: calls that are given the weight of the KL, which may change
        self.weighted: list[Any] = []
        stages, seen = [], [Value(given, wanted=False)]
        for network in of.stages:
            stages.append(self._forward(network, seen[-1:]))
            seen.append(Value(stages[-1].network.inputs[-1]))
        features = seen[:0:-1] if of.refines else seen[1:] * len(noise)
        levels: list[Level] = []
        for number, each in enumerate(noise):
            levels.append(self._level(number, features[number], [level.z for level in levels], each))
        self._bound(x, [level.z for level in levels])
        for level in reversed(levels):
            self._of_level(level)
        for stage, value in zip(reversed(stages), reversed(seen), strict=False):
            self._backward(stage, value.gradient)

    def __call__(self, objective: Objective) -> Float[Tensor, " 3"]:
        """Leave the gradient in the weights; return the means of the bound, log p(x|z) and the KL."""
        assert isinstance(objective, ELBO)
        for call in self.weighted:
            call.change(c=objective.weight_of_kl / self.n)
        self.calls.replay()
        return self.means.clone()

    def _bound(self, x: Float[Tensor, "B D"], z: list[Value]) -> None:
        """The means, and the gradient of log p(x|z)."""
        decoder = self._forward(self.of.decoder, z)
        log_likelihood, slope = self.passes.decoded(decoder.network, x, 1, weighted=False)
        what = log_likelihood, self.kl, self.floats(self.n), self.passes.one, self.means
        self.calls.loop(self.compiled.of_gaussians.bounds, 0, self.n, 1, False, *what)
        self._backward(decoder, slope)

    # --- levels ----------------------------------------------------------------------------------------

    def _level(self, number: int, features: Value, above: list[Value], noise: Float[Tensor, "B d"]) -> Level:
        """z of a level, and its KL added to that of those above."""
        q = self._forward(self.of.q[number], [features] if self.of.refines else [features, *above])
        networks = [q, self._forward(self.of.p[number - 1], above)] if above else [q]
        given, z, scale = [self.passes.output(each.network) for each in networks], self.floats(*noise.shape), self.floats(*noise.shape)
        what = [part for each, used in zip(given, networks, strict=True) for part in (each, used.network.layers[-1].bias)]
        loops = self.compiled.of_gaussians
        if above:
            law = loops.refined if self.of.refines else loops.level
            self.calls.loop(law, z.numel(), *z.shape, *LOG_VARIANCE, *what, noise, z, self.kl)
        else:
            self.calls.loop(loops.latents, z.numel(), *z.shape, 1, *LOG_VARIANCE, *what, noise, scale, z, self.kl, self.floats(self.n))
        return Level(networks, given, noise, Value(z), scale)

    def _of_level(self, level: Level) -> None:
        """The gradient in what networks give, and through them."""
        loops, z, found = self.compiled.of_gaussians, level.z.numbers, [self.floats(*each.shape) for each in level.given]
        some = z.numel(), *z.shape
        if len(found) > 1:
            law = loops.of_refined if self.of.refines else loops.of_level
            call = self.calls.loop(law, *some, *LOG_VARIANCE, 0.0, *level.given, level.noise, level.z.gradient, *found)
        else:
            what = *level.given, level.noise, level.scale, z, level.z.gradient, False, self.passes.one, *found
            call = self.calls.loop(loops.of_latents, *some, 1, *LOG_VARIANCE, 0.0, 0.0, *what)
        self.weighted.append(call)
        for used, gradient in zip(level.networks, found, strict=True):
            self._backward(used, gradient)

    # --- networks of several values ----------------------------------------------------------------------

    def _forward(self, of: Dense, values: list[Value]) -> Used:
        """The pass of a network of values side by side."""
        sums = not isinstance(values[0].numbers, Tensor)
        network = self.passes.network(of.layers, of.kinds(self.products), of.gated, of.ends, sums)
        if len(values) == 1:
            return Used(self.passes.forward(network, values[0].numbers), values)
        joined, place = self.floats(self.n, of.inputs, kind=network.layers[0].kind), 0
        for value in values:
            size = value.numbers.shape[1]
            self.calls.loop(self.compiled.layers.beside, self.n * size, self.n, size, of.inputs, place, value.numbers, joined)
            place += size
        return Used(self.passes.forward(network, joined), values)

    def _backward(self, used: Used, gradient: Float[Tensor, "B out"] | None) -> None:
        """The gradients of weights, of that in the output; and those in the values, each added to what is there."""
        assert gradient is not None
        back = self.passes.backward(used.network, gradient)
        if not used.values[0].wanted:
            return
        joined, place = self.passes.back(used.network.layers[0], back), 0
        for value in used.values:
            size, adds = value.numbers.shape[1], value.gradient is not None
            value.gradient = value.gradient if adds else self.floats(self.n, size)
            what = self.n * size, self.n, size, joined.shape[1], place, joined, value.gradient, adds
            self.calls.loop(self.compiled.layers.part, *what)
            place += size
