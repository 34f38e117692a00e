"""Captured calls of the gradient of a Gaussian posterior and bits: from examples and noise to the gradients of all weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from lowerbound.training.steps.captured_passes import Passes
from lowerbound.training.steps.perceptron import Perceptron
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO

if TYPE_CHECKING:
    from lowerbound.system.compiled.sparse import Sparse


class Sizes(NamedTuple):
    """Examples, draws for each, and whether they are weighted by importance."""

    n: int
    k: int
    weighted: bool


class Gradient:
    """The calls for batches of some sizes; ``given`` is what the first layer takes, the examples ``x`` or what in them is not zero.

    ``networks`` are encoder and decoder.
    """

    def __init__(
        self,
        compiled: Any,
        networks: tuple[Perceptron, Perceptron],
        sizes: Sizes,
        given: Tensor | Sparse,
        x: Float[Tensor, "B D"],
        noise: Float[Tensor, "K B d"],
    ):
        self.sizes, self.calls, floats = sizes, compiled.CapturedCalls(), compiled.floats
        n, k, weighted = sizes
        passes, (of_x, of_z) = Passes(compiled, self.calls), networks
        encoder = passes.network(of_x.layers, of_x.kinds, sums=not isinstance(given, Tensor))
        decoder = passes.network(of_z.layers, of_z.kinds)
        q = passes.output(passes.forward(encoder, given))
        scale, z, kl, ratio = floats(n, q.shape[1] // 2), floats(*noise.shape), floats(n), floats(k, n)
        some = noise.numel(), n, scale.shape[1], k, *LOG_VARIANCE
        self.calls.loop(compiled.of_gaussians.latents, *some, q, encoder.layers[-1].bias, noise, scale, z, kl, ratio)
        log_likelihood, slope = passes.decoded(passes.forward(decoder, z.flatten(0, 1)), x, k, weighted)
        self.means, share = floats(3), floats(k, n) if weighted else passes.one
        self.calls.loop(compiled.of_gaussians.bounds, 0, n, k, weighted, log_likelihood, kl, ratio, share, self.means)
        back = passes.backward(decoder, slope, share.flatten() if weighted else None)
        in_z, of_q = passes.back(decoder.layers[0], back).view(z.shape), floats(*q.shape)
        #: that of the KL in the gradient, which may change
        self.weight = floats(1).fill_(0.0)
        given_back = self.weight, q, noise, scale, z, in_z, weighted, share, of_q
        self.calls.loop(compiled.of_gaussians.of_latents, *some, -1 / n if weighted else 0.0, *given_back)
        passes.backward(encoder, of_q)

    def __call__(self, objective: Objective) -> Float[Tensor, " 3"]:
        """Leave the gradient in the weights; return the means of the bound, log p(x|z) and the KL."""
        if isinstance(objective, ELBO):
            self.weight.fill_(objective.weight_of_kl / self.sizes.n)
        self.calls.replay()
        return self.means.clone()
