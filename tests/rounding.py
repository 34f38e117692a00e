"""How exactly this processor multiplies numbers that are rounded to bfloat16."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn


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
