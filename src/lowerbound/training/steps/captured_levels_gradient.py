"""Captured calls of the gradient of a hierarchy of Gaussians and bits: from examples and noise to the gradients of all weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from lowerbound.training.steps.captured_passes import Network, Passes
from lowerbound.training.steps.captured_tops import StandardTop, Top, VampTop
from lowerbound.training.steps.dense import Dense, Networks
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.objectives.base import Objective, Scheduled
from lowerbound.vae.objectives.batchwise import FreeBits

#: a KL, even of draws, has more nats
NOTHING_FREE = -1e30


@dataclass
class Value:
    """Numbers that networks take, and of as many of the first rows as are ``known`` the gradient so far.

    Of features pseudo-inputs have rows too, after those of the batch: the first level's network takes all, the others those of the batch.
    """

    numbers: Any
    gradient: Float[Tensor, "R d"] | None = None
    known: int = 0


class Used(NamedTuple):
    """A network's forward pass, and the values that it took, side by side."""

    network: Network
    values: list[Value]


class Level(NamedTuple):
    """A level's forward pass: networks of q and, below the first, of p, μ and log σ² that each gives, noise, and z."""

    networks: list[Used]
    given: list[Float[Tensor, "R p"]]
    noise: Float[Tensor, "B d"]
    z: Value


