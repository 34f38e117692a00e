"""What is said where a network does not fit what it is given, or what is made of its output: one line that names the part.

A network's own error is read after it was raised, so that nothing is added to a step that goes well.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from torch import Size, Tensor, nn

from lowerbound.errors import DataError, LowerboundError, RecipeError
from lowerbound.system.arguments import shown

#: operations after which an output cannot be any number: layers of that name, and what autograd calls them. Not among them are those that
#: may be meant: bounds of one's own choice (hardtanh, clamp), and logarithms of probabilities, which are logits of a categorical
BOUNDED = ("sigmoid", "hardsigmoid", "logsigmoid", "tanh", "softmax", "softplus", "relu", "relu6")
#: what autograd calls operations that leave numbers as they are
SHAPING = ("view", "unsafeview", "reshapealias", "tocopy", "clone", "contiguous", "unsqueeze", "squeeze", "transpose", "permute", "expand")
#: layers that leave numbers as they are
SHAPING_LAYERS = (nn.Flatten, nn.Unflatten, nn.Identity)


def other_numbers(decoded: Sequence[int], event: Sequence[int]) -> DataError:
    """What is said where a decoder gives an example of another number of values than the data have."""
    return DataError(f"the decoder gives {tuple(decoded)}, the data are {tuple(event)}: the numbers of values differ")


def must_be_network(part: str, network: Any) -> None:
    """Raise RecipeError for what is no ``torch.nn.Module``."""
    if not isinstance(network, nn.Module):
        raise RecipeError(f"the {part} must be a torch.nn.Module, as lb.nn.mlp(2, 512, 784), not {shown(network)}")


# --- what a network is given -------------------------------------------------------------------------

#: what the networks of a model are called
ENCODER, DECODER, NETWORK = "encoder", "decoder", "network"
Layer = nn.Linear | nn.modules.conv._ConvNd


def of_layer(part: str, parent: Tensor, error: Exception) -> LowerboundError | None:
    """What an error in a network called for ``parent`` ``(N, *event)`` means, where a layer got what it cannot take; else None."""
    if any(frame.f_code.co_name == "_verify_batch_size" for frame, _ in traceback.walk_tb(error.__traceback__)):
        return RecipeError(
            f"a batch norm of the {part} is given one example alone, of which there is no variance; give batches of 2 or more, "
            "or take torch.nn.GroupNorm in its place"
        )
    found = _layer(error)
    if found is None:
        return None
    layer, given = found
    weight = layer.weight
    if weight.device != given.device:
        return RecipeError(f"the {part} is on {weight.device} and is given what is on {given.device}; move the whole model, vae.to(…)")
    if weight.dtype != given.dtype:
        return RecipeError(f"the {part} has weights of {weight.dtype} and is given {given.dtype}; bring all to one type, as by vae.float()")
    if _takes(layer, given):
        return None
    first = given.shape == parent.shape or (given.dim() == 2 and given.shape == parent.flatten(1).shape)
    return _width(part, layer, given.shape[1:], first)


def _layer(error: Exception) -> tuple[Layer, Tensor] | None:
    """The innermost layer with a weight in whose ``forward`` it was raised, and what that was called with."""
    found = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        own, code = frame.f_locals.get("self"), frame.f_code
        if isinstance(own, Layer) and code.co_name == "forward" and code.co_argcount > 1:
            given = frame.f_locals.get(code.co_varnames[1])
            found = (own, given) if isinstance(given, Tensor) else found
    return found


def _takes(layer: Layer, given: Tensor) -> bool:
    """Whether a layer can take what it was given: by its width, or its axes and channels."""
    if isinstance(layer, nn.Linear):
        return given.shape[-1] == layer.in_features
    return given.dim() == len(layer.kernel_size) + 2 and given.shape[1] == layer.in_channels


def _width(part: str, layer: Layer, given: Size, first: bool) -> LowerboundError:
    """What is said of a width: in the first layer, whose input is an example or a latent, or in a later one."""
    takes = (
        f"{layer.in_features} numbers" if isinstance(layer, nn.Linear) else f"{layer.in_channels} channels of {len(layer.kernel_size)} axes"
    )
    if isinstance(layer, nn.Linear) and given.numel() == layer.in_features:
        return RecipeError(
            f"{layer} of the {part} takes {takes} in a row, and is given {in_words(given)}; put torch.nn.Flatten() before it"
        )
    if not first:
        return RecipeError(f"{layer} inside the {part} takes {takes}, and is given {in_words(given)}; make it fit the layers before it")
    if part == ENCODER:
        return DataError(
            f"the encoder takes {takes}, and an example of these data has {in_words(given)}; change those or its first layer, {layer}"
        )
    return RecipeError(
        f"the {part} takes {takes}, and a latent has {in_words(given)}; make its first layer, {layer}, take those of prior and posterior"
    )


def in_words(shape: Sequence[int]) -> str:
    """How many numbers a vector has, else the shape."""
    return f"{shape[0]} numbers" if len(shape) == 1 else f"the shape {tuple(shape)}"


# --- what it gives -----------------------------------------------------------------------------------


def one_tensor(part: str, output: Any) -> Tensor:
    """A network's output. Errors: RecipeError where it is no tensor, as the pair of mean and log-variance."""
    if isinstance(output, Tensor):
        return output
    tip = "; torch.cat(…, 1) makes one of several" if isinstance(output, tuple | list) else ""
    raise RecipeError(f"the {part} gives a {type(output).__name__}, and what is wanted is one tensor (N, …){tip}")


def must_be_free(network: nn.Module, law: str, takes: str) -> None:
    """Raise RecipeError for a network whose last layer is one of ``BOUNDED``, where ``law`` takes any numbers, ``takes``."""
    last = network
    while isinstance(last, nn.Sequential) and len(last):
        layers = [layer for layer in last if not isinstance(layer, SHAPING_LAYERS)]
        if not layers:
            return
        last = layers[-1]
    if type(last).__module__.startswith("torch.nn"):
        _must_not_be(type(last).__name__, law, takes)


def must_come_free(output: Tensor, law: str, takes: str) -> None:
    """Raise RecipeError for a network's output, a gradient recorded, whose last operation is one of ``BOUNDED``."""
    node = output.grad_fn
    while node is not None and _operation(node.name()) in SHAPING:
        node = node.next_functions[0][0]
    if node is not None:
        _must_not_be(_operation(node.name()), law, takes)


def _operation(name: str) -> str:
    """Of autograd's name of an operation, as ``SigmoidBackward0``."""
    return name.partition("Backward")[0].lower()


def _must_not_be(name: str, law: str, takes: str) -> None:
    if name.lower() in BOUNDED:
        raise RecipeError(f"the decoder ends in {name}, and {law} takes {takes}: leave the {name} out")
