"""How exactly this processor multiplies numbers that are rounded to bfloat16, and what rounding alone does to a gradient."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from lowerbound.nn.precision import CONVOLUTIONS


def error_of_one_layer(layer: nn.Module, x: Tensor) -> float:
    """The relative error of a layer's output or of the gradient of its weights in bfloat16, the larger, as this processor multiplies.

    Without instructions for it some sums over a batch are themselves kept in bfloat16, ten times as rough.
    """
    slope, found = torch.randn_like(layer(x)), []
    for kind in (torch.float32, torch.bfloat16):
        copy = deepcopy(layer).to(kind)
        output = copy(x.to(kind))
        output.backward(slope.to(kind))
        found.append((output.detach().float(), copy.weight.grad.float()))
    return max(float((whole - rough).norm() / whole.norm()) for whole, rough in zip(*found, strict=True))


def round_all(network: nn.Module) -> None:
    """Change a network: weights, inputs, outputs and gradients of its layers have no more digits than bfloat16 has; sums are exact."""
    for layer in network.modules():
        if isinstance(layer, (nn.Linear, *CONVOLUTIONS)):
            for weight in layer.parameters():
                weight.data.copy_(_rounded(weight.data))
            layer.register_forward_pre_hook(lambda _, inputs: tuple(x + (_rounded(x) - x).detach() for x in inputs))
            layer.register_forward_hook(lambda _, __, output: _both_ways(output))


def _both_ways(output: Tensor) -> Tensor:
    output.register_hook(_rounded)
    return output + (_rounded(output) - output).detach()


def _rounded(x: Tensor) -> Tensor:
    return x.bfloat16().to(x.dtype)
