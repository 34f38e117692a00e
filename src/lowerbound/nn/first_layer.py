"""What the first layer with weights of a network sees: data as numbers, whatever they were, with nothing missing; and changes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor, nn

T = TypeVar("T")


def changed(network: Callable[[Tensor], T], x: Tensor, change: Callable[[Tensor], Tensor]) -> T:
    """The network's output for x, ``change`` made of what its first layer with weights sees: that of its modules which comes first."""
    assert isinstance(network, nn.Module)
    first = next(part for part in network.modules() if any(True for _ in part.parameters(recurse=False)))
    handle = first.register_forward_pre_hook(lambda _, inputs: (change(inputs[0]), *inputs[1:]))
    try:
        return network(x)
    finally:
        handle.remove()


def watched(network: Callable[[Tensor], T], x: Float[Tensor, "B *event"]) -> tuple[T, Float[Tensor, "B *seen"]]:
    """The network's output for x, and what its first layer with weights sees, without a gradient.

    That is of a table standardized numbers, zeros and ones; of values of which some are missing 0 in each hole, and which are there.
    """
    seen: list[Tensor] = []

    def kept(inputs: Tensor) -> Tensor:
        seen.append(inputs.detach())
        return inputs

    return changed(network, x, kept), seen[0]
