"""Networks in fixed point inside double precision: the same bits for any batch, number of threads, library of linear algebra and machine.

Each of torch's layers that is known here becomes one of whole numbers (``layers.py``). What a network in single precision gives is met to
some 3·10⁻⁴, which costs a code less than a thousandth of its length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, singledispatch
from typing import Any

import numpy as np
from torch import Tensor, nn

from lowerbound.errors import RecipeError
from lowerbound.nn.conditioned import Joined, Planes
from lowerbound.nn.corruptions import Corrupted, Corruption
from lowerbound.nn.dropout import Dropout
from lowerbound.nn.missing import MaskedInput
from lowerbound.nn.unfolded import Convolution, Transposed, unfolded
from lowerbound.tasks.lossless import functions
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.layers import UNIT, Layer, Weights, convolved, settled, settled_sums, spread


@dataclass(frozen=True)
class Shown:
    """What layers are shown of an input ``(N, *in)`` and of a context ``(N, c)``; ``words`` say how, for the model's hash."""

    words: str
    apply: Callable[[Array, Array], Array]


def _masked(x: Array, context: Array) -> Array:
    there = ~np.isnan(x)
    return np.concatenate([np.where(there, x, 0.0), there], 1)


MASKED = Shown("masked", _masked)  # what is there, and which that is


@dataclass(frozen=True)
class ExactNetwork:
    """How its input is ``shown``, one way after the other, then layers."""

    shown: tuple[Shown, ...]
    layers: tuple[Layer, ...]

    def __call__(self, x: Array, context: Array | None = None) -> Array:
        """Numbers ``(N, *in)``, and of a network that is given a context ``(N, c)`` → ``(N, *out)``."""
        context = np.zeros((len(x), 0)) if context is None else context
        for each in self.shown:
            x = each.apply(x, context)
        x = settled_sums(np.array(x, np.float64, order="C"), UNIT, np.zeros(x.shape[-1]))
        for layer in self.layers:
            x = layer.apply(x)
        x *= 1 / UNIT
        return x


def exact(network: nn.Module) -> ExactNetwork:
    """The same network in fixed point, as it is in evaluation. Errors: RecipeError for a layer that is not known here."""
    match network:
        case Corrupted(encoder=encoder):
            return exact(encoder)
        case nn.Sequential() if len(network) == 2 and isinstance(network[0], Corruption):
            return exact(network[1])
        case MaskedInput():
            rest = exact(network.network)
            return ExactNetwork((MASKED, *rest.shown), rest.layers)
        case Joined():
            return ExactNetwork((Shown("joined", _side_by_side),), tuple(layers_of(network.network)))
        case Planes():
            return ExactNetwork((Shown("planes", _as_channels),), tuple(layers_of(network.network)))
        case _:
            return ExactNetwork((), tuple(layers_of(network)))


def _side_by_side(x: Array, context: Array) -> Array:
    return np.concatenate([x.reshape(len(x), -1), context], 1)


def _as_channels(x: Array, context: Array) -> Array:
    planes = context.reshape(*context.shape, *[1] * (x.ndim - 2))
    return np.concatenate([x, np.broadcast_to(planes, (*context.shape, *x.shape[2:]))], 1)


@singledispatch
def layers_of(module: nn.Module) -> Iterator[Layer]:
    """The layers of a module. A new kind is one more registration."""
    known = ", ".join(sorted({kind.__name__ for kind in layers_of.registry} - {"Module", "object"}))
    raise RecipeError(f"a {type(module).__name__} layer cannot be computed exactly on every machine; build networks of {known}")


@layers_of.register
def _(module: nn.Sequential) -> Iterator[Layer]:
    for part in module:
        yield from layers_of(part)


@layers_of.register(nn.Identity)
@layers_of.register(nn.Dropout)
@layers_of.register(Dropout)
@layers_of.register(Corruption)
def _(module: nn.Module) -> Iterator[Layer]:
    yield from ()


@layers_of.register
def _(module: nn.Flatten) -> Iterator[Layer]:
    yield Layer("flatten", lambda x: x.reshape(len(x), -1))


@layers_of.register
def _(module: nn.Unflatten) -> Iterator[Layer]:
    sizes = tuple(map(int, module.unflattened_size))
    axis = int(module.dim)
    yield Layer(f"unflatten {axis} {sizes}", lambda x: x.reshape(*x.shape[:axis], *sizes, *x.shape[axis + 1 :]))


