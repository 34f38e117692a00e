"""Networks in fixed point: the same bits for every batch, number of threads, library and order of sums; near those in single precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits
from torch import nn
from torch.nn import functional as F

from lowerbound.errors import RecipeError
from lowerbound.nn import corruptions
from lowerbound.nn.conditioned import Joined
from lowerbound.nn.corruptions import Masking
from lowerbound.nn.missing import MaskedInput
from lowerbound.nn.networks import convolutional_decoder, convolutional_encoder, features, gated, mlp, with_dropout
from lowerbound.nn.stages import Stages
from lowerbound.nn.top_down import Block, BottomUp, Parameters
from lowerbound.tasks.lossless.layers import UNIT, Weights
from lowerbound.tasks.lossless.networks import exact


def transposed() -> nn.Module:
    """Transposed convolutions with all that they can be given, and other activations."""
    return nn.Sequential(
        nn.ConvTranspose2d(3, 5, 4, stride=2, padding=1, output_padding=1),
        nn.Tanh(),
        nn.Conv2d(5, 2, 3, stride=2, padding=1, dilation=2),
        nn.GELU(),
        nn.ConvTranspose2d(2, 2, (3, 2), dilation=2, bias=False),
    )


def residual() -> nn.Module:
    """What latents that are images are found by, away from where it begins."""
    network = nn.Sequential(Block((2, 9), 2), Parameters((2, 9), 2, 4, 3), BottomUp((3, 9), (3, 4), 2))
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return network


#: network, the shape of what it is given
NETWORKS = {
    "mlp": (lambda: mlp(784, 256, 64, (2, 3)), (784,)),
    "activations": (lambda: nn.Sequential(nn.Linear(9, 9), nn.SiLU(), nn.ELU(), nn.LeakyReLU(0.1), nn.Softplus(), nn.Sigmoid()), (9,)),
    "encoder": (lambda: convolutional_encoder((1, 28, 28), (8, 16), 6), (1, 28, 28)),
    "decoder": (lambda: convolutional_decoder(6, (8, 16), (2, 11, 9)), (6,)),
    "series": (lambda: nn.Sequential(convolutional_encoder((2, 30), (4,), 3), convolutional_decoder(3, (4,), (2, 30))), (2, 30)),
    "volumes": (lambda: convolutional_encoder((1, 6, 5, 4), (3, 4), 3), (1, 6, 5, 4)),
    "transposed": (transposed, (3, 7, 9)),
    "gated": (lambda: gated((1, 9), 64, 32, (2, 3)), (1, 9)),
    "stages": (lambda: Stages([features(9, 8, 6), features(6, 5, network=gated)]), (9,)),
    "residual": (residual, (2, 9)),
    "in evaluation": (lambda: nn.Sequential(Masking(0.5), with_dropout(mlp(9, 8, 4), 0.5)).eval(), (9,)),
}


def made(name: str) -> tuple[nn.Module, torch.Tensor]:
    """The network and 200 examples for it."""
    torch.manual_seed(0)
    network, shape = NETWORKS[name]
    return network(), torch.rand(200, *shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_bits_are_those_of_any_batch_and_number_of_threads(name: str) -> None:
    network, x = made(name)
    values = x.double().numpy()
    with threadpool_limits(2):
        together = exact(network)(values)
    with threadpool_limits(1):
        found = exact(network)
        alone = np.concatenate([found(values[row : row + 1]) for row in range(0, 200, 7)])
    assert alone.tobytes() == together[::7].tobytes()


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_the_network(name: str) -> None:
    network, x = made(name)
    with torch.no_grad():
        np.testing.assert_allclose(exact(network)(x.double().numpy()), network(x).numpy(), atol=1e-3)


def test_another_library_and_another_order_give_the_same_bits() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(784, 64), torch.rand(50, 784)
    weights = Weights.of(layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy())
    whole = np.rint(x.double().numpy() * UNIT)
    sums = weights.sums(whole)
    bias = torch.from_numpy(weights.bias)
    by_torch = F.linear(torch.from_numpy(whole), torch.from_numpy(weights.matrix), bias)
    by_einsum = np.einsum("ni,oi->no", whole[:, ::-1], weights.matrix[:, ::-1], optimize=False) + weights.bias
    by_integers = whole.astype(np.int64) @ weights.matrix.T.astype(np.int64) + weights.bias.astype(np.int64)
    for other in (by_torch.numpy(), by_einsum, by_integers):
        assert (np.rint(other * 2.0**-weights.bits) == sums).all()
    assert (by_torch.numpy() == by_integers).all()


def test_a_convolution_of_another_library_has_the_same_bits() -> None:
    torch.manual_seed(0)
    layer, x = nn.Conv2d(3, 4, 3, stride=2, padding=1), torch.rand(9, 3, 8, 8)
    with torch.no_grad():
        layer.weight.copy_((layer.weight * 2**16).round() / 2**16)
        layer.bias.copy_((layer.bias * 2**16).round() / 2**16)
        x = (x * UNIT).round() / UNIT
        expected = (layer.double()(x.double()) * UNIT).round() / UNIT
    assert (exact(layer)(x.double().numpy()) == expected.numpy()).all()


def test_large_weights_have_fewer_bits_so_that_sums_stay_exact() -> None:
    weights = Weights.of(np.full((1, 1000), 300.0), None)
    most = np.abs(weights.matrix).sum() * 2.0**27
    assert 2.0**50 < most < 2.0**53
    assert weights.bits < 16


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(weight: float) -> None:
    with pytest.raises(RecipeError, match="not finite"):
        Weights.of(np.array([[weight]]), None)


def test_weights_without_a_bit_left_are_refused() -> None:
    with pytest.raises(RecipeError, match="too large"):
        Weights.of(np.array([[1e9]]), None)


def test_holes_are_shown_by_a_mask() -> None:
    """Behind a corruption too, which damages in training alone."""
    network = MaskedInput(mlp(4, 3))
    x = torch.tensor([[0.5, torch.nan], [0.0, 1.0]])
    for encoder in (network, nn.Sequential(corruptions.Masking(0.5), network).eval()):
        with torch.no_grad():
            np.testing.assert_allclose(exact(encoder)(x.double().numpy()), encoder(x).numpy(), atol=1e-3)


def test_a_corruption_before_an_encoder_with_a_context_is_left_out() -> None:
    network = corruptions.Corrupted(corruptions.Masking(0.5), Joined(mlp(5, 3))).eval()
    x, context = torch.rand(4, 2), torch.eye(3)[[0, 1, 2, 0]]
    with torch.no_grad():
        np.testing.assert_allclose(exact(network)(x.double().numpy(), context.double().numpy()), network(x, context).numpy(), atol=1e-3)


#: a network that is refused, and what is said
REFUSED = [
    (nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)), "a LayerNorm layer .* build networks of .*Conv2d.*Linear"),
    (nn.Conv2d(2, 2, 3, groups=2), "groups=1"),
    (nn.Conv2d(2, 2, 3, padding="same"), "padding"),
    (nn.ConvTranspose1d(2, 2, 3, groups=2), "groups=1"),
    (nn.ConvTranspose1d(2, 2, 1, padding=1), "padding within"),
    (nn.Upsample(scale_factor=2, mode="bilinear"), "nearest"),
    (nn.Softplus(2.0), "beta=1"),
]


@pytest.mark.parametrize(("network", "said"), REFUSED)
def test_what_cannot_be_computed_so_is_refused(network: nn.Module, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        exact(network)
