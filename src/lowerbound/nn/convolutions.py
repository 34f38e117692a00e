"""Convolutions of images as a processor has them fastest: channels last, and an enlargement with the convolution after it as one.

Nearest neighbours, twice as many a side, then 3 × 3: each of four neighbouring outputs sees 2 × 2 different inputs, by sums of the nine
weights. So it is a 2 × 2 convolution of the small image to four times the channels, 4/9 of the products, and the large image before it is
never made. Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", 2016,
https://arxiv.org/abs/1609.05158, have the reverse way.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lowerbound.nn.precision import exactly

LAST = torch.channels_last


class Convolutions(nn.Sequential):
    """Layers one after another; of images in a processor's memory each is done in the fastest way that is known."""

    def forward(self, x: Tensor) -> Tensor:
        """What the layers give one after another, to rounding."""
        layers, at = list(self), 0
        while at < len(layers):
            layer, after = layers[at], layers[at + 1 : at + 3]
            if isinstance(layer, nn.Conv2d) and _is_plain(x, layer):
                x = layer(channels_last(x))
            elif isinstance(layer, nn.Upsample) and (convolution := _doubles(layer, after, x)) is not None:
                rectified = isinstance(after[-1], nn.ReLU)
                x = doubled(x, convolution, rectified)
                at += 1 + rectified
            else:
                x = layer(x)
            at += 1
        return x


def channels_last(x: Float[Tensor, "N C H W"]) -> Tensor:
    """The same images, the channels of each pixel next to one another; of one channel, which is both, said to be so."""
    channels, height, width = x.shape[1:]
    if channels == 1 and x.is_contiguous():
        return x.as_strided(x.shape, (height * width, 1, width, 1))
    return x.contiguous(memory_format=LAST)


def doubled(x: Float[Tensor, "N C H W"], layer: nn.Conv2d, rectified: bool = False) -> Tensor:
    """``layer`` of the image enlarged to (2 H, 2 W) by nearest neighbours, then a ReLU if ``rectified``."""
    with exactly(layer, x):
        x = x if torch.is_autocast_enabled(x.device.type) else x.to(layer.weight.dtype)
        weight = _of_neighbours(_of_neighbours(layer.weight, 2), 4)  # (O, C, 2, 2, 2, 2): places and parities of rows, then of columns
        o, c = weight.shape[:2]
        weight = weight.permute(3, 5, 0, 1, 2, 4).reshape(4 * o, c, 2, 2).contiguous(memory_format=LAST)
        bias = None if layer.bias is None else layer.bias.repeat(4)
        parts = F.conv2d(channels_last(x), weight, bias, padding=1)
        found: Tensor = _Woven.apply(parts, o, rectified)  # type: ignore[no-untyped-call]
        return found


def _of_neighbours(weight: Tensor, axis: int) -> Tensor:
    """Three weights along an axis as two, for outputs of even and of odd places: a, b + c, and a + b, c; parities along the axis after."""
    a, b, c = weight.unbind(axis)
    return torch.stack([torch.stack([a, b + c], axis), torch.stack([a + b, c], axis)], axis + 1)


class _Woven(torch.autograd.Function):
    """Four images ``(N, 4 O, H + 1, W + 1)``, of even and odd rows and columns, woven into one ``(N, O, 2 H, 2 W)``, rectified or not."""

    @staticmethod
    def forward(ctx: Any, parts: Tensor, channels: int, rectified: bool) -> Tensor:
        n, _, height, width = parts.shape
        high, wide = height - 1, width - 1
        four = parts.permute(0, 2, 3, 1).view(n, height, width, 2, 2, channels)
        found = parts.new_empty(n, high, 2, wide, 2, channels)
        for p in (0, 1):
            for q in (0, 1):
                here, there = found[:, :, p, :, q], four[:, p : p + high, q : q + wide, p, q]
                torch.clamp_min(there, 0, out=here) if rectified else here.copy_(there)
        whole = found.view(n, 2 * high, 2 * wide, channels).permute(0, 3, 1, 2)
        ctx.channels = channels
        ctx.save_for_backward(*([whole] if rectified else []))
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,), channels = gradients, ctx.channels
        n, _, high, wide = gradient.shape
        apart = n, high // 2, 2, wide // 2, 2, channels
        given = gradient.permute(0, 2, 3, 1).contiguous().view(apart)
        whole = [one.permute(0, 2, 3, 1).view(apart) for one in ctx.saved_tensors]
        found = gradient.new_zeros(n, apart[1] + 1, apart[3] + 1, 2, 2, channels)
        for p in (0, 1):
            for q in (0, 1):
                here, there = found[:, p : p + apart[1], q : q + apart[3], p, q], given[:, :, p, :, q]
                if whole:
                    torch.ops.aten.threshold_backward.grad_input(there, whole[0][:, :, p, :, q], 0, grad_input=here)
                else:
                    here.copy_(there)
        return found.view(n, apart[1] + 1, apart[3] + 1, 4 * channels).permute(0, 3, 1, 2), None, None


def _is_plain(x: Tensor, *layers: nn.Module) -> bool:
    """Whether nothing looks at what is done but autograd: no hook, no other transform, no tracer; in a processor's memory."""
    hooked = any(layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks for layer in layers)
    watched = torch._C._len_torch_dispatch_stack() or torch._C._are_functorch_transforms_active() or torch.compiler.is_compiling()
    return x.is_cpu and x.dim() == 4 and not hooked and not watched and not torch._C._get_tracing_state()


def _doubles(layer: nn.Upsample, after: list[nn.Module], x: Tensor) -> nn.Conv2d | None:
    """The next layer, if together they double an image's sides by nearest neighbours and look at 3 × 3 of its pixels."""
    convolution = after[0] if after else None
    if not isinstance(convolution, nn.Conv2d) or not _is_plain(x, layer, *after):
        return None
    usual = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1, "padding_mode": "zeros"}
    is_usual = all(getattr(convolution, name) == value for name, value in usual.items())
    doubles = layer.mode == "nearest" and layer.size == (2 * x.shape[2], 2 * x.shape[3])
    return convolution if is_usual and doubles else None
