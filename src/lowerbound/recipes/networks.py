"""The words of networks and their widths, ``mlp:512``, ``conv:32-64``, of what damages an encoder's input, ``masking:0.3``, and of the type
in which networks multiply in training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes.grammar import call, known

if TYPE_CHECKING:
    import torch
    from torch import nn

    from lowerbound.nn.corruptions import Corruption
    from lowerbound.recipes.distributions import Facts


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
    from lowerbound.nn.conditioned import Joined
    from lowerbound.nn.networks import mlp

    return Joined(mlp(prod(event) + prod(context), *widths, features)) if context else mlp(event, *widths, features)


def _mlp_decoder(latent: int, widths: Sequence[int], event: Sequence[int], parameters: int, context: Sequence[int] = ()) -> nn.Module:
    from lowerbound.nn.conditioned import Joined
    from lowerbound.nn.networks import mlp

    output = event if parameters == 1 else (parameters, *event)
    return Joined(mlp(latent + prod(context), *reversed(widths), output)) if context else mlp(latent, *reversed(widths), output)


def _orthogonal_encoder(event: Sequence[int], widths: Sequence[int], features: int, context: Sequence[int] = ()) -> nn.Module:
    from lowerbound.nn.networks import orthogonal

    return orthogonal(_mlp_encoder(event, widths, features, context))


def _orthogonal_decoder(
    latent: int, widths: Sequence[int], event: Sequence[int], parameters: int, context: Sequence[int] = ()
) -> nn.Module:
    from lowerbound.nn.networks import orthogonal

    return orthogonal(_mlp_decoder(latent, widths, event, parameters, context))


def _conv_encoder(event: Sequence[int], widths: Sequence[int], features: int, context: Sequence[int] = ()) -> nn.Module:
    from lowerbound.nn.conditioned import Planes
    from lowerbound.nn.networks import convolutional_encoder

    _must_be_image(event)
    channels, *size = event
    return (
        Planes(convolutional_encoder((channels + context[0], *size), widths, features))
        if context
        else convolutional_encoder(event, widths, features)
    )


def _conv_decoder(latent: int, widths: Sequence[int], event: Sequence[int], parameters: int, context: Sequence[int] = ()) -> nn.Module:
    from torch import nn

    from lowerbound.nn.conditioned import Joined
    from lowerbound.nn.networks import convolutional_decoder

    _must_be_image(event)
    channels, *size = event
    if len(context) == 3:
        return _guided(latent, widths, event, parameters, context)
    made: nn.Module = convolutional_decoder(latent + sum(context), widths, (parameters * channels, *size))
    made = made if parameters == 1 else nn.Sequential(made, nn.Unflatten(1, (parameters, channels)))
    return Joined(made) if context else made


def _guided(latent: int, widths: Sequence[int], event: Sequence[int], parameters: int, context: Sequence[int]) -> nn.Module:
    """A decoder beside an image: that is encoded as an image of the data is, to as many features as the encoder has in its last layer."""
    from torch import nn

    from lowerbound.nn.conditioned import Guided
    from lowerbound.nn.networks import convolutional_decoder, convolutional_encoder
    from lowerbound.nn.precision import Conv2d, roughly

    channels, *size = event
    features = roughly(convolutional_encoder((context[0], *size), widths, widths[-1]))
    decoder = nn.Sequential(roughly(convolutional_decoder(latent + widths[-1], widths, (widths[0], *size))), nn.ReLU())
    last: list[nn.Module] = [nn.Conv2d(widths[0] + context[0], widths[0], 3, padding=1), nn.ReLU()]
    last.append(Conv2d(widths[0], parameters * channels, 3, padding=1))
    if parameters > 1:
        last.append(nn.Unflatten(1, (parameters, channels)))
    return Guided(features, decoder, nn.Sequential(*last), size)


def _must_be_image(event: Sequence[int]) -> None:
    if len(event) != 3:
        raise RecipeError(f"a conv network needs images, and these data are of shape {tuple(event)}; choose mlp")


WIDEST = 1_000_000  # units in a layer: more is a slip of the finger
NETWORKS = {
    "mlp": NetworkWord((512,), _mlp_encoder, _mlp_decoder),
    "orthogonal": NetworkWord((128, 128), _orthogonal_encoder, _orthogonal_decoder),
    "conv": NetworkWord((32, 64), _conv_encoder, _conv_decoder),
    "linear": NetworkWord((), _mlp_encoder, _mlp_decoder),
}


def network(word: str) -> tuple[NetworkWord, tuple[int, ...]]:
    """``mlp:300-300`` → its kind and widths."""
    name, _, told = word.partition(":")
    known("network", name, NETWORKS)
    try:
        widths = tuple(int(width) for width in told.split("-")) if told else NETWORKS[name].widths
    except ValueError:
        widths = (0,)
    usual = NETWORKS[name].widths
    if bool(widths) != bool(usual) or not all(0 < width <= WIDEST for width in widths):
        example = f"e.g. {name}:{'-'.join(map(str, usual))}" if usual else name
        raise RecipeError(f"network '{word}' is not understood; write {example}")
    return NETWORKS[name], widths


# --- precision ---------------------------------------------------------------------------------------

#: torch's name of the type; None for the fastest
PRECISIONS = {"auto": None, "float32": "float32", "bfloat16": "bfloat16"}


def products(precision: str, device: torch.device) -> torch.dtype:
    """The type in which networks multiply in training on this device."""
    import torch

    from lowerbound.system.devices import fastest

    name = PRECISIONS[precision]
    return fastest(device) if name is None else getattr(torch, name)


# --- corruptions -------------------------------------------------------------------------------------


def _gaussian(facts: Facts, scale: float = 0.3) -> Corruption:
    from lowerbound.nn.corruptions import Gaussian

    return Gaussian(scale, clamp=facts.unit_interval)


def _masking(facts: Facts, share: float = 0.3) -> Corruption:
    from lowerbound.nn.corruptions import Masking

    return Masking(share)


def _salt_and_pepper(facts: Facts, share: float = 0.1) -> Corruption:
    from lowerbound.nn.corruptions import SaltAndPepper

    if not facts.unit_interval:
        raise RecipeError("salt-and-pepper makes values 0 or 1, and not all of these are between them; choose gaussian or masking")
    return SaltAndPepper(share)


CORRUPTIONS: dict[str, Callable[..., Corruption]] = {"gaussian": _gaussian, "masking": _masking, "salt-and-pepper": _salt_and_pepper}


def corrupted(word: str | None, encoder: nn.Module, facts: Facts) -> nn.Module:
    """The encoder, in training behind the corruption of that word; None leaves it as it is."""
    from torch import nn

    from lowerbound.nn.corruptions import Corrupted

    if word is None:
        return encoder
    corruption = call("corruption", word, CORRUPTIONS, facts)
    return Corrupted(corruption, encoder) if facts.context else nn.Sequential(corruption, encoder)
