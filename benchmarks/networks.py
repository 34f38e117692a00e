"""The networks of published experiments, where they are not ``lowerbound.nn``'s."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def dense(*widths: int, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    """Fully connected layers with Glorot's first weights and biases of 0."""
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layer = nn.Linear(before, after)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        layers += [layer, activation()]
    return nn.Sequential(*layers[:-1])


class Gated(nn.Module):
    """Ax + a, times σ(Bx + b)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.both = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """The value, gated."""
        value, gate = self.both(x).chunk(2, dim=1)
        return value * torch.sigmoid(gate)


def gated(*widths: int) -> nn.Sequential:
    """Gated layers, and a linear one at the end."""
    *pairs, (before, after) = pairwise(widths)
    return nn.Sequential(nn.Flatten(), *(Gated(*pair) for pair in pairs), nn.Linear(before, after))


class Clamped(nn.Module):
    """Mean and log-variance, the latter held between two numbers."""

    def __init__(self, network: nn.Module, low: float, high: float):
        super().__init__()
        self.network, self.low, self.high = network, low, high

    def forward(self, x: Tensor) -> Tensor:
        """The network's output, its second half held."""
        mean, log_variance = self.network(x).chunk(2, dim=1)
        return torch.cat([mean, nn.functional.hardtanh(log_variance, self.low, self.high)], 1)
