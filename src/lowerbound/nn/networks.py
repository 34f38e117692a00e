"""Backbones: tensor → tensor, ``(N, *in) → (N, *out)``, with nothing probabilistic in them.

Any ``torch.nn.Module`` of that shape can stand in their place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

import torch
from torch import Size, Tensor, nn

from lowerbound.errors import UsageError
from lowerbound.nn.convolutions import Convolutions
from lowerbound.nn.dropout import Dropout
from lowerbound.nn.precision import CONVOLUTIONS, LAST_CONVOLUTIONS, Linear, roughly
from lowerbound.system.arguments import whole

Shape = int | Sequence[int]
N = TypeVar("N", bound=nn.Module)


def _hidden(inputs: int, outputs: int) -> nn.Linear:
    """A layer before a ReLU, its first weights uniform on ±√(6/inputs), its biases on twice that.

    The weights keep the signal's size (He et al., "Delving Deep into Rectifiers", 2015,
    https://arxiv.org/abs/1502.01852); the biases put the places where the units switch on all over the
    latent space, instead of all near its origin. On MNIST this is worth 3 nats after 5 epochs of the
    lesson's network over torch's own first weights; convolutions are better off with those (docs/log.md).
    """
    return _spread(nn.Linear(inputs, outputs))


def _spread(layer: nn.Linear) -> nn.Linear:
    """The same layer with such weights."""
    limit = math.sqrt(6 / layer.in_features)
    nn.init.uniform_(layer.weight, -limit, limit)
    nn.init.uniform_(layer.bias, -2 * limit, 2 * limit)
    return layer


def _numel(shape: Shape) -> int:
    return math.prod(whole("a width", side, 1) for side in (shape if isinstance(shape, tuple | list) else [shape]))


# --- fully connected -----------------------------------------------------------------------------------


def mlp(*shapes: Shape, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Fully connected layers with an activation between them: ``mlp(784, 512, 4)`` has one hidden layer.

    The first and the last shape may be that of an array, e.g. ``mlp((1, 28, 28), 512, 4)``: the input ``(N, *first)`` is flattened, the
    output is ``(N, *last)``. The output may be any numbers: logits, means, log-variances. First weights are spread so that hidden units
    switch on all over the input, not only near its origin.
    Errors: UsageError for widths that are none.

    >>> import torch
    >>> import lowerbound as lb
    >>> encoder, decoder = lb.nn.mlp((1, 8, 8), 32, 4), lb.nn.mlp(2, 32, (1, 8, 8))
    >>> encoder(torch.rand(5, 1, 8, 8)).shape, decoder(torch.zeros(5, 2)).shape
    (torch.Size([5, 4]), torch.Size([5, 1, 8, 8]))
    """
    if len(shapes) < 2:
        raise UsageError("mlp takes the width of its input, those of hidden layers, and that of its output, as mlp(784, 512, 4)")
    *widths, last = [_numel(shape) for shape in shapes]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [_hidden(before, after), activation()]
    layers.append(Linear(widths[-1], last))
    if isinstance(shapes[-1], tuple | list):
        layers.append(nn.Unflatten(1, Size(shapes[-1])))
    return nn.Sequential(*layers)


def tanh_mlp(*shapes: Shape) -> nn.Sequential:
    """``mlp`` with tanh between its layers, as the first VAE had it: Kingma and Welling, 2013, https://arxiv.org/abs/1312.6114."""
    return mlp(*shapes, activation=nn.Tanh)


def softplus_mlp(*shapes: Shape) -> nn.Sequential:
    """``mlp`` with log (1 + eˣ) between its layers: smooth, and so is its decoder's density."""
    return mlp(*shapes, activation=nn.Softplus)


def gated(*shapes: Shape) -> nn.Sequential:
    """Fully connected layers whose hidden units are each gated by another one: (W x + b) σ(V x + c), as ``mlp`` otherwise.

    Source: Tomczak and Welling, "VAE with a VampPrior", 2018, https://arxiv.org/abs/1705.07120; Dauphin et al., "Language Modeling with
    Gated Convolutional Networks", 2017, https://arxiv.org/abs/1612.08083.

    >>> import torch
    >>> import lowerbound as lb
    >>> lb.nn.gated((1, 28, 28), 300, 300, 80)(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 80])
    """
    widths = [whole("a width", _numel(shape), 1) for shape in shapes]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths[:-1]):
        layers += [nn.Linear(before, 2 * after), nn.GLU(1)]
    layers.append(Linear(widths[-2], widths[-1]))
    if isinstance(shapes[-1], tuple | list):
        layers.append(nn.Unflatten(1, Size(shapes[-1])))
    return nn.Sequential(*layers)


