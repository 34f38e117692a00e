"""Captured calls of a forward and a backward pass: from examples and noise to the gradients of all weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.training.steps.fused import parts_of
from lowerbound.training.steps.perceptron import single_gradient
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO

if TYPE_CHECKING:
    from lowerbound.system.compiled.sparse import Sparse

#: the layers of encoder and decoder
Networks = tuple[list[nn.Linear], list[nn.Linear]]


class Sizes(NamedTuple):
    """Examples, draws for each, and whether they are weighted by importance."""

    n: int
    k: int
    weighted: bool


class Gradient:
    """The calls for batches of some sizes; ``given`` is what the first layer takes, the examples ``x`` or what in them is not zero."""

    def __init__(
        self,
        compiled: Any,
        layers: Networks,
        sizes: Sizes,
        given: Tensor | Sparse,
        x: Float[Tensor, "B D"],
        noise: Float[Tensor, "K B d"],
    ):
        self.compiled, self.sizes, self.calls, self.floats = compiled, sizes, compiled.CapturedCalls(), compiled.floats
        (encoder, decoder), (n, k, weighted) = layers, sizes
        self.one = self.floats(1).fill_(1.0)
        inputs = self._forward(encoder, given)
        q = self._product(encoder[-1], inputs[-1])
        scale, z, kl, ratio = self.floats(n, q.shape[1] // 2), self.floats(*noise.shape), self.floats(n), self.floats(k, n)
        some = noise.numel(), n, scale.shape[1], k, *LOG_VARIANCE
        self.calls.loop(compiled.of_gaussians.latents, *some, q, encoder[-1].bias, noise, scale, z, kl, ratio)
        hidden = self._forward(decoder, z.flatten(0, 1))
        log_likelihood, slope = self._decoded(decoder[-1], hidden[-1], x)
        self.means, share = self.floats(3), self.floats(k, n) if weighted else self.one
        self.calls.loop(compiled.of_gaussians.bounds, 0, n, k, weighted, log_likelihood, kl, ratio, share, self.means)
        of_z = self.floats(*z.shape)
        back = self._backward(decoder, hidden, slope, share.flatten() if weighted else None)
        self.calls.product(back, decoder[0].weight, of_z.flatten(0, 1))
        of_q = self.floats(*q.shape)
        ends = 0.0, -1 / n if weighted else 0.0  # c is the weight of the KL, which may change
        given_back = q, noise, scale, z, of_z, weighted, share, of_q
        self.of_latents = self.calls.loop(compiled.of_gaussians.of_latents, *some, *ends, *given_back)
        self._backward(encoder, inputs, of_q, None)

    def __call__(self, objective: Objective) -> Float[Tensor, " 3"]:
        """Leave the gradient in the weights; return the means of the bound, log p(x|z) and the KL."""
        if isinstance(objective, ELBO):
            self.of_latents.change(c=objective.weight_of_kl / self.sizes.n)
        self.calls.replay()
        return self.means.clone()

    # --- forward ---------------------------------------------------------------------------------------

    def _forward(self, layers: list[nn.Linear], given: Any) -> list[Any]:
        """The input of each layer."""
        inputs = [given]
        for layer in layers[:-1]:
            output = self._product(layer, inputs[-1])
            inputs.append(self.floats(*output.shape))
            self.calls.loop(self.compiled.layers.rectified, output.numel(), *output.shape, output, layer.bias, inputs[-1])
        return inputs

    def _product(self, layer: nn.Linear, given: Any) -> Float[Tensor, "N out"]:
        """The output of a layer without its bias."""
        found = self.floats(given.shape[0], len(layer.weight))
        if isinstance(given, Tensor):
            self.calls.product(given, layer.weight.t(), found)
        else:
            self.calls.loop(self.compiled.sparse.loops.times_weights, *given.timing(layer.weight, found))
        return found

    def _decoded(self, layer: nn.Linear, given: Float[Tensor, "N in"], x: Float[Tensor, "B D"]) -> tuple[Tensor, Float[Tensor, "N D"]]:
        """log p(x|z), and minus its slope in the last layer's output: of the mean over a batch, or not yet weighted."""
        (n, k, weighted), width = self.sizes, len(layer.weight)
        found, slope, scale = self.floats(k, n), self.floats(k * n, width), self.floats(1).fill_(-1.0 if weighted else -1 / (k * n))
        some = parts_of(k, n, width)
        room = self.floats(max(part.stop - part.start for part in some), width)
        for part in some:
            output = room[: part.stop - part.start]
            self.calls.product(given[part], layer.weight.t(), output)
            what = output, layer.bias, x, found.view(-1)[part], slope[part], scale, 0
            self.calls.loop(self.compiled.bernoulli.bits_and_slope, output.numel(), len(output), width, n, *what)
        return found, slope

    # --- backward --------------------------------------------------------------------------------------

    def _backward(self, layers: list[nn.Linear], inputs: list[Any], gradient: Tensor, share: Float[Tensor, " N"] | None) -> Tensor:
        """The gradients of weights and biases, from that of the last output, each row of which is yet to be times its ``share``.

        Returns that of the first layer's output.
        """
        of_bias = single_gradient(layers[-1].bias)
        if share is None:
            self.calls.loop(self.compiled.layers.sums, gradient.numel(), *reversed(gradient.shape), gradient, of_bias)
        else:
            self.calls.product(share[None], gradient, of_bias[None])
        for number in reversed(range(len(layers))):
            self._of_weight(layers[number].weight, gradient, inputs[number] if share is None else self._scaled(inputs[number], share))
            if number:
                gradient = self._through(layers[number], layers[number - 1], gradient, inputs[number], share)
                share = None
        return gradient if share is None else self._scaled(gradient, share)

    def _of_weight(self, weight: Tensor, gradient: Float[Tensor, "N out"], given: Any) -> None:
        """A weight's gradient: Σ over rows of gradient × input."""
        if isinstance(given, Tensor):
            self.calls.product(gradient.t(), given, single_gradient(weight))
        else:
            self.calls.loop(self.compiled.sparse.loops.of_weights, *given.summing(gradient, single_gradient(weight)))

    def _through(self, layer: nn.Linear, before: nn.Linear, gradient: Tensor, given: Tensor, share: Tensor | None) -> Tensor:
        """The gradient in the output of the layer before, through its ReLU; and that of its bias."""
        back, found = self.floats(*given.shape), self.floats(*given.shape)
        self.calls.product(gradient, layer.weight, back)
        what = back, given, found, single_gradient(before.bias), self.one if share is None else share, share is not None
        self.calls.loop(self.compiled.layers.through_relu, back.numel(), back.shape[1], back.shape[0], *what)
        return found

    def _scaled(self, given: Float[Tensor, "N in"], share: Float[Tensor, " N"]) -> Float[Tensor, "N in"]:
        """Each row times its share."""
        found = self.floats(*given.shape)
        self.calls.loop(self.compiled.layers.scaled, given.numel(), *given.shape, given, share, found)
        return found
