"""A network as words and arrays, from which a page computes it: a table of layers, each an object of its kind and its numbers.

``page/layers.js`` has the other half: a kind here is a kind there, and a test in a browser holds each to torch.
``columns.py`` and ``page/columns.js`` add the layer of a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from torch import nn

from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.arrays import Arrays, numbers_of
from lowerbound.nn.conditioned import Guided, Joined, Planes
from lowerbound.nn.convolutions import Convolutions
from lowerbound.nn.corruptions import Corrupted, Corruption
from lowerbound.nn.dropout import Dropout
from lowerbound.nn.log_counts import LogCounts
from lowerbound.nn.missing import MaskedInput
from lowerbound.nn.precision import LAST
from lowerbound.nn.unfolded import Convolution, Transposed, Unfolded, unfolded

Words = dict[str, Any]


class NotComputed(RecipeError):
    """A layer that no page computes; all of its network may still be written as ONNX."""


Normed = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d


def words_of(module: nn.Module, arrays: Arrays) -> Words:
    """A module as it is in evaluation, its weights put into ``arrays``. Errors: NotComputed."""
    kind: Any = next(kind for kind in type(module).__mro__ if kind in layer_words.registry)  # at last object, of what is not known
    if type(module) not in LAST and kind is not object and type(module).forward is not kind.forward:
        kind = object  # somebody's own, which does something else than its parent
    words: Words = layer_words.registry[kind](module, arrays)
    return words


@singledispatch
def layer_words(module: nn.Module, arrays: Arrays) -> Words:
    """The words of a kind of layer. A new kind is one more registration. Errors: NotComputed."""
    known = ", ".join(sorted({kind.__name__ for kind in layer_words.registry} - {"Module", "object"}))
    raise NotComputed(f"a {type(module).__name__} layer cannot be computed in a page; build networks of {known}")


@layer_words.register(nn.Sequential)
@layer_words.register(Convolutions)
def _(module: nn.Sequential, arrays: Arrays) -> Words:
    parts = [words_of(part, arrays) for part in module]
    return {"kind": "sequence", "parts": [part for part in parts if part["kind"] != "same"]}


@layer_words.register(nn.Identity)
@layer_words.register(nn.Dropout)
@layer_words.register(Dropout)
@layer_words.register(Corruption)
def _(module: nn.Module, arrays: Arrays) -> Words:
    return {"kind": "same"}


@layer_words.register
def _(module: nn.Flatten, arrays: Arrays) -> Words:
    return {"kind": "flatten"}


@layer_words.register
def _(module: nn.Unflatten, arrays: Arrays) -> Words:
    return {"kind": "unflatten", "axis": int(module.dim), "sizes": [int(size) for size in module.unflattened_size]}


# --- two inputs, and what a network is shown ---------------------------------------------------------


@layer_words.register(Joined)
@layer_words.register(Planes)
def _(module: Joined | Planes, arrays: Arrays) -> Words:
    return {"kind": type(module).__name__.lower(), "network": words_of(module.network, arrays)}


@layer_words.register
def _(module: Guided, arrays: Arrays) -> Words:
    parts = {name: words_of(getattr(module, name), arrays) for name in ("features", "decoder", "last")}
    return {"kind": "guided", "size": [*map(int, module.size)]} | parts


@layer_words.register
def _(module: Corrupted, arrays: Arrays) -> Words:
    return words_of(module.encoder, arrays)


@layer_words.register
def _(module: MaskedInput, arrays: Arrays) -> Words:
    return {"kind": "masked", "network": words_of(module.network, arrays)}


@layer_words.register
def _(module: LogCounts, arrays: Arrays) -> Words:
    return {"kind": "log counts", "steps": module.steps, "network": words_of(module.network, arrays)}


# --- functions of each number ------------------------------------------------------------------------


@layer_words.register(nn.ReLU)
@layer_words.register(nn.Tanh)
@layer_words.register(nn.Sigmoid)
@layer_words.register(nn.SiLU)
@layer_words.register(nn.Hardtanh)
def _(module: nn.Module, arrays: Arrays) -> Words:
    return {"kind": "each", "function": type(module).__name__} | (
        {"low": module.min_val, "high": module.max_val} if isinstance(module, nn.Hardtanh) else {}
    )


@layer_words.register
def _(module: nn.GELU, arrays: Arrays) -> Words:
    return {"kind": "each", "function": "GELU", "tanh": module.approximate == "tanh"}


@layer_words.register
def _(module: nn.LeakyReLU, arrays: Arrays) -> Words:
    return {"kind": "each", "function": "LeakyReLU", "slope": float(module.negative_slope)}


@layer_words.register
def _(module: nn.ELU, arrays: Arrays) -> Words:
    return {"kind": "each", "function": "ELU", "alpha": float(module.alpha)}


@layer_words.register
def _(module: nn.Softplus, arrays: Arrays) -> Words:
    return {"kind": "each", "function": "Softplus", "beta": float(module.beta)}


@layer_words.register
def _(module: nn.GLU, arrays: Arrays) -> Words:
    return {"kind": "glu", "axis": int(module.dim)}


# --- sums of products --------------------------------------------------------------------------------


def _weighed(module: nn.Linear | Unfolded, arrays: Arrays) -> Words:
    bias = np.zeros(len(module.weight)) if module.bias is None else numbers_of(module.bias)
    return {"weight": arrays.weights(numbers_of(module.weight)), "bias": arrays.numbers(bias)}


@layer_words.register
def _(module: nn.Linear, arrays: Arrays) -> Words:
    return {"kind": "linear"} | _weighed(module, arrays)


@layer_words.register(nn.Conv1d)
@layer_words.register(nn.Conv2d)
@layer_words.register(nn.Conv3d)
@layer_words.register(nn.ConvTranspose1d)
@layer_words.register(nn.ConvTranspose2d)
@layer_words.register(nn.ConvTranspose3d)
def _(module: Convolution | Transposed, arrays: Arrays) -> Words:
    form = unfolded(module)
    settings = {name: [*map(int, getattr(form, name))] for name in ("spread", "stride", "dilation", "kernel")}
    sides = [[*map(int, each)] for each in form.sides]
    return {"kind": "convolution", "sides": sides} | settings | _weighed(form, arrays)


@layer_words.register
def _(module: nn.Upsample, arrays: Arrays) -> Words:
    if module.mode != "nearest":
        raise NotComputed("a page computes an Upsample layer with mode='nearest' alone")
    size, factor = module.size, module.scale_factor
    asked = {"size": _listed(size)} if size is not None else {"factor": _listed(factor)}
    return {"kind": "upsample"} | asked


def _listed(value: Any) -> list[float] | float:
    return [float(each) for each in value] if isinstance(value, Sequence) else float(value)


@layer_words.register(nn.BatchNorm1d)
@layer_words.register(nn.BatchNorm2d)
@layer_words.register(nn.BatchNorm3d)
def _(module: Normed, arrays: Arrays) -> Words:
    """In evaluation a scale and a shift for each channel."""
    if module.running_mean is None or module.running_var is None:
        raise NotComputed("a page computes batch norms with running statistics alone")
    scale = 1 / np.sqrt(numbers_of(module.running_var) + module.eps)
    scale = scale if module.weight is None else scale * numbers_of(module.weight)
    shift = -numbers_of(module.running_mean) * scale + (0 if module.bias is None else numbers_of(module.bias))
    return {"kind": "channels", "scale": arrays.numbers(scale), "shift": arrays.numbers(shift)}


@layer_words.register
def _(module: nn.LayerNorm, arrays: Arrays) -> Words:
    ones = np.ones(module.normalized_shape, np.float32)
    scale = ones if module.weight is None else numbers_of(module.weight)
    shift = 0 * ones if module.bias is None else numbers_of(module.bias)
    return {"kind": "layer norm", "scale": arrays.numbers(scale), "shift": arrays.numbers(shift), "eps": module.eps}