# --- functions of each number ------------------------------------------------------------------------


@layers_of.register
def _(module: nn.ReLU) -> Iterator[Layer]:
    yield Layer("relu", lambda x: np.maximum(x, 0.0))


@layers_of.register
def _(module: nn.LeakyReLU) -> Iterator[Layer]:
    slope = float(module.negative_slope)
    yield Layer(f"leaky relu {slope!r}", lambda x: settled(np.where(x < 0, x * slope, x)))


def _of_each(words: str, function: Callable[[Array], Array]) -> Layer:
    return Layer(words, lambda x: settled(function(x / UNIT) * UNIT))


@layers_of.register
def _(module: nn.Tanh) -> Iterator[Layer]:
    yield _of_each("tanh", lambda x: functions.tanh()(x))


@layers_of.register
def _(module: nn.Sigmoid) -> Iterator[Layer]:
    yield _of_each("sigmoid", lambda x: functions.sigmoid()(x))


@layers_of.register
def _(module: nn.SiLU) -> Iterator[Layer]:
    yield _of_each("silu", lambda x: x * functions.sigmoid()(x))


@layers_of.register
def _(module: nn.GELU) -> Iterator[Layer]:
    yield _of_each("gelu", lambda x: x * functions.normal_cdf()(x))


@layers_of.register
def _(module: nn.ELU) -> Iterator[Layer]:
    alpha = float(module.alpha)
    yield _of_each(f"elu {alpha!r}", lambda x: np.where(x < 0, alpha * (functions.exp()(np.minimum(x, 0.0)) - 1), x))


@layers_of.register
def _(module: nn.Softplus) -> Iterator[Layer]:
    if module.beta != 1:
        raise RecipeError("a Softplus layer can be computed exactly with beta=1 alone")
    yield _of_each("softplus", functions.softplus)


# --- sums of products --------------------------------------------------------------------------------


def _array(values: Tensor) -> Array:
    return values.detach().cpu().double().numpy()


@layers_of.register
def _(module: nn.Linear) -> Iterator[Layer]:
    weights = Weights.of(_array(module.weight), None if module.bias is None else _array(module.bias))
    yield weights.layer("linear", weights.sums)


@layers_of.register(nn.Conv1d)
@layers_of.register(nn.Conv2d)
@layers_of.register(nn.Conv3d)
@layers_of.register(nn.ConvTranspose1d)
@layers_of.register(nn.ConvTranspose2d)
@layers_of.register(nn.ConvTranspose3d)
def _(module: Convolution | Transposed) -> Iterator[Layer]:
    form = unfolded(module)
    if min(map(min, form.sides)) < 0:
        raise RecipeError("a transposed convolution can be computed exactly with a padding within its kernel alone")
    weights = Weights.of(_array(form.weight.flatten(1)), None if form.bias is None else _array(form.bias))
    part = partial(convolved, weights, form.kernel, form.stride, form.dilation, form.sides)
    settings = f"{module.kernel_size} {module.stride} {module.padding}"
    if isinstance(module, Transposed):
        words = f"transposed {settings} {module.output_padding} {module.dilation}"
        yield weights.layer(words, lambda x: part(spread(x, form.spread)))
    else:
        yield weights.layer(f"convolution {settings} {module.dilation}", part)


@layers_of.register
def _(module: nn.Upsample) -> Iterator[Layer]:
    if module.mode != "nearest":
        raise RecipeError("an Upsample layer can be computed exactly with mode='nearest' alone")
    size, factor = module.size, module.scale_factor

    def enlarged(x: Array) -> Array:
        space = x.shape[2:]
        asked: Any = size if size is not None else [side * times for side, times in zip(space, _each(factor, len(space)), strict=True)]
        for axis, (before, after) in enumerate(zip(space, map(int, _each(asked, len(space))), strict=True), 2):
            x = x.take(np.arange(after) * before // after, axis)
        return x

    yield Layer(f"upsample {size} {factor}", enlarged)


def _each(value: Any, axes: int) -> Sequence[Any]:
    """What may be one for all axes, of each."""
    return value if isinstance(value, Sequence) else [value] * axes