def orthogonal_mlp(*shapes: Shape) -> nn.Sequential:
    """``mlp`` with the first weights of ``orthogonal``."""
    return orthogonal(mlp(*shapes))


def features(*shapes: Shape, network: Callable[..., nn.Sequential] = mlp) -> nn.Sequential:
    """The same layers without a last one: ``(N, *first)`` → the last hidden units ``(N, last)``, which several networks go on from.

    ``network`` is ``mlp`` or one of its kin, or ``gated``. Of one shape alone they are the input, flat.
    """
    if len(shapes) == 1:
        return nn.Sequential(nn.Flatten())
    *before, width = shapes
    made = network(*before, 2 * _numel(width) if network is gated else width)
    if network is mlp:
        _spread(made[-1])  # type: ignore[arg-type]
    return nn.Sequential(*roughly(made).children(), _ENDS.get(network, nn.ReLU)())


#: what may come after a hidden layer
ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.Softplus)
#: what comes after the last hidden layer of kinds that have no ReLU
_ENDS: dict[Callable[..., nn.Sequential], Callable[[], nn.Module]] = {
    gated: lambda: nn.GLU(1),
    tanh_mlp: nn.Tanh,
    softplus_mlp: nn.Softplus,
}


class DenseParts(NamedTuple):
    """What a network is made of whose linear layers alternate with activations; whether it makes its input flat, and gives its output a
    shape.
    """

    flat: bool
    layers: list[nn.Linear]
    activations: list[nn.Module]
    shaped: bool


def dense_parts(network: nn.Module) -> DenseParts | None:
    """The parts of a network of the form of ``mlp`` and its kin, which may end in an activation; None of any other."""
    inner = list(network) if type(network) is nn.Sequential else []
    flat = bool(inner) and type(inner[0]) is nn.Flatten and (inner[0].start_dim, inner[0].end_dim) == (1, -1)
    last = inner[-1] if inner else None
    shaped = isinstance(last, nn.Unflatten) and type(last) is nn.Unflatten and last.dim == 1
    inner = inner[flat : len(inner) - shaped]
    layers = [layer for layer in inner[::2] if isinstance(layer, nn.Linear) and type(layer) in (nn.Linear, Linear)]
    if not layers or len(layers) < len(inner[::2]):
        return None
    fits = not isinstance(last, nn.Unflatten) or math.prod(last.unflattened_size) == len(layers[-1].weight)
    return DenseParts(flat, layers, inner[1::2], shaped) if fits else None


def variance_preserving(network: N) -> N:
    """The same network, changed: gated layers begin with weights of variance 2/inputs, so that what goes in is seen behind many of them.

    Torch's first weights make the mean square a twelfth in each layer (W x + b) σ(V x + c), a third by W and a fourth by σ, which is near
    ½: behind ten nothing is left. These make it a half. Such that keep it whole are too much: gates that open double it, in each layer, and
    while β is near 0 nothing holds latents back (docs/log.md). Source: He et al., "Delving Deep into Rectifiers", 2015,
    https://arxiv.org/abs/1502.01852 (of ReLUs).
    """
    for part in network.modules():
        for layer, gate in pairwise(part) if isinstance(part, nn.Sequential) else ():
            if isinstance(layer, nn.Linear) and type(gate) is nn.GLU:
                with torch.no_grad():
                    layer.weight[: layer.out_features // 2] *= math.sqrt(6)
    return network


def with_dropout(network: nn.Module, share: float) -> nn.Module:
    """The same network, changed: in training each unit after a ReLU, tanh or softplus is 0 with probability ``share``.

    The others grow by 1/(1 − share), so that means stay what they are; in evaluation mode nothing is dropped.
    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014,
    https://jmlr.org/papers/v15/srivastava14a.html.
    Errors: RecipeError for a share outside [0, 1).

    >>> import torch
    >>> import lowerbound as lb
    >>> network = lb.nn.with_dropout(torch.nn.Sequential(torch.nn.ReLU()), 0.5)
    >>> sorted(set(network(torch.ones(1, 1000)).flatten().tolist()))
    [0.0, 2.0]
    >>> set(network.eval()(torch.ones(1, 1000)).flatten().tolist())
    {1.0}
    """
    for name, part in network.named_children():
        setattr(network, name, nn.Sequential(part, Dropout(share)) if isinstance(part, ACTIVATIONS) else with_dropout(part, share))
    return network


@torch.no_grad()
def expect(network: nn.Module, mean: Tensor, scale: Tensor) -> None:
    """Change the first weights of a network for inputs of this mean and scale ``(d,)``: as if they came standardized, as weights suppose.

    On a sphere, say, or between 0 and 1, few of the hidden units would ever switch (docs/log.md). Inputs after the first d are left alone.
    It is the first ``torch.nn.Linear`` that is changed, in place.

    >>> import torch
    >>> import lowerbound as lb
    >>> network = lb.nn.mlp(3, 8)
    >>> mean, scale = torch.full((3,), 0.5), torch.full((3,), 0.1)
    >>> before = network(torch.ones(1, 3))
    >>> lb.nn.expect(network, mean, scale)
    >>> bool(network((mean + scale)[None]).allclose(before, atol=1e-4))  # one scale above the mean is what 1 was
    True
    """
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Linear))
    weight = first.weight[:, : len(scale)]
    weight.div_(scale)
    first.bias.sub_(weight @ mean)


