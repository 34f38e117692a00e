"""The words of networks and their widths: ``mlp:512``, ``conv:32-64``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.words.reading import known

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class NetworkWord:
    """A kind of network: its usual widths, and its encoder and decoder for given widths.

    A decoder gives ``(N, *event)`` for one parameter a value, ``(N, P, *event)`` for P of them. Where ``context`` is the shape of a
    context both take one as well.
    """

    widths: tuple[int, ...]
    encoder: Callable[[Sequence[int], Sequence[int], int, Sequence[int]], nn.Module]
    decoder: Callable[[int, Sequence[int], Sequence[int], int, Sequence[int]], nn.Module]


def _mlp_encoder(event: Sequence[int], widths: Sequence[int], features: int, context: Sequence[int] = ()) -> nn.Module:
    from lowerbound.nn import Joined, mlp

    return Joined(mlp(prod(event) + prod(context), *widths, features)) if context else mlp(event, *widths, features)


def _mlp_decoder(latent: int, widths: Sequence[int], event: Sequence[int], parameters: int, context: Sequence[int] = ()) -> nn.Module:
    from lowerbound.nn import Joined, mlp

    output = event if parameters == 1 else (parameters, *event)
    return Joined(mlp(latent + prod(context), *reversed(widths), output)) if context else mlp(latent, *reversed(widths), output)


def _conv_encoder(event: Sequence[int], widths: Sequence[int], features: int, context: Sequence[int] = ()) -> nn.Module:
    from lowerbound.nn import Planes, convolutional_encoder

    _must_be_image(event)
    channels, *size = event
    return (
        Planes(convolutional_encoder((channels + context[0], *size), widths, features))
        if context
        else convolutional_encoder(event, widths, features)
    )


def _conv_decoder(latent: int, widths: Sequence[int], event: Sequence[int], parameters: int, context: Sequence[int] = ()) -> nn.Module:
    from torch import nn

    from lowerbound.nn import Joined, convolutional_decoder

    _must_be_image(event)
    channels, *size = event
    inputs = latent + prod(context) if context else latent
    made: nn.Module = convolutional_decoder(inputs, widths, (parameters * channels, *size))
    made = made if parameters == 1 else nn.Sequential(made, nn.Unflatten(1, (parameters, channels)))
    return Joined(made) if context else made


def _must_be_image(event: Sequence[int]) -> None:
    if len(event) != 3:
        raise RecipeError(f"a conv network needs images, and these data are of shape {tuple(event)}; choose mlp")


WIDEST = 1_000_000  # units in a layer: more is a slip of the finger
NETWORKS = {
    "mlp": NetworkWord((512,), _mlp_encoder, _mlp_decoder),
    "conv": NetworkWord((32, 64), _conv_encoder, _conv_decoder),
}


def network(word: str) -> tuple[NetworkWord, tuple[int, ...]]:
    """``mlp:300-300`` → its kind and widths."""
    name, _, told = word.partition(":")
    known("network", name, NETWORKS)
    try:
        widths = tuple(int(width) for width in told.split("-")) if told else NETWORKS[name].widths
    except ValueError:
        widths = ()
    if not widths or min(widths) < 1 or max(widths) > WIDEST:
        raise RecipeError(f"network '{word}' is not understood; write e.g. {name}:{'-'.join(map(str, NETWORKS[name].widths))}")
    return NETWORKS[name], widths
