"""Wide tables of concentrations, and parameters with a gradient for each draw."""

from __future__ import annotations

import torch
from torch import Tensor

CONCENTRATIONS = [0.01, 0.3, 1.0, 5.0, 1e3]
WIDE = torch.logspace(-4, 5, 10).tolist()
FLOATS = [torch.float32, torch.float64]
DRAWS = 100_000
BOUND = 4.5  # standard errors


def many(value: float, n: int = DRAWS, dtype: torch.dtype = torch.float64) -> Tensor:
    """A parameter of its own for each draw, so that one backward pass gives the gradient of each."""
    return torch.full((n,), value, dtype=dtype, requires_grad=True)


def gradients(f: Tensor, *parameters: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(f.sum(), parameters, retain_graph=True))


def double(*values: float) -> list[Tensor]:
    return [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]


def pole(d: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.nn.functional.normalize(torch.linspace(-1, 2, d, dtype=dtype), dim=0)