def orthogonal(network: N) -> N:
    """The same network, its linear layers beginning anew: orthogonal weights, biases 0.

    All units then switch on at the origin, so that it begins as a rotation with folds there. Of few and standardized data a network
    that begins with folds all over learns each by heart (docs/log.md).
    Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013,
    https://arxiv.org/abs/1312.6120.

    >>> import torch
    >>> import lowerbound as lb
    >>> weight = lb.nn.orthogonal(lb.nn.mlp(8, 8))[1].weight
    >>> bool((weight @ weight.T).allclose(torch.eye(8), atol=1e-5))
    True
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight)
            nn.init.zeros_(layer.bias)
    return network


# --- convolutions of series, images and volumes -------------------------------------------------------


def convolution(event: Sequence[int], last: bool = False) -> type[nn.Conv1d | nn.Conv2d | nn.Conv3d]:
    """The layer for data of the shape ``(C, *space)``, by the axes of their space; ``last`` is that of a network's end."""
    return (LAST_CONVOLUTIONS if last else CONVOLUTIONS)[len(event) - 2]


def sizes_of(space: Sequence[int], levels: int) -> list[tuple[int, ...]]:
    """The sides before and after each halving, rounded up as a strided convolution does."""
    sizes = [tuple(space)]
    for _ in range(levels):
        sizes.append(tuple((side + 1) // 2 for side in sizes[-1]))
    return sizes


def convolutional_encoder(event: Sequence[int], channels: Sequence[int], features: int) -> Convolutions:
    """Series, images or volumes ``(N, C, *space)`` → features ``(N, features)``: each of ``channels`` halves the sides of space.

    ``event`` is ``(C, *space)``. Convolutions are of width 3 and stride 2, with a ReLU after each, and a linear layer at the end.

    >>> import torch
    >>> import lowerbound as lb
    >>> encoder = lb.nn.convolutional_encoder((1, 28, 28), [16, 32], features=4)
    >>> encoder(torch.rand(5, 1, 28, 28)).shape, encoder[-1].in_features  # 32 channels of 7 × 7
    (torch.Size([5, 4]), 1568)
    """
    first, *space = event
    kind, layers = convolution(event), list[nn.Module]()
    for before, after in pairwise([first, *channels]):
        layers += [kind(before, after, 3, stride=2, padding=1), nn.ReLU()]
    smallest = sizes_of(space, len(channels))[-1]
    return Convolutions(*layers, nn.Flatten(), Linear(channels[-1] * math.prod(smallest), features))


def convolutional_decoder(latent: int, channels: Sequence[int], event: Sequence[int]) -> Convolutions:
    """Latents ``(N, latent)`` → series, images or volumes ``(N, C, *space)``, the encoder backwards.

    Space grows by nearest neighbours followed by a convolution: a transposed convolution would
    leave a checkerboard (Odena et al., "Deconvolution and Checkerboard Artifacts", 2016,
    https://distill.pub/2016/deconv-checkerboard).

    >>> import torch
    >>> import lowerbound as lb
    >>> lb.nn.convolutional_decoder(2, [16, 32], (1, 28, 28))(torch.zeros(5, 2)).shape
    torch.Size([5, 1, 28, 28])
    """
    first, *space = event
    *larger, smallest = sizes_of(space, len(channels))
    layers: list[nn.Module] = [
        nn.Linear(latent, channels[-1] * math.prod(smallest)),
        nn.Unflatten(1, (channels[-1], *smallest)),
    ]
    kinds = [convolution(event)] * (len(channels) - 1) + [convolution(event, last=True)]
    for kind, (before, after), size in zip(kinds, pairwise(reversed([first, *channels])), reversed(larger), strict=True):
        layers += [nn.ReLU(), nn.Upsample(size=size), kind(before, after, 3, padding=1)]
    return Convolutions(*layers)