class GradientOfLevels:
    """The calls for batches of one size; ``given`` is what the first layer takes, the examples ``x`` or what in them is not zero."""

    def __init__(
        self,
        compiled: Any,
        of: Networks,
        given: Any,
        x: Float[Tensor, "B D"],
        noise: Sequence[Float[Tensor, "B d"]],
    ):
        self.compiled, self.calls, self.of = compiled, compiled.CapturedCalls(), of
        self.passes, self.floats, self.n = Passes(compiled, self.calls), compiled.floats, len(x)
        self.kls, self.means = self.floats(len(noise), self.n), self.floats(3)
        #: of each level's KL in the gradient
        self.weights = self.floats(len(noise))
        #: of q that is not made of p, whether its KL is log q(z) − log p(z)
        self.sampled = () if of.refines else (of.vamp is not None,)
        self.top: Top = StandardTop(self.passes, self.n) if of.vamp is None else VampTop(self.passes, self.n, of.vamp)
        stages, seen = [], [Value(self.top.inputs(given, x))]
        for network in of.stages:
            stages.append(self._forward(network, seen[-1:], self.top.rows))
            seen.append(Value(stages[-1].network.inputs[-1]))
        features = seen[:0:-1] if of.refines else seen[1:] * len(noise)
        levels: list[Level] = []
        for number, each in enumerate(noise):
            levels.append(self._level(number, features[number], [level.z for level in levels], each))
        self._bound(x, [level.z for level in levels])
        for number in reversed(range(len(levels))):
            self._of_level(number, levels[number])
        for stage, value in zip(stages[:0:-1], seen[:1:-1], strict=True):
            self._backward(stage, value.gradient)
        assert seen[1].gradient is not None
        self.top.of_inputs(stages[0].network.layers[0], self.passes.backward(stages[0].network, seen[1].gradient))

    def __call__(self, objective: Objective) -> Float[Tensor, " 3"]:
        """Leave the gradient in the weights; return the means of the bound, log p(x|z) and the KL."""
        assert isinstance(objective, Scheduled)
        free = objective.nats if isinstance(objective, FreeBits) else NOTHING_FREE
        self.divergences.change(c=objective.weight_of_kl / self.n, free=free)
        self.calls.replay()
        return self.means.clone()

    def _bound(self, x: Float[Tensor, "B D"], z: list[Value]) -> None:
        """The means, and the gradient of log p(x|z)."""
        decoder = self._forward(self.of.decoder, z)
        log_likelihood, slope = self.passes.decoded(decoder.network, x, 1, weighted=False)
        kl, loops = self.floats(self.n), self.compiled.of_gaussians
        self.divergences = self.calls.loop(loops.divergences, 0, self.n, len(self.kls), 0.0, NOTHING_FREE, self.kls, kl, self.weights)
        what = log_likelihood, kl, self.floats(self.n), self.passes.one, self.means
        self.calls.loop(loops.bounds, 0, self.n, 1, False, *what)
        self._backward(decoder, slope)

    # --- levels ----------------------------------------------------------------------------------------

    def _level(self, number: int, features: Value, above: list[Value], noise: Float[Tensor, "B d"]) -> Level:
        """z of a level, and its KL."""
        rows = self.n if above else self.top.rows
        q = self._forward(self.of.q[number], [features] if self.of.refines else [features, *above], rows)
        networks = [q, self._forward(self.of.p[number - 1], above)] if above else [q]
        given, z = [self.passes.output(each.network) for each in networks], self.floats(*noise.shape)
        if above:
            what = [part for each, used in zip(given, networks, strict=True) for part in (each, used.network.layers[-1].bias)]
            law = self.compiled.of_gaussians.refined if self.of.refines else self.compiled.of_gaussians.level
            self.calls.loop(law, z.numel(), *z.shape, *LOG_VARIANCE, *what, noise, z, self.kls[number], *self.sampled)
        else:
            self.top.level(given[0], q.network.layers[-1].bias, noise, z, self.kls[number])
        return Level(networks, given, noise, Value(z))

    def _of_level(self, number: int, level: Level) -> None:
        """The gradient in what networks give, and through them."""
        z, in_z, weight = level.z.numbers, level.z.gradient, self.weights[number : number + 1]
        found = [self.floats(*each.shape) for each in level.given]
        assert in_z is not None
        if len(found) > 1:
            law = self.compiled.of_gaussians.of_refined if self.of.refines else self.compiled.of_gaussians.of_level
            what = level.noise, in_z, *found, *self.sampled
            self.calls.loop(law, z.numel(), *z.shape, *LOG_VARIANCE, weight, *level.given, *what)
        else:
            self.top.of_level(weight, level.given[0], level.noise, z, in_z, found[0])
        for used, gradient in zip(level.networks, found, strict=True):
            self._backward(used, gradient)

    # --- networks of several values ----------------------------------------------------------------------

    def _forward(self, of: Dense, values: list[Value], rows: int | None = None) -> Used:
        """The pass of a network of the first ``rows`` of values, by default of a batch, side by side."""
        rows, sums = rows or self.n, not isinstance(values[0].numbers, Tensor)
        network = self.passes.network(of.layers, of.kinds, of.gated, of.ends, sums)
        if len(values) == 1:
            given = values[0].numbers
            return Used(self.passes.forward(network, given if sums else given[:rows]), values)
        joined, place = self.floats(rows, of.inputs, kind=network.layers[0].kind), 0
        for value in values:
            size = value.numbers.shape[1]
            self.calls.loop(self.compiled.layers.beside, rows * size, rows, size, of.inputs, place, value.numbers, joined)
            place += size
        return Used(self.passes.forward(network, joined), values)

    def _backward(self, used: Used, gradient: Float[Tensor, "R out"] | None) -> None:
        """The gradients of weights, of that in the output; and those in the values, each added to what is known."""
        assert gradient is not None
        joined, place = self.passes.back(used.network.layers[0], self.passes.backward(used.network, gradient)), 0
        for value in used.values:
            rows, size = value.numbers.shape
            found = value.gradient = self.floats(rows, size) if value.gradient is None else value.gradient
            for first, last, adds in ((0, min(value.known, len(joined)), True), (value.known, len(joined), False)):
                if first < last:
                    many, what = last - first, (joined[first:last], found[first:last], adds)
                    self.calls.loop(self.compiled.layers.part, many * size, many, size, joined.shape[1], place, *what)
            value.known, place = max(value.known, len(joined)), place + size
