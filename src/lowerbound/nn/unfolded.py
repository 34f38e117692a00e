"""What a convolution does, transposed or not, in one form: a kernel over an input with zeros at its sides and between its values.

A transposed convolution is a convolution, by the kernel turned round, of the input spread apart.
Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, https://arxiv.org/abs/1603.07285.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.errors import RecipeError

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d


@dataclass(frozen=True)
class Unfolded:
    """``weight`` over ``(N, C, *space)``; of each axis of space the other numbers.

    Values of the input are ``spread`` apart, 1 where there is no zero between, with ``sides`` zeros before and after. Those that the
    kernel sees at once are ``dilation`` apart, and its places ``stride``.
    """

    weight: Float[Tensor, "O C *kernel"]
    bias: Float[Tensor, " O"] | None
    sides: Sequence[tuple[int, int]]
    spread: Sequence[int]
    stride: Sequence[int]
    dilation: Sequence[int]

    @property
    def kernel(self) -> tuple[int, ...]:
        """Its shape."""
        return tuple(self.weight.shape[2:])


def unfolded(module: Convolution | Transposed) -> Unfolded:
    """The form of a layer. Errors: RecipeError for groups, and for padding that is no number of zeros."""
    once = (1,) * len(module.kernel_size)
    if module.groups != 1:
        raise RecipeError("here a convolution needs groups=1")
    weight, bias = module.weight.detach(), None if module.bias is None else module.bias.detach()
    if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d):
        turned = weight.flip(tuple(range(2, weight.dim()))).transpose(0, 1)
        settings: Any = zip(module.dilation, module.kernel_size, module.padding, module.output_padding, strict=True)
        sides = [(d * (k - 1) - p, d * (k - 1) - p + more) for d, k, p, more in settings]
        return Unfolded(turned, bias, sides, module.stride, once, module.dilation)
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise RecipeError("here a convolution needs zeros of a given number as padding")
    return Unfolded(weight, bias, [(each, each) for each in module.padding], once, module.stride, module.dilation)
