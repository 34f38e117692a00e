"""The words of networks and their widths, ``mlp:512``, ``conv:32-64``, of what damages an encoder's input, ``masking:0.3``, and of the type
in which networks multiply in training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes.grammar import At, Word, known, make

if TYPE_CHECKING:
    import torch
    from torch import nn

    from lowerbound.data.spec import DataSpec
    from lowerbound.nn.corruptions import Corruption


#: units of the networks between levels where a network's own layers are convolutions
BETWEEN = 256


@dataclass(frozen=True)
class NetworkWord:
    """A kind of network: its usual widths, and what is made of given widths.

    An encoder gives ``(N, features)``; a decoder ``(N, *event)`` for one parameter a value, ``(N, P, *event)`` for P of them. Where
    ``context`` is the shape of a context both take one as well. Of a hierarchy ``trunk`` gives the features of an example that all levels
    share, and how many, ``stage`` goes on from features to others, and ``between`` is a network ``(N, inputs) → (N, outputs)`` from level
    to level.
    """

    help: str
    widths: tuple[int, ...]
    encoder: Callable[[Sequence[int], Sequence[int], int, Sequence[int]], nn.Module]
    decoder: Callable[[int, Sequence[int], Sequence[int], int, Sequence[int]], nn.Module]
    trunk: Callable[[Sequence[int], Sequence[int], Sequence[int]], tuple[nn.Module, int]]
    stage: Callable[[int, Sequence[int]], nn.Module]
    between: Callable[[int, Sequence[int], int], nn.Module]

    def usage(self, name: str) -> str:
        """How it is written with its usual widths, e.g. ``mlp:512``."""
        return ":".join([name, *(["-".join(map(str, self.widths))] if self.widths else [])])

    def pattern(self, name: str) -> str:
        """How it is written: ``mlp:WIDTHS``."""
        return f"{name}:WIDTHS" if self.widths else name


def _dense(text: str, widths: tuple[int, ...], layers: At) -> NetworkWord:
    """A kind of fully connected network, by the function of its shapes."""

    def joined(context: Sequence[int], inputs: int | Sequence[int], *rest: int | Sequence[int], ending: bool = False) -> nn.Module:
        """Of the input and a context, if any, side by side; with ``ending`` up to the last hidden units."""
        from lowerbound.nn.conditioned import Joined
        from lowerbound.nn.networks import features

        make = partial(features, network=layers.find()) if ending else layers.find()
        if not context:
            made: nn.Module = make(inputs, *rest)
            return made
        return Joined(make((inputs if isinstance(inputs, int) else prod(inputs)) + prod(context), *rest))

    def encoder(event: Sequence[int], widths: Sequence[int], features: int, context: Sequence[int] = ()) -> nn.Module:
        return joined(context, tuple(event), *widths, features)

    def decoder(latent: int, widths: Sequence[int], event: Sequence[int], parameters: int, context: Sequence[int] = ()) -> nn.Module:
        return joined(context, latent, *reversed(widths), tuple(event) if parameters == 1 else (parameters, *event))

    def trunk(event: Sequence[int], widths: Sequence[int], context: Sequence[int] = ()) -> tuple[nn.Module, int]:
        made = joined(context, tuple(event), *widths, ending=True)
        return made, widths[-1] if widths else prod(event) + prod(context) * bool(context)

    def stage(inputs: int, widths: Sequence[int]) -> nn.Module:
        return joined((), inputs, *widths, ending=True)

    def between(inputs: int, widths: Sequence[int], outputs: int) -> nn.Module:
        return joined((), inputs, *widths, outputs)

    return NetworkWord(text, widths, encoder, decoder, trunk, stage, between)


def _conv_encoder(event: Sequence[int], widths: Sequence[int], features: int, context: Sequence[int] = ()) -> nn.Module:
    from lowerbound.nn.conditioned import Planes
    from lowerbound.nn.networks import convolutional_encoder

    must_have_space(event)
    channels, *size = event
    return (
        Planes(convolutional_encoder((channels + context[0], *size), widths, features))
        if context
        else convolutional_encoder(event, widths, features)
    )


def _conv_trunk(event: Sequence[int], widths: Sequence[int], context: Sequence[int] = ()) -> tuple[nn.Module, int]:
    from torch import nn

    from lowerbound.nn.conditioned import Conditioned
    from lowerbound.nn.precision import roughly

    made = roughly(_conv_encoder(event, widths, BETWEEN, context))
    if isinstance(made, Conditioned):
        raise RecipeError("a hierarchy of convolutions is given nothing; choose --network mlp, or leave out --given")
    return nn.Sequential(*made.children(), nn.ReLU()), BETWEEN


def _conv_stage(inputs: int, widths: Sequence[int]) -> nn.Module:
    from lowerbound.nn.networks import features

    return features(inputs, *widths)


def _conv_between(inputs: int, widths: Sequence[int], outputs: int) -> nn.Module:
    from lowerbound.nn.networks import mlp

    return mlp(inputs, BETWEEN, outputs)


def _conv_decoder(latent: int, widths: Sequence[int], event: Sequence[int], parameters: int, context: Sequence[int] = ()) -> nn.Module:
    from torch import nn

    from lowerbound.nn.conditioned import Joined
    from lowerbound.nn.networks import convolutional_decoder

    must_have_space(event)
    channels, *size = event
    if len(context) > 1:
        return _guided(latent, widths, event, parameters, context)
    made: nn.Module = convolutional_decoder(latent + sum(context), widths, (parameters * channels, *size))
    made = made if parameters == 1 else nn.Sequential(made, nn.Unflatten(1, (parameters, channels)))
    return Joined(made) if context else made


def _guided(latent: int, widths: Sequence[int], event: Sequence[int], parameters: int, context: Sequence[int]) -> nn.Module:
    """A decoder beside an image: that is encoded as an image of the data is, to as many features as the encoder has in its last layer."""
    from torch import nn

    from lowerbound.nn.conditioned import Guided
    from lowerbound.nn.networks import convolution, convolutional_decoder, convolutional_encoder
    from lowerbound.nn.precision import roughly

    channels, *size = event
    features = roughly(convolutional_encoder((context[0], *size), widths, widths[-1]))
    decoder = nn.Sequential(roughly(convolutional_decoder(latent + widths[-1], widths, (widths[0], *size))), nn.ReLU())
    last: list[nn.Module] = [convolution(event)(widths[0] + context[0], widths[0], 3, padding=1), nn.ReLU()]
    last.append(convolution(event, last=True)(widths[0], parameters * channels, 3, padding=1))
    if parameters > 1:
        last.append(nn.Unflatten(1, (parameters, channels)))
    return Guided(features, decoder, nn.Sequential(*last), size)


def must_have_space(event: Sequence[int]) -> None:
    """Raise RecipeError for data that convolutions cannot take."""
    from lowerbound.nn.precision import CONVOLUTIONS

    if not 1 <= len(event) - 1 <= len(CONVOLUTIONS):
        raise RecipeError(f"a conv network needs images, series or volumes, and these data are of shape {tuple(event)}; choose mlp")


WIDEST = 1_000_000  # units in a layer: more is a slip of the finger
NETWORKS = {
    "mlp": _dense("fully connected, with ReLU", (512,), At("nn.networks:mlp")),
    "tanh": _dense("fully connected, with tanh", (512,), At("nn.networks:tanh_mlp")),
    "softplus": _dense("fully connected, with softplus, log (1 + eˣ)", (512,), At("nn.networks:softplus_mlp")),
    "gated": _dense("fully connected, each unit gated by another", (300, 300), At("nn.networks:gated")),
    "orthogonal": _dense("mlp from orthogonal first weights, for tables", (128, 128), At("nn.networks:orthogonal_mlp")),
    "conv": NetworkWord(
        "convolutions of so many channels, each halving the sides of an image, a series or a volume",
        (32, 64),
        _conv_encoder,
        _conv_decoder,
        _conv_trunk,
        _conv_stage,
        _conv_between,
    ),
    "linear": _dense("one linear layer", (), At("nn.networks:mlp")),
}


def network(word: str) -> tuple[NetworkWord, tuple[int, ...]]:
    """``mlp:300-300`` → its kind and widths."""
    name, _, written = word.partition(":")
    known("network", name, NETWORKS)
    row = NETWORKS[name]
    try:
        widths = tuple(int(width) for width in written.split("-")) if written else row.widths
    except ValueError:
        widths = (0,)
    if bool(widths) != bool(row.widths) or not all(0 < width <= WIDEST for width in widths):
        raise RecipeError(f"network '{word}' is not understood; write {'e.g. ' if row.widths else ''}{row.usage(name)}")
    return row, widths


# --- precision ---------------------------------------------------------------------------------------

AUTO = "auto"
PRECISIONS = {AUTO: "the fastest of the device", "float32": "single precision", "bfloat16": "its range, three digits"}


def products(precision: str, device: torch.device) -> torch.dtype:
    """The type in which networks multiply in training on this device."""
    import torch

    from lowerbound.system.devices import fastest

    return fastest(device) if precision == AUTO else getattr(torch, precision)


# --- corruptions -------------------------------------------------------------------------------------


CORRUPTIONS = {
    "gaussian": Word("nn.corruptions:Gaussian", "normal noise of this σ, white being 1", {"scale": 0.3}),
    "masking": Word("nn.corruptions:Masking", "each value 0 with this probability", {"share": 0.3}),
    "salt-and-pepper": Word("recipes.networks:salt_and_pepper", "each value 0 or 1 with this probability", {"share": 0.1}),
}


def corruption(word: str, spec: DataSpec) -> Corruption:
    """The corruption of that word for these data. Errors: RecipeError."""
    made: Corruption = make("corruption", word, CORRUPTIONS, spec=spec, clamp=spec.unit_interval)
    return made


def salt_and_pepper(spec: DataSpec, share: float) -> Corruption:
    """The extremes of a pixel. Errors: RecipeError for values that are not between them."""
    from lowerbound.nn.corruptions import SaltAndPepper

    if not spec.unit_interval:
        raise RecipeError("salt-and-pepper makes values 0 or 1, and not all of these are between them; choose gaussian or masking")
    return SaltAndPepper(share)


def corrupted(word: str | None, encoder: nn.Module, spec: DataSpec, context: bool) -> nn.Module:
    """The encoder, in training behind the corruption of that word, None leaving it as it is; with ``context`` it is given one as well."""
    from torch import nn

    from lowerbound.nn.corruptions import Corrupted

    if word is None:
        return encoder
    made = corruption(word, spec)
    return Corrupted(made, encoder) if context else nn.Sequential(made, encoder)
