"""Convolutions of images as a processor has them fastest: channels last, and upsampling fused with the convolution after it.

Upsampling by nearest neighbours to twice the sides, then 3 × 3: each of four neighbouring outputs sees 2 × 2 different inputs, weighted by
sums of the nine weights. So it is a 2 × 2 convolution of the small image to four times the channels, 4/9 of the products, and then a
depth-to-space step; the upsampled image is never made. Source: Shi et al., "Real-Time Single Image and Video Super-Resolution Using an
Efficient Sub-Pixel Convolutional Neural Network", 2016, https://arxiv.org/abs/1609.05158, and Aitken et al.,
"Checkerboard artifact free sub-pixel convolution", 2017, https://arxiv.org/abs/1707.02937, where both are shown to be one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lowerbound.nn import precision
from lowerbound.nn.hooks import any_global_hook, any_hook, is_watched
from lowerbound.system import machine
from lowerbound.system.machine import Question, choice

LAST = torch.channels_last
#: whose ``forward`` is known: those of somebody's own are done as they are
KINDS = (nn.Conv2d, precision.Conv2d)
PARITIES = ((0, 0), (0, 1), (1, 0), (1, 1))  # of rows and of columns


class Convolutions(nn.Sequential):
    """``nn.Sequential`` whose convolutions of images on the CPU are channels last, and fused with upsampling before and a ReLU after them.

    The numbers are those of ``nn.Sequential`` to rounding, and so are gradients, names of weights and what hooks see.

    >>> import torch
    >>> from torch import nn
    >>> from lowerbound.nn.convolutions import Convolutions
    >>> network = Convolutions(nn.Upsample(size=(28, 28)), nn.Conv2d(8, 1, 3, padding=1))
    >>> network(torch.zeros(5, 8, 14, 14)).shape
    torch.Size([5, 1, 28, 28])
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(N, *in)`` → ``(N, *out)``."""
        layers, at = list(self), 0
        while at < len(layers):
            layer, after = layers[at], layers[at + 1 : at + 3]
            if type(layer) in KINDS and _is_plain(x, layer):
                x = layer(_formatted(x))
            elif (convolution := _after_upsampling(layer, after, x)) is not None:
                relu = type(after[-1]) is nn.ReLU
                x = upsampled_convolution(x, convolution, relu)
                at += 1 + relu
            else:
                x = layer(x)
            at += 1
        return x.contiguous()


def channels_last(x: Float[Tensor, "N C H W"]) -> Tensor:
    """The same images, the channels of each pixel next to one another; of one channel, which is both, said to be so."""
    channels, height, width = x.shape[1:]
    if channels == 1 and x.is_contiguous():
        return x.as_strided(x.shape, (height * width, 1, width, 1))
    return x.contiguous(memory_format=LAST)


def in_memory_format(x: Float[Tensor, "N C *space"]) -> Float[Tensor, "N C *space"]:
    """The same numbers in the memory format in which convolutions are fastest on this processor, and so their gradient.

    A gradient that has been flat would be given to a convolution channels first. Series, volumes and other devices' are as they were.
    """
    if not _is_plain(x):
        return x
    x = _formatted(x)
    if x.requires_grad:
        x = x.view_as(x)  # the hook is on no tensor of the caller's
        x.register_hook(lambda gradient: _formatted(gradient) if gradient is not None and _is_plain(gradient) else gradient)
    return x


def _formatted(x: Float[Tensor, "N C H W"]) -> Float[Tensor, "N C H W"]:
    return channels_last(x) if choice(LAYOUT).answer == CHANNELS_LAST else x


def upsampled_convolution(x: Float[Tensor, "N C H W"], layer: nn.Conv2d, relu: bool = False) -> Float[Tensor, "N O *larger"]:
    """``layer``, 3 × 3, of x upsampled to (2 H, 2 W) by nearest neighbours, then a ReLU if ``relu``."""
    with precision.exactly(layer, x):
        x = x if torch.is_autocast_enabled(x.device.type) else x.to(layer.weight.dtype)
        weight = _of_neighbours(_of_neighbours(layer.weight, 2), 4)  # (O, C, 2, 2, 2, 2): places and parities of rows, then of columns
        o, c = weight.shape[:2]
        weight = weight.permute(3, 5, 0, 1, 2, 4).reshape(4 * o, c, 2, 2).contiguous(memory_format=LAST)
        bias = None if layer.bias is None else layer.bias.repeat(4)
        parts = F.conv2d(channels_last(x), weight, bias, padding=1)
        found: Tensor = _DepthToSpace.apply(parts, o, relu)  # type: ignore[no-untyped-call]
        return found.permute(0, 3, 1, 2)


def _of_neighbours(weight: Tensor, axis: int) -> Tensor:
    """Three weights along an axis as two, for outputs of even and of odd places: a, b + c, and a + b, c; parities along the axis after."""
    a, b, c = weight.unbind(axis)
    return torch.stack([torch.stack([a, b + c], axis), torch.stack([a + b, c], axis)], axis + 1)


def _of_layouts() -> machine.Ways:
    """A convolution with its ReLU, forward and back."""

    def way(layout: torch.memory_format) -> Callable[[], object]:
        x = machine.numbers(32, 32, 14, 14).contiguous(memory_format=layout).requires_grad_()
        weight = machine.numbers(64, 32, 3, 3).contiguous(memory_format=layout).requires_grad_()
        return lambda: torch.autograd.grad(F.conv2d(x, weight, stride=2, padding=1).relu().sum(), (x, weight))

    return {CHANNELS_LAST: way(LAST), CHANNELS_FIRST: way(torch.contiguous_format)}


CHANNELS_LAST, CHANNELS_FIRST = "channels last", "channels first"
LAYOUT = Question("layout", "layout of images in convolutions", _of_layouts, partial(machine.fastest, CHANNELS_LAST), lambda: CHANNELS_LAST)


class _DepthToSpace(torch.autograd.Function):
    """Four images of even and odd rows and columns interleaved to one, and a ReLU."""

    @staticmethod
    def forward(ctx: Any, parts: Tensor, channels: int, relu: bool) -> Tensor:
        """``(N, 4 O, H + 1, W + 1)`` → ``(N, 2 H, 2 W, O)``: odd rows and columns begin one later, and there is one of each too many."""
        n, _, height, width = parts.shape
        high, wide = height - 1, width - 1
        four = parts.permute(0, 2, 3, 1).view(n, height, width, 2, 2, channels)
        found = parts.new_empty(n, 2 * high, 2 * wide, channels)
        apart = found.view(n, high, 2, wide, 2, channels)
        for p, q in PARITIES:
            here, there = apart[:, :, p, :, q], four[:, p : p + high, q : q + wide, p, q]
            torch.clamp_min(there, 0, out=here) if relu else here.copy_(there)
        ctx.save_for_backward(*([found] if relu else []))
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """That in the output ``(N, 2 H, 2 W, O)`` to that in ``parts``; itself differentiable where gradients of it are wanted."""
        (gradient,) = gradients
        n, high, wide, channels = gradient.shape
        apart, again = (n, high // 2, 2, wide // 2, 2, channels), torch.is_grad_enabled()  # for a second derivative
        given, whole = gradient.reshape(apart), [one.view(apart) for one in ctx.saved_tensors]
        found = gradient.new_zeros(n, apart[1] + 1, apart[3] + 1, 2, 2, channels)
        for p, q in PARITIES:
            here, there = found[:, p : p + apart[1], q : q + apart[3], p, q], given[:, :, p, :, q]
            if whole and not again:
                torch.ops.aten.threshold_backward.grad_input(there, whole[0][:, :, p, :, q], 0, grad_input=here)
            else:
                here.copy_(torch.ops.aten.threshold_backward(there, whole[0][:, :, p, :, q], 0) if whole else there)
        return found.view(n, apart[1] + 1, apart[3] + 1, 4 * channels).permute(0, 3, 1, 2), None, None


def _is_plain(x: Tensor, *layers: nn.Module) -> bool:
    """Whether nothing looks at what is done but autograd: no hook, no other transform, no tracer; in a processor's memory."""
    return not is_watched() and x.is_cpu and x.dim() == 4 and not any(map(any_hook, layers)) and not any_global_hook()


def _after_upsampling(layer: nn.Module, after: list[nn.Module], x: Tensor) -> nn.Conv2d | None:
    """The next layer, if this one upsamples to twice the sides by nearest neighbours and the next is a usual 3 × 3 convolution."""
    convolution = after[0] if after else None
    if type(layer) is not nn.Upsample or not isinstance(convolution, nn.Conv2d) or type(convolution) not in KINDS:
        return None
    usual = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
    is_usual = all(getattr(convolution, name) == value for name, value in usual.items())
    doubles = layer.mode == "nearest" and layer.size == (2 * x.shape[2], 2 * x.shape[3])
    return convolution if is_usual and doubles and _is_plain(x, layer, *after) else None
