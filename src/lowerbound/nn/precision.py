"""Products that may be rounded.

Training multiplies in bfloat16 where a device is faster so (``multiplying``): it has the range of single precision and three
digits, which is less than the noise of a batch. What a law's parameters are made by is not rounded, unless the law says that it may be.
All of it holds within a block and in one thread: no layer and no law is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LARGE = 2**15  # weights of a layer from which on its products gain by rounding

N = TypeVar("N", bound=nn.Module)

_type: ContextVar[torch.dtype | None] = ContextVar("the type of products in training", default=None)
_last: ContextVar[nn.Module | None] = ContextVar("a last layer that may round its output", default=None)


class Linear(nn.Linear):
    """The last layer of a network, x Wᵀ + b: its output has all its digits, also where those before may round theirs.

    ``(N, in) → (N, out)``, with the weights of ``torch.nn.Linear``. A likelihood's logits and a posterior's means come from here.

    >>> import torch
    >>> import lowerbound as lb
    >>> network = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), lb.nn.Linear(32, 4))
    >>> with torch.autocast("cpu", torch.bfloat16):
    ...     network[0](torch.rand(5, 64)).dtype, network(torch.rand(5, 64)).dtype
    (torch.bfloat16, torch.float32)
    """

    rough = False

    def forward(self, x: Tensor) -> Tensor:
        """x Wᵀ + b ``(N, out)``."""
        rough, weight = self.rough or _last.get() is self, self.weight
        with _whole(rough, x):
            return F.linear(x if rough else x.to(weight.dtype), weight, self.bias)


class Conv1d(nn.Conv1d):
    """The last layer of a convolutional network of series ``(N, C, L)``: ``torch.nn.Conv1d`` whose output has all its digits, as
    ``Linear``'s has.

    >>> import torch
    >>> import lowerbound as lb
    >>> layer = lb.nn.Conv1d(4, 1, 3, padding=1)
    >>> with torch.autocast("cpu", torch.bfloat16):
    ...     out = layer(torch.rand(5, 4, 16))
    >>> out.shape, out.dtype
    (torch.Size([5, 1, 16]), torch.float32)
    """

    rough = False

    def forward(self, x: Tensor) -> Tensor:
        """The convolution ``(N, out, L)``."""
        return _convolved(self, x)


class Conv2d(nn.Conv2d):
    """The last layer of a convolutional network of images ``(N, C, H, W)``: ``torch.nn.Conv2d`` whose output has all its digits.

    >>> import torch
    >>> import lowerbound as lb
    >>> layer = lb.nn.Conv2d(4, 1, 3, padding=1)
    >>> with torch.autocast("cpu", torch.bfloat16):
    ...     out = layer(torch.rand(5, 4, 8, 8))
    >>> out.shape, out.dtype
    (torch.Size([5, 1, 8, 8]), torch.float32)
    """

    rough = False

    def forward(self, x: Tensor) -> Tensor:
        """The convolution ``(N, out, H, W)``."""
        return _convolved(self, x)


class Conv3d(nn.Conv3d):
    """The last layer of a convolutional network of volumes ``(N, C, D, H, W)``: ``torch.nn.Conv3d`` whose output has all its digits.

    >>> import torch
    >>> import lowerbound as lb
    >>> layer = lb.nn.Conv3d(2, 1, 3, padding=1)
    >>> with torch.autocast("cpu", torch.bfloat16):
    ...     out = layer(torch.rand(5, 2, 4, 4, 4))
    >>> out.shape, out.dtype
    (torch.Size([5, 1, 4, 4, 4]), torch.float32)
    """

    rough = False

    def forward(self, x: Tensor) -> Tensor:
        """The convolution ``(N, out, D, H, W)``."""
        return _convolved(self, x)


#: the last layers of networks, which know whether their output may be rounded
LAST = (Linear, Conv1d, Conv2d, Conv3d)
#: convolutions of one, two and three axes of space, torch's own and, at the end of a network, those above
CONVOLUTIONS, LAST_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d), (Conv1d, Conv2d, Conv3d)


def exactly(layer: nn.Module, x: Tensor) -> AbstractContextManager[Any]:
    """Within the block nothing is rounded, if this is a last layer that may not."""
    return _whole(not isinstance(layer, LAST) or layer.rough or _last.get() is layer, x)


def _convolved(layer: Conv1d | Conv2d | Conv3d, x: Tensor) -> Tensor:
    rough, weight = layer.rough or _last.get() is layer, layer.weight
    with _whole(rough, x):
        return layer._conv_forward(x if rough else x.to(weight.dtype), weight, layer.bias)


def _whole(rough: bool, x: Tensor) -> AbstractContextManager[Any]:
    return nullcontext() if rough else torch.autocast(x.device.type, enabled=False)


def roughly(network: N) -> N:
    """The same network, changed: its output may be rounded too."""
    for layer in network.modules():
        if isinstance(layer, LAST):
            layer.rough = True
    return network


def rounded(x: Tensor) -> Tensor:
    """x in the type of products, where they are rounded here: what goes on to them and to nothing else."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


@contextmanager
def multiplying(products: torch.dtype) -> Iterator[None]:
    """Within the block the networks of distributions in training mode multiply in this type (``devices.fastest``), in this thread."""
    before = _type.set(products)
    try:
        yield
    finally:
        _type.reset(before)


@contextmanager
def rounding(network: nn.Module, device: torch.device, rough: bool) -> Iterator[None]:
    """Within the block ``network`` multiplies in the type that ``multiplying`` says, its last layer too if ``rough``.

    One that has no last layer of these, or nothing to gain, does not round at all.
    """
    products = _type.get()
    last = [] if products in (None, torch.float32) else [layer for layer in network.modules() if isinstance(layer, LAST)][-1:]
    if not last or not gains(network) or not _exact_enough(network, device):
        yield
        return
    before = _last.set(last[0] if rough else None)
    try:
        with torch.autocast(device.type, products, cache_enabled=False):
            yield
    finally:
        _last.reset(before)


def _exact_enough(network: nn.Module, device: torch.device) -> bool:
    """Whether gradients of rounded products are right: of convolutions of volumes they are wrong, or NaN, on some processors.

    PyTorch 2.13.0 with AVX-512 and bfloat16, of few pixels a side: findings/conv3d-bfloat16.sh.
    """
    return device.type != "cpu" or not any(isinstance(layer, nn.Conv3d) for layer in network.modules())


def gains(network: nn.Module) -> bool:
    """Whether rounding makes ``network`` faster: small layers spend more on it than they save (docs/log.md)."""
    return any(
        isinstance(layer, CONVOLUTIONS) or (isinstance(layer, nn.Linear) and layer.in_features * layer.out_features >= LARGE)
        for layer in network.modules()
    )
