"""Products that may be rounded.

Training multiplies in bfloat16 where a device is faster so (``VAE.multiplying``): it has the range of single precision and three
digits, which is less than the noise of a batch. What a law's parameters are made by is not rounded, unless the law says that it may be.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

LARGE = 2**15  # weights of a layer from which on its products gain by rounding


class Linear(nn.Linear):
    """The last layer of a network: its output has all its digits, also where those before may round theirs."""

    rough = False

    def forward(self, x: Tensor) -> Tensor:
        """x Wᵀ + b."""
        with _whole(self.rough, x):
            return super().forward(x if self.rough else x.to(self.weight.dtype))


class Conv2d(nn.Conv2d):
    """The same of a convolutional network."""

    rough = False

    def forward(self, x: Tensor) -> Tensor:
        """The convolution."""
        with _whole(self.rough, x):
            return super().forward(x if self.rough else x.to(self.weight.dtype))


def _whole(rough: bool, x: Tensor) -> AbstractContextManager[Any]:
    return nullcontext() if rough else torch.autocast(x.device.type, enabled=False)


def roughly(network: nn.Module) -> nn.Module:
    """The same network, changed: its output may be rounded too."""
    for layer in network.modules():
        if isinstance(layer, (Linear, Conv2d)):
            layer.rough = True
    return network


def gains(network: nn.Module) -> bool:
    """Whether rounding makes ``network`` faster: small layers spend more on it than they save (docs/log.md)."""
    return any(
        isinstance(layer, nn.Conv2d) or (isinstance(layer, nn.Linear) and layer.weight.numel() >= LARGE) for layer in network.modules()
    )


def rounding(network: nn.Module, device: torch.device, products: torch.dtype | None, rough: bool) -> AbstractContextManager[Any]:
    """Within the block ``network`` multiplies in the type ``products``, its last layer too if ``rough``.

    One that has no last layer of these, or nothing to gain, does not round at all.
    """
    if products in (None, torch.float32):
        return nullcontext()
    last = [layer for layer in network.modules() if isinstance(layer, (Linear, Conv2d))][-1:]
    if not last or not gains(network):
        return nullcontext()
    last[0].rough = rough
    return torch.autocast(device.type, products, cache_enabled=False)
