"""What the machine can do: the matrix products of a step, in its best type, and one pass of Adam over the weights; nothing else."""

from __future__ import annotations

import itertools

import torch
from worker import BATCH, known, serve, timed


def train(path: str, network: str, rows: int) -> dict[str, float]:
    """The products of an epoch: forward, and the gradients of weights and inputs (not those of the first layer's inputs)."""
    if (found := known(network)) is None:
        return {"missing": True}
    widths, latent, k = found
    steps, best = -(-rows // BATCH), None
    for kind in (torch.bfloat16, torch.float32):
        layers = [*_layers([784, *widths, 2 * latent], BATCH, kind), *_layers([latent, *reversed(widths), 784], k * BATCH, kind)]
        weights = [torch.randn(w.shape).requires_grad_() for _, w, _ in layers] + [
            torch.randn(len(w)).requires_grad_() for _, w, _ in layers
        ]
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        adam = torch.optim.Adam(weights, fused=True)
        _steps(layers, adam, 5)
        seconds, _ = timed(lambda layers=layers, adam=adam: _steps(layers, adam, steps))
        best = seconds if best is None else min(best, seconds)
    return {"seconds": best}


def _layers(widths: list[int], rows: int, kind: torch.dtype) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Of each layer: what comes in, the weight, and the gradient of what goes out."""
    pairs = itertools.pairwise(widths)
    return [(torch.randn(rows, a).to(kind), torch.randn(b, a).to(kind), torch.randn(rows, b).to(kind)) for a, b in pairs]


def _steps(layers: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]], adam: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        for number, (x, weight, gradient) in enumerate(layers):
            torch.mm(x, weight.t())
            torch.mm(gradient.t(), x)
            if number:
                torch.mm(gradient, weight)
        adam.step()


serve(train=train)
