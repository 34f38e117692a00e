"""The training step of dense hierarchies of Gaussians, captured once and replayed, as that of flat models (captured.py).

q(z₁|x) q(z₂|z₁, x) … and p(z₁) p(z₂|z₁) … are chains, p(z₁) is N(0, I), p(x|z) is of bits; between the linear layers of networks are
ReLUs or gates. It draws the numbers of autograd's step and gives the same gradient but for rounding
(tests/training/test_captured_levels.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.rows import Rows
from lowerbound.system.devices import loops
from lowerbound.training.steps.autograd import ByAutograd
from lowerbound.training.steps.captured import Batches
from lowerbound.training.steps.captured_gradient import Sizes
from lowerbound.training.steps.captured_passes import Network, Passes
from lowerbound.training.steps.dense import Dense, Hierarchy, hierarchy
from lowerbound.training.steps.fused import are_all, is_elbo, is_usual
from lowerbound.training.steps.plan import Plan, Ready, Step, nobody
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO


class LevelsByCapture(Step):
    """The gradient of a hierarchy's loss."""

    draws_by_row = True

    @classmethod
    def takes(cls, plan: Plan) -> bool:
        """Hierarchies in one process, one draw an example, if torch's BLAS can be called for their products."""
        compiled, vae = loops(), plan.vae
        if compiled is None or not is_usual(plan) or not is_elbo(plan.objective) or plan.objective.samples > 1:
            return False
        if not plan.group.takes_all or (found := hierarchy(vae)) is None:
            return False
        layers = [layer for network in found.networks for layer in network.layers]
        kinds = {torch.float32, *(kind for network in found.networks for kind in network.kinds(plan.products))}
        return are_all(vae, layers) and bool(compiled.products_are_to_be_had(*kinds))

    def __init__(self, plan: Plan, ready: Ready = nobody):
        super().__init__(plan, ready)
        found = hierarchy(plan.vae)
        assert found is not None
        self.hierarchy, trunk = found, found.trunk
        self.batches = Batches(self, trunk.layers[0], (trunk.inputs,), found.sizes, self._captured, ByAutograd(plan, ready))

    def gradient(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """The forward and backward pass for a batch. Errors: DataError for examples of another size."""
        return self.batches.gradient(data, rows, objective)

    def _captured(self, _: Sizes, given: Any, x: Tensor, noise: Sequence[Tensor]) -> GradientOfLevels:
        return GradientOfLevels(loops(), self.hierarchy, self.plan.products, given, x, [one[0] for one in noise])


class Level(NamedTuple):
    """A level's forward pass: networks of q and p, μ and log σ² that they give, noise, and the σ of q of the first, whose p is none."""

    networks: list[Network]
    given: list[Float[Tensor, "B 2d"]]
    noise: Float[Tensor, "B d"]
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
        self.compiled, self.calls, self.products = compiled, compiled.CapturedCalls(), products
        self.passes, self.floats, self.n = Passes(compiled, self.calls), compiled.floats, len(x)
        self.kl, self.means = self.floats(self.n), self.floats(3)
        #: calls that are given the weight of the KL, which may change
        self.weighted: list[Any] = []
        trunk = self.passes.forward(self._network(of.trunk, sums=not isinstance(given, Tensor)), given)
        #: features of the example, then z of each level; and the gradients in them, so far as they are known
        self.values: list[Tensor] = [trunk.inputs[-1]]
        self.gradients: list[Tensor | None] = [None] * (1 + len(noise))
        levels = [self._level(number, of, each) for number, each in enumerate(noise)]
        decoder = self._forward(of.decoder, 1)
        log_likelihood, slope = self.passes.decoded(decoder, x, 1, weighted=False)
        what = log_likelihood, self.kl, self.floats(self.n), self.passes.one, self.means
        self.calls.loop(compiled.of_gaussians.bounds, 0, self.n, 1, False, *what)
        self._backward(decoder, slope, 1)
        for number in reversed(range(len(levels))):
            self._of_level(number, levels[number])
        assert self.gradients[0] is not None
        self.passes.backward(trunk, self.gradients[0])

    def __call__(self, objective: Objective) -> Float[Tensor, " 3"]:
        """Leave the gradient in the weights; return the means of the bound, log p(x|z) and the KL."""
        assert isinstance(objective, ELBO)
        for call in self.weighted:
            call.change(c=objective.weight_of_kl / self.n)
        self.calls.replay()
        return self.means.clone()

    # --- levels ----------------------------------------------------------------------------------------

    def _level(self, number: int, of: Hierarchy, noise: Float[Tensor, "B d"]) -> Level:
        """z of a level, and its KL added to that of those before."""
        networks = [self._forward(of.q[number], 0)] + [self._forward(of.p[number - 1], 1)] * bool(number)
        given, z, scale = [self.passes.output(each) for each in networks], self.floats(*noise.shape), self.floats(*noise.shape)
        if number:
            parameters = [each for pair in zip(given, [each.layers[-1].bias for each in networks], strict=True) for each in pair]
            self.calls.loop(self.compiled.of_gaussians.level, z.numel(), *z.shape, *LOG_VARIANCE, *parameters, noise, z, self.kl)
        else:
            what = given[0], networks[0].layers[-1].bias, noise, scale, z, self.kl, self.floats(self.n)
            self.calls.loop(self.compiled.of_gaussians.latents, z.numel(), *z.shape, 1, *LOG_VARIANCE, *what)
        self.values.append(z)
        return Level(networks, given, noise, scale)

    def _of_level(self, number: int, level: Level) -> None:
        """The gradient in what networks give, and through them."""
        z, in_z, found = self.values[number + 1], self.gradients[number + 1], [self.floats(*each.shape) for each in level.given]
        loops_of = self.compiled.of_gaussians
        if number:
            what = *level.given, level.noise, in_z, *found
            call = self.calls.loop(loops_of.of_level, z.numel(), *z.shape, *LOG_VARIANCE, 0.0, *what)
        else:
            what = level.given[0], level.noise, level.scale, z, in_z, False, self.passes.one, found[0]
            call = self.calls.loop(loops_of.of_latents, z.numel(), *z.shape, 1, *LOG_VARIANCE, 0.0, 0.0, *what)
        self.weighted.append(call)
        for first, (network, gradient) in enumerate(zip(level.networks, found, strict=True)):
            self._backward(network, gradient, first)

    # --- networks of several values ----------------------------------------------------------------------

    def _network(self, of: Dense, sums: bool = False) -> Network:
        return self.passes.network(of.layers, of.kinds(self.products), of.gated, of.ends, sums)

    def _forward(self, of: Dense, first: int) -> Network:
        """The pass of a network that takes all values there are from ``first`` on, side by side."""
        network, values = self._network(of), self.values[first:]
        if len(values) == 1:
            return self.passes.forward(network, values[0])
        joined, place = self.floats(self.n, of.inputs, kind=network.layers[0].kind), 0
        for value in values:
            size = value.shape[1]
            self.calls.loop(self.compiled.layers.beside, value.numel(), self.n, size, of.inputs, place, value, joined)
            place += size
        return self.passes.forward(network, joined)

    def _backward(self, network: Network, gradient: Tensor, first: int) -> None:
        """The gradients of weights; and those in the values from ``first`` on that it took, each added to what is there."""
        first_layer = network.layers[0]
        back, place = self.passes.back(first_layer, self.passes.backward(network, gradient)), 0
        for number in range(first, len(self.values)):
            if place == back.shape[1]:
                break
            size, before = self.values[number].shape[1], self.gradients[number]
            if before is None:
                self.gradients[number] = self.floats(self.n, size)
            what = back, self.gradients[number], before is not None
            self.calls.loop(self.compiled.layers.part, self.n * size, self.n, size, back.shape[1], place, *what)
            place += size
