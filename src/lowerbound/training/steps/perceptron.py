"""Linear layers with ReLUs between them, forward and backward by hand: matrix products are torch's, the rest the operations of lines.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.nn.precision import LARGE, Linear
from lowerbound.system.devices import loops
from lowerbound.system.threads import is_plain
from lowerbound.training.steps.lines import rectified, through_relu
from lowerbound.training.steps.plan import Ready

if TYPE_CHECKING:
    from lowerbound.system.compiled.sparse import Sparse

#: a factor of a product is narrow if the other one has at least this many times its columns
NARROW = 32


class Memory:
    """Buffers between two products, the same in each step, so that a core finds what it wrote in its own cache."""

    def __init__(self) -> None:
        self.places: dict[tuple[object, ...], Tensor] = {}

    def __call__(self, name: object, kind: torch.dtype, *shape: int) -> Tensor:
        """The buffer of that name, type and shape."""
        place = self.places.get((name, kind, *shape))
        if place is None:
            place = self.places[(name, kind, *shape)] = torch.empty(shape, dtype=kind, device="cpu")
        return place


@dataclass
class Perceptron:
    """Linear layers with ReLUs between them; large layers multiply in the type ``products``, the last one only if ``rough``.

    Of ``of_data`` the first one's inputs are looked at, whether most are zero.
    """

    layers: list[nn.Linear]
    products: torch.dtype
    rough: bool
    rounded: bool
    ready: Ready
    of_data: bool

    def __post_init__(self) -> None:
        self.kinds = kinds_of(self.layers, self.products, self.rough)
        self.memory = Memory()
        self.examples: dict[torch.Size, Sparse] = {}

    def forward(self, x: Float[Tensor, "N in"]) -> tuple[list[Any], list[Tensor]]:
        """The input of each layer, the first one ``Sparse`` where sums are faster, and the weights, in the types of their products."""
        first = self._sparse(x) or (x if x.dtype == self.kinds[0] else self.memory("x", self.kinds[0], *x.shape).copy_(x))
        kinds = [first.dtype, *self.kinds[1:]]
        weights = [layer.weight.to(kind) for layer, kind in zip(self.layers, kinds, strict=True)]
        inputs: list[Any] = [first]
        for number, kind in enumerate(self.kinds[1:]):
            output = self.product(number, inputs[-1], weights)
            inputs.append(self.memory(("input", number + 1), kind, *output.shape))
            rectified(output, self.bias(number), inputs[-1])
        return inputs, weights

    def product(self, number: int, given: Float[Tensor, "N in"] | Sparse, weights: list[Tensor]) -> Float[Tensor, "N out"]:
        """The output of a layer without its bias, in a buffer that the next call overwrites."""
        weight, found = weights[number], self.memory(("output", number), weights[number].dtype, given.shape[0], len(weights[number]))
        return torch.mm(given, weight.t(), out=found) if isinstance(given, Tensor) else given.times(weight, found)

    def bias(self, number: int) -> Tensor:
        """The bias of a layer."""
        return self.layers[number].bias

    def backward(self, inputs: list[Any], weights: list[Tensor], gradient: Tensor, scale: Tensor | None = None) -> Tensor:
        """Leave the weights' gradients; return that in the first layer's output. ``gradient`` is not yet scaled by row."""
        each = None if scale is None else scale[:, None].to(gradient.dtype)
        total = single_gradient(self.bias(-1))
        if each is None:
            torch.sum(gradient, 0, dtype=total.dtype, out=total)
        else:
            total.copy_((each.t() @ gradient)[0])
        self.ready(self.bias(-1))
        for number in reversed(range(len(self.layers))):
            scaled = inputs[number] if each is None else inputs[number] * each
            self._leave(self.layers[number].weight, gradient, scaled)
            self.ready(self.layers[number].weight)
            if number:
                back = torch.mm(gradient, weights[number], out=self.memory(("back", number), gradient.dtype, *inputs[number].shape))
                gradient = self.memory(("gradient", number), inputs[number - 1].dtype, *back.shape)
                through_relu(back, inputs[number], scale, gradient, single_gradient(self.bias(number - 1)))
                self.ready(self.bias(number - 1))
                scale = each = None
        return gradient if each is None else gradient * each

    def _sparse(self, x: Float[Tensor, "N in"]) -> Sparse | None:
        """The examples, where sums over what is not zero in them are faster than a product with the first layer's weight."""
        weight, compiled = self.layers[0].weight, loops()
        if compiled is None or not (self.of_data and weight.numel() >= LARGE and is_plain(x) and compiled.Sparse.suits(weight)):
            return None
        if (found := self.examples.get(x.shape)) is None:
            found = self.examples[x.shape] = compiled.Sparse(*x.shape)
        return found if found.read(x) <= compiled.share_of_sums() else None

    def _leave(self, weight: Tensor, gradient: Float[Tensor, "N out"], given: Float[Tensor, "N in"] | Sparse) -> None:
        """The weight's gradient, Σ over rows of gradient × input."""
        if not isinstance(given, Tensor):
            given.of_weight(gradient, single_gradient(weight))
        elif NARROW * given.shape[1] <= gradient.shape[1]:  # five times as fast
            single_gradient(weight).copy_((given.t() @ gradient).t())
        elif not self.rounded:
            single_gradient(weight).copy_(gradient.t() @ given)
        elif weight.grad is not None and weight.grad.dtype == gradient.dtype:
            torch.mm(gradient.t(), given, out=weight.grad)
        else:
            weight.grad_dtype, weight.grad = None, gradient.t() @ given


def kinds_of(layers: Sequence[nn.Linear], products: torch.dtype, rough: bool) -> list[torch.dtype]:
    """The types of layers' products: ``products`` of large ones, of the last only if ``rough``, as ``nn.precision.rounding`` has it."""
    rounded = [] if not any(isinstance(layer, Linear) for layer in layers) else layers if rough else layers[:-1]
    return [products if layer in rounded and layer.weight.numel() >= LARGE else torch.float32 for layer in layers]


def single_gradient(weight: Tensor) -> Tensor:
    """The weight's gradient as a buffer in single precision."""
    if weight.grad is None or not is_plain(weight.grad):
        weight.grad = torch.empty_like(weight)
    return weight.grad
