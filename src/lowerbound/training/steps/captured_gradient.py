"""Captured calls of a forward and a backward pass: from examples and noise to the gradients of all weights."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.training.steps.fused import parts_of
from lowerbound.training.steps.perceptron import Perceptron, single_gradient
from lowerbound.vae.conditional import LOG_VARIANCE
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO

if TYPE_CHECKING:
    from lowerbound.system.compiled.sparse import Sparse

#: encoder and decoder
Networks = tuple[Perceptron, Perceptron]


class Sizes(NamedTuple):
    """Examples, draws for each, and whether they are weighted by importance."""

    n: int
    k: int
    weighted: bool


class Layer(NamedTuple):
    """What is trained, and the weight as it is multiplied: itself, or a copy in another type."""

    weight: Tensor
    bias: Tensor
    multiplied: Tensor

    @property
    def kind(self) -> torch.dtype:
        """The type of its products; what they find is in single precision."""
        return self.multiplied.dtype


class Gradient:
    """The calls for batches of some sizes; ``given`` is what the first layer takes, the examples ``x`` or what in them is not zero."""

    def __init__(
        self,
        compiled: Any,
        networks: Networks,
        sizes: Sizes,
        given: Tensor | Sparse,
        x: Float[Tensor, "B D"],
        noise: Float[Tensor, "K B d"],
    ):
        self.compiled, self.sizes, self.calls, self.floats = compiled, sizes, compiled.CapturedCalls(), compiled.floats
        n, k, weighted = sizes
        self.one = self.floats(1).fill_(1.0)
        encoder, decoder = self._layers(networks[0], not isinstance(given, Tensor)), self._layers(networks[1])
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
        self.calls.product(back, decoder[0].multiplied, of_z.flatten(0, 1))
        of_q = self.floats(*q.shape)
        ends = 0.0, -1 / n if weighted else 0.0  # c is the weight of the KL, which may change
        given_back = q, noise, scale, z, of_z, weighted, share, of_q
        self.of_latents = self.calls.loop(compiled.of_gaussians.of_latents, *some, *ends, *given_back)
        self._backward(encoder, inputs, self._in(encoder[-1].kind, of_q), None)

    def __call__(self, objective: Objective) -> Float[Tensor, " 3"]:
        """Leave the gradient in the weights; return the means of the bound, log p(x|z) and the KL."""
        if isinstance(objective, ELBO):
            self.of_latents.change(c=objective.weight_of_kl / self.sizes.n)
        self.calls.replay()
        return self.means.clone()

    def _layers(self, network: Perceptron, sums: bool = False) -> list[Layer]:
        """Those of a network, their weights in the types of their products; of ``sums`` the first one's is in single precision."""
        kinds = [torch.float32 if sums and not number else kind for number, kind in enumerate(network.kinds)]
        each = zip(network.layers, kinds, strict=True)
        return [Layer(layer.weight, layer.bias, self._in(kind, layer.weight)) for layer, kind in each]

    def _in(self, kind: torch.dtype, given: Tensor) -> Tensor:
        """These numbers in another type, copied in each step; themselves if it is theirs."""
        if given.dtype == kind:
            return given
        found = self.floats(*given.shape, kind=kind)
        self.calls.loop(self.compiled.layers.copied, given.numel(), given.numel(), given, found)
        return found

    # --- forward ---------------------------------------------------------------------------------------

    def _forward(self, layers: list[Layer], given: Any) -> list[Any]:
        """The input of each layer, in the type of its products."""
        inputs = [self._in(layers[0].kind, given) if isinstance(given, Tensor) else given]
        for layer, after in pairwise(layers):
            output = self._product(layer, inputs[-1])
            inputs.append(self.floats(*output.shape, kind=after.kind))
            self.calls.loop(self.compiled.layers.rectified, output.numel(), *output.shape, output, layer.bias, inputs[-1])
        return inputs

    def _product(self, layer: Layer, given: Any) -> Float[Tensor, "N out"]:
        """The output of a layer without its bias."""
        found = self.floats(given.shape[0], len(layer.weight))
        if isinstance(given, Tensor):
            self.calls.product(given, layer.multiplied.t(), found)
        else:
            self.calls.loop(self.compiled.sparse.loops.times_weights, *given.timing(layer.weight, found))
        return found

    def _decoded(self, layer: Layer, given: Float[Tensor, "N in"], x: Float[Tensor, "B D"]) -> tuple[Tensor, Float[Tensor, "N D"]]:
        """log p(x|z), and minus its slope in the last layer's output: of the mean over a batch, or not yet weighted."""
        (n, k, weighted), width = self.sizes, len(layer.weight)
        found, scale = self.floats(k, n), self.floats(1).fill_(-1.0 if weighted else -1 / (k * n))
        slope, some = self.floats(k * n, width, kind=layer.kind), parts_of(k, n, width)
        room = self.floats(max(part.stop - part.start for part in some), width)
        for part in some:
            output = room[: part.stop - part.start]
            self.calls.product(given[part], layer.multiplied.t(), output)
            what = output, layer.bias, x, found.view(-1)[part], slope[part], scale, 0
            self.calls.loop(self.compiled.bernoulli.bits_and_slope, output.numel(), len(output), width, n, *what)
        return found, slope

    # --- backward --------------------------------------------------------------------------------------

    def _backward(self, layers: list[Layer], inputs: list[Any], gradient: Tensor, share: Float[Tensor, " N"] | None) -> Tensor:
        """The gradients of weights and biases, from that of the last output, each row of which is yet to be times its ``share``.

        Returns that of the first layer's output.
        """
        what = gradient, single_gradient(layers[-1].bias), self.one if share is None else share, share is not None
        self.calls.loop(self.compiled.layers.sums, gradient.numel(), *reversed(gradient.shape), *what)
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

    def _through(self, layer: Layer, before: Layer, gradient: Tensor, given: Tensor, share: Tensor | None) -> Tensor:
        """The gradient in the output of the layer before, through its ReLU; and that of its bias."""
        back, found = self.floats(*given.shape), self.floats(*given.shape, kind=before.kind)
        self.calls.product(gradient, layer.multiplied, back)
        what = back, given, found, single_gradient(before.bias), self.one if share is None else share, share is not None
        self.calls.loop(self.compiled.layers.through_relu, back.numel(), back.shape[1], back.shape[0], *what)
        return found

    def _scaled(self, given: Float[Tensor, "N in"], share: Float[Tensor, " N"]) -> Float[Tensor, "N in"]:
        """Each row times its share."""
        found = torch.empty_like(given)
        self.calls.loop(self.compiled.layers.scaled, given.numel(), *given.shape, given, share, found)
        return found
