"""Captured calls of a network's forward and backward pass: linear layers, with ReLUs or gates between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.training.steps.fused import parts_of
from lowerbound.training.steps.perceptron import single_gradient

if TYPE_CHECKING:
    from lowerbound.system.compiled.sparse import Sparse


class Layer(NamedTuple):
    """What is trained, and the weight as it is multiplied: itself, or a copy in another type."""

    weight: Tensor
    bias: Tensor
    multiplied: Tensor

    @property
    def kind(self) -> torch.dtype:
        """The type of its products; what they find is in single precision."""
        return self.multiplied.dtype


@dataclass
class Network:
    """The layers of a network, and of its forward pass the input of each; of ``gated`` layers their outputs before the gate too.

    One that ``ends`` in hidden units has them as its last input.
    """

    layers: list[Layer]
    gated: bool = False
    ends: bool = False
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)


class Passes:
    """Where the calls of passes are captured, in the order in which methods are called."""

    def __init__(self, compiled: Any, calls: Any):
        self.compiled, self.calls, self.floats = compiled, calls, compiled.floats
        self.one = self.floats(1).fill_(1.0)

    def network(
        self, layers: Sequence[nn.Linear], kinds: Sequence[torch.dtype], gated: bool = False, ends: bool = False, sums: bool = False
    ) -> Network:
        """Layers whose products are of these types; of ``sums`` the first one's is in single precision."""
        kinds = [torch.float32 if sums and not number else kind for number, kind in enumerate(kinds)]
        each = zip(layers, kinds, strict=True)
        return Network([Layer(layer.weight, layer.bias, self.typed(kind, layer.weight)) for layer, kind in each], gated, ends)

    def typed(self, kind: torch.dtype, given: Tensor) -> Tensor:
        """These numbers in another type, copied in each step; themselves if it is theirs."""
        if given.dtype == kind:
            return given
        found = self.floats(*given.shape, kind=kind)
        self.calls.loop(self.compiled.layers.copied, given.numel(), given.numel(), given, found)
        return found

    # --- forward ---------------------------------------------------------------------------------------

    def forward(self, network: Network, given: Any) -> Network:
        """The same network, with the input of each layer of ``given``, in the type of its products."""
        layers = network.layers
        network.inputs = [self.typed(layers[0].kind, given) if isinstance(given, Tensor) else given]
        kinds = [layer.kind for layer in layers[1:]] + [torch.float32] * network.ends
        for layer, kind in zip(layers, kinds, strict=False):
            output = self.product(layer, network.inputs[-1])
            n, width = output.shape
            network.outputs.append(output)
            network.inputs.append(self.floats(n, width // 2 if network.gated else width, kind=kind))
            activation = self.compiled.layers.gated if network.gated else self.compiled.layers.rectified
            self.calls.loop(activation, output.numel(), *network.inputs[-1].shape, output, layer.bias, network.inputs[-1])
        return network

    def output(self, network: Network) -> Float[Tensor, "N out"]:
        """That of the last layer, without its bias."""
        return self.product(network.layers[-1], network.inputs[-1])

    def product(self, layer: Layer, given: Any) -> Float[Tensor, "N out"]:
        """The output of a layer without its bias."""
        found = self.floats(given.shape[0], len(layer.weight))
        if isinstance(given, Tensor):
            self.calls.product(given, layer.multiplied.t(), found)
        else:
            self.calls.loop(self.compiled.sparse.loops.times_weights, *given.timing(layer.weight, found))
        return found

    # --- backward --------------------------------------------------------------------------------------

    def backward(self, network: Network, gradient: Tensor, share: Float[Tensor, " N"] | None = None) -> Tensor:
        """The gradients of weights and biases, from that of the output, each row of which is yet to be times its ``share``.

        Returns that of the first layer's output.
        """
        layers, inputs = network.layers, network.inputs
        if network.ends:
            gradient = self._through(network, len(layers), gradient, share)
        else:
            gradient = self.typed(layers[-1].kind, gradient)
            what = gradient, single_gradient(layers[-1].bias), self.one if share is None else share, share is not None
            self.calls.loop(self.compiled.layers.sums, gradient.numel(), *reversed(gradient.shape), *what)
        for number in reversed(range(len(layers))):
            self._of_weight(layers[number].weight, gradient, inputs[number] if share is None else self._scaled(inputs[number], share))
            if number:
                back = self.back(layers[number], gradient)
                gradient, share = self._through(network, number, back, share), None
        return gradient if share is None else self._scaled(gradient, share)

    def back(self, layer: Layer, gradient: Float[Tensor, "N out"]) -> Float[Tensor, "N in"]:
        """The gradient in a layer's input, of that in its output."""
        found = self.floats(len(gradient), layer.weight.shape[1])
        self.calls.product(gradient, layer.multiplied, found)
        return found

    def _of_weight(self, weight: Tensor, gradient: Float[Tensor, "N out"], given: Tensor | Sparse) -> None:
        """A weight's gradient: Σ over rows of gradient × input."""
        if isinstance(given, Tensor):
            self.calls.product(gradient.t(), given, single_gradient(weight))
        else:
            self.calls.loop(self.compiled.sparse.loops.of_weights, *given.summing(gradient, single_gradient(weight)))

    def _through(self, network: Network, number: int, back: Tensor, share: Tensor | None) -> Tensor:
        """The gradient in the output of the layer before input ``number``, of that in this input; and that of its bias."""
        before, sums = network.layers[number - 1], single_gradient(network.layers[number - 1].bias)
        found = self.floats(len(back), len(before.weight), kind=before.kind)
        sizes = back.numel(), back.shape[1], back.shape[0]
        if network.gated:
            self.calls.loop(self.compiled.layers.through_gates, *sizes, back, network.outputs[number - 1], found, sums)
        else:
            what = back, network.inputs[number], found, sums, self.one if share is None else share, share is not None
            self.calls.loop(self.compiled.layers.through_relu, *sizes, *what)
        return found

    def _scaled(self, given: Float[Tensor, "N in"], share: Float[Tensor, " N"]) -> Float[Tensor, "N in"]:
        """Each row times its share."""
        found = torch.empty_like(given)
        self.calls.loop(self.compiled.layers.scaled, given.numel(), *given.shape, given, share, found)
        return found

    # --- bits ------------------------------------------------------------------------------------------

    def decoded(
        self, network: Network, x: Float[Tensor, "B D"], draws: int, weighted: bool
    ) -> tuple[Float[Tensor, "K B"], Float[Tensor, "N D"]]:
        """log p(x|z), and minus its slope in the last layer's output: of the mean over a batch, or not yet weighted."""
        layer, given, n = network.layers[-1], network.inputs[-1], len(x)
        width, rows = len(layer.weight), draws * n
        found, scale = self.floats(draws, n), self.floats(1).fill_(-1.0 if weighted else -1 / rows)
        slope, some = self.floats(rows, width, kind=layer.kind), parts_of(draws, n, width)
        room = self.floats(max(part.stop - part.start for part in some), width)
        for part in some:
            output = room[: part.stop - part.start]
            self.calls.product(given[part], layer.multiplied.t(), output)
            what = output, layer.bias, x, found.view(-1)[part], slope[part], scale, 0
            self.calls.loop(self.compiled.bernoulli.bits_and_slope, output.numel(), len(output), width, n, *what)
        return found, slope
