"""Captured calls of a hierarchy's first level: z₁, its KL from N(0, I) or from a VampPrior, and the gradient back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lowerbound.training.steps.captured_passes import Layer, Passes
from lowerbound.training.steps.perceptron import single_gradient
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.priors import VampPrior


class Top(ABC):
    """The prior of the first level, for batches of ``n``. The network of q gives ``rows`` of μ and log σ², those of the batch first.

    Each method is called once, in their order here; what one leaves in memory the next ones read.
    """

    def __init__(self, passes: Passes, n: int, rows: int):
        self.passes, self.n, self.rows = passes, n, rows

    @abstractmethod
    def inputs(self, given: Any, x: Float[Tensor, "B D"]) -> Any:
        """What the first stage takes: ``given``, the examples or what in them is not zero, and other rows after them."""

    @abstractmethod
    def level(self, q: Float[Tensor, "R p"], bias: Tensor, noise: Float[Tensor, "B d"], z: Tensor, kl: Float[Tensor, " B"]) -> None:
        """z, and its KL; q without its bias."""

    @abstractmethod
    def of_level(
        self, weight: Float[Tensor, "1"], q: Float[Tensor, "R p"], noise: Tensor, z: Tensor, in_z: Tensor, found: Float[Tensor, "R p"]
    ) -> None:
        """The gradient in ``found``, of that in z and of the KL by its weight."""

    @abstractmethod
    def of_inputs(self, layer: Layer, back: Float[Tensor, "R out"]) -> None:
        """The gradient in what the other rows are made of, of that in the first layer's output."""


class StandardTop(Top):
    """N(0, I), the KL in closed form."""

    def __init__(self, passes: Passes, n: int):
        super().__init__(passes, n, n)

    def inputs(self, given: Any, x: Float[Tensor, "B D"]) -> Any:
        """No other rows."""
        return given

    def level(self, q: Float[Tensor, "R p"], bias: Tensor, noise: Float[Tensor, "B d"], z: Tensor, kl: Float[Tensor, " B"]) -> None:
        """By the loop of flat models."""
        passes, self.scale = self.passes, self.passes.floats(*z.shape)
        what = q, bias, noise, self.scale, z, kl, passes.floats(self.n)
        passes.calls.loop(passes.compiled.of_gaussians.latents, z.numel(), *z.shape, 1, *LOG_VARIANCE, *what)

    def of_level(
        self, weight: Float[Tensor, "1"], q: Float[Tensor, "R p"], noise: Tensor, z: Tensor, in_z: Tensor, found: Float[Tensor, "R p"]
    ) -> None:
        """By the loop of flat models."""
        passes, what = self.passes, (weight, q, noise, self.scale, z, in_z, False, self.passes.one, found)
        passes.calls.loop(passes.compiled.of_gaussians.of_latents, z.numel(), *z.shape, 1, *LOG_VARIANCE, 0.0, *what)

    def of_inputs(self, layer: Layer, back: Float[Tensor, "R out"]) -> None:
        """None is wanted."""


class VampTop(Top):
    """1/K Σ_k q(z|u_k), the KL as log q(z) − log p(z): pseudo-inputs are encoded with the batch, as rows after it."""

    def __init__(self, passes: Passes, n: int, prior: VampPrior):
        self.prior, self.k = prior, len(prior.inputs)
        super().__init__(passes, n, n + self.k)
        self.loops = passes.compiled.vamp

    def inputs(self, given: Any, x: Float[Tensor, "B D"]) -> Any:
        """The examples, whatever there is of them, and the pseudo-inputs."""
        passes, u = self.passes, self.prior.inputs
        joined = passes.floats(self.rows, x.shape[1])
        self.values = joined[self.n :]
        passes.calls.loop(passes.compiled.layers.copied, x.numel(), x.numel(), x, joined)
        loop = self.loops.squashed if self.prior.squash else passes.compiled.layers.copied
        passes.calls.loop(loop, u.numel(), u.numel(), u, self.values)
        return joined

    def level(self, q: Float[Tensor, "R p"], bias: Tensor, noise: Float[Tensor, "B d"], z: Tensor, kl: Float[Tensor, " B"]) -> None:
        """The components first."""
        floats, calls, (n, d), k = self.passes.floats, self.passes.calls, z.shape, self.k
        self.precisions, self.shares, constants = floats(k, d), floats(n, k), floats(k)
        #: by dimension, and by component
        self.of_dimension, self.z_t, self.shares_t = (floats(d, k), floats(d, k)), floats(d, n), floats(k, n)
        of_components = q[n:], bias, self.precisions, constants, *self.of_dimension
        calls.loop(self.loops.components, k * d, k, d, *LOG_VARIANCE, *of_components)
        what = q, bias, noise, q[n:], self.precisions, constants, z, self.z_t, self.shares, self.shares_t, kl
        calls.loop(self.loops.mixed, n * k * d, n, d, k, *LOG_VARIANCE, *what)

    def of_level(
        self, weight: Float[Tensor, "1"], q: Float[Tensor, "R p"], noise: Tensor, z: Tensor, in_z: Tensor, found: Float[Tensor, "R p"]
    ) -> None:
        """Of the batch, and of the components."""
        calls, (n, d), k = self.passes.calls, z.shape, self.k
        of_batch = weight, q, noise, z, in_z, *self.of_dimension, self.shares, found
        of_components = weight, self.z_t, q[n:], self.precisions, self.shares_t, found[n:]
        calls.loop(self.loops.of_mixed, n * k * d, n, d, k, *LOG_VARIANCE, *of_batch)
        calls.loop(self.loops.of_components, n * k * d, k, d, n, *LOG_VARIANCE, *of_components)

    def of_inputs(self, layer: Layer, back: Float[Tensor, "R out"]) -> None:
        """Through the first layer and S(u)."""
        passes, found, u = self.passes, single_gradient(self.prior.inputs), self.prior.inputs
        if not self.prior.squash:
            passes.calls.product(back[self.n :], layer.multiplied, found.view(self.k, -1))
            return
        in_values = passes.back(layer, back[self.n :])
        passes.calls.loop(self.loops.through_squash, u.numel(), u.numel(), in_values, self.values, found)
