"""A network as words and arrays, from which a page computes it: a table of layers, each an object of its kind and its numbers.

``page/layers.js`` has the other half: a kind here is a kind there, and a test in a browser holds each to torch.
``columns.py`` and ``page/columns.js`` add the layer of a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from torch import Tensor, nn

from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.nn.conditioned import Joined, Planes
from lowerbound.nn.corruptions import Corrupted, Corruption
from lowerbound.nn.dropout import Dropout
from lowerbound.nn.log_counts import LogCounts
from lowerbound.nn.missing import MaskedInput

Words = dict[str, Any]
Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
Normed = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


@singledispatch
def words_of(module: nn.Module, arrays: Arrays) -> Words:
    """A module as it is in evaluation, its weights put into ``arrays``. Errors: RecipeError for a layer that no page computes."""
    known = ", ".join(sorted({kind.__name__ for kind in words_of.registry} - {"Module", "object"}))
    raise RecipeError(f"a {type(module).__name__} layer cannot be computed in a page; build networks of {known}")


@words_of.register
def _(module: nn.Sequential, arrays: Arrays) -> Words:
    parts = [words_of(part, arrays) for part in module]
    return {"kind": "sequence", "parts": [part for part in parts if part["kind"] != "same"]}


@words_of.register(nn.Identity)
@words_of.register(nn.Dropout)
@words_of.register(Dropout)
@words_of.register(Corruption)
def _(module: nn.Module, arrays: Arrays) -> Words:
    return {"kind": "same"}


@words_of.register
def _(module: nn.Flatten, arrays: Arrays) -> Words:
    return {"kind": "flatten"}


@words_of.register
def _(module: nn.Unflatten, arrays: Arrays) -> Words:
    return {"kind": "unflatten", "axis": int(module.dim), "sizes": [int(size) for size in module.unflattened_size]}


# --- two inputs, and what a network is shown ---------------------------------------------------------


@words_of.register(Joined)
@words_of.register(Planes)
def _(module: Joined | Planes, arrays: Arrays) -> Words:
    return {"kind": type(module).__name__.lower(), "network": words_of(module.network, arrays)}


@words_of.register
def _(module: Corrupted, arrays: Arrays) -> Words:
    return words_of(module.encoder, arrays)


@words_of.register
def _(module: MaskedInput, arrays: Arrays) -> Words:
    return {"kind": "masked", "network": words_of(module.network, arrays)}


@words_of.register
def _(module: LogCounts, arrays: Arrays) -> Words:
    return {"kind": "log counts", "steps": module.steps, "network": words_of(module.network, arrays)}


# --- functions of each number ------------------------------------------------------------------------


@words_of.register(nn.ReLU)
@words_of.register(nn.Tanh)
@words_of.register(nn.Sigmoid)
@words_of.register(nn.SiLU)
@words_of.register(nn.Hardtanh)
def _(module: nn.Module, arrays: Arrays) -> Words:
    return {"kind": "each", "function": type(module).__name__} | (
        {"low": module.min_val, "high": module.max_val} if isinstance(module, nn.Hardtanh) else {}
    )


@words_of.register
def _(module: nn.GELU, arrays: Arrays) -> Words:
    return {"kind": "each", "function": "GELU", "tanh": module.approximate == "tanh"}


@words_of.register
def _(module: nn.LeakyReLU, arrays: Arrays) -> Words:
    return {"kind": "each", "function": "LeakyReLU", "slope": float(module.negative_slope)}


@words_of.register
def _(module: nn.ELU, arrays: Arrays) -> Words:
    return {"kind": "each", "function": "ELU", "alpha": float(module.alpha)}


@words_of.register
def _(module: nn.Softplus, arrays: Arrays) -> Words:
    return {"kind": "each", "function": "Softplus", "beta": float(module.beta)}


# --- sums of products --------------------------------------------------------------------------------


def _numbers(values: Tensor) -> np.ndarray:
    return values.detach().cpu().float().numpy()


def _weighed(module: nn.Linear | Convolution, arrays: Arrays) -> Words:
    bias = np.zeros(len(module.weight)) if module.bias is None else _numbers(module.bias)
    return {"weight": arrays.weights(_numbers(module.weight)), "bias": arrays.numbers(bias)}


@words_of.register
def _(module: nn.Linear, arrays: Arrays) -> Words:
    return {"kind": "linear"} | _weighed(module, arrays)


@words_of.register(nn.Conv1d)
@words_of.register(nn.Conv2d)
@words_of.register(nn.Conv3d)
def _(module: Convolution, arrays: Arrays) -> Words:
    if module.groups != 1 or module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise RecipeError("a page computes convolutions with groups=1 and zeros of a given number as padding alone")
    sides = [[each, each] for each in module.padding]
    return _convolution(arrays, _numbers(module.weight), module.bias, sides, module.stride, [1] * len(sides), module.dilation)


@words_of.register(nn.ConvTranspose1d)
@words_of.register(nn.ConvTranspose2d)
@words_of.register(nn.ConvTranspose3d)
def _(module: Transposed, arrays: Arrays) -> Words:
    """A convolution, by the kernel turned round, of the input with zeros between its values."""
    if module.groups != 1:
        raise RecipeError("a page computes transposed convolutions with groups=1 alone")
    weight = _numbers(module.weight)
    turned = np.flip(weight, tuple(range(2, weight.ndim))).swapaxes(0, 1)
    settings: Any = zip(module.dilation, module.kernel_size, module.padding, module.output_padding, strict=True)
    sides = [[d * (k - 1) - p, d * (k - 1) - p + o] for d, k, p, o in settings]
    return _convolution(arrays, turned, module.bias, sides, [1] * len(sides), module.stride, module.dilation)


def _convolution(arrays: Arrays, weight: np.ndarray, bias: Tensor | None, sides: Any, stride: Any, spread: Any, dilation: Any) -> Words:
    """``sides`` are the zeros before and after each axis; ``spread`` is how far apart values of the input lie, 1 without zeros between."""
    numbers = {"sides": sides, "stride": stride, "spread": spread, "dilation": dilation, "kernel": weight.shape[2:]}
    words = {name: np.asarray(value).tolist() for name, value in numbers.items()}
    of_none = np.zeros(len(weight)) if bias is None else _numbers(bias)
    return {"kind": "convolution", "weight": arrays.weights(weight), "bias": arrays.numbers(of_none)} | words


@words_of.register
def _(module: nn.Upsample, arrays: Arrays) -> Words:
    if module.mode != "nearest":
        raise RecipeError("a page computes an Upsample layer with mode='nearest' alone")
    size, factor = module.size, module.scale_factor
    asked = {"size": _listed(size)} if size is not None else {"factor": _listed(factor)}
    return {"kind": "upsample"} | asked


def _listed(value: Any) -> list[float] | float:
    return [float(each) for each in value] if isinstance(value, Sequence) else float(value)


@words_of.register(nn.BatchNorm1d)
@words_of.register(nn.BatchNorm2d)
@words_of.register(nn.BatchNorm3d)
def _(module: Normed, arrays: Arrays) -> Words:
    """In evaluation a scale and a shift for each channel."""
    if module.running_mean is None or module.running_var is None:
        raise RecipeError("a page computes batch norms with running statistics alone")
    scale = 1 / np.sqrt(_numbers(module.running_var) + module.eps)
    scale = scale if module.weight is None else scale * _numbers(module.weight)
    shift = -_numbers(module.running_mean) * scale + (0 if module.bias is None else _numbers(module.bias))
    return {"kind": "channels", "scale": arrays.numbers(scale), "shift": arrays.numbers(shift)}


@words_of.register
def _(module: nn.LayerNorm, arrays: Arrays) -> Words:
    ones = np.ones(module.normalized_shape, np.float32)
    scale = ones if module.weight is None else _numbers(module.weight)
    shift = 0 * ones if module.bias is None else _numbers(module.bias)
    return {"kind": "layer norm", "scale": arrays.numbers(scale), "shift": arrays.numbers(shift), "eps": module.eps}
