"""Networks of series, images and volumes: shapes, one another's values where an axis is 1, and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from rounding import error_of_one_layer, round_all
from torch import Tensor, nn
from torch.func import jacrev, vmap

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.errors import RecipeError
from lowerbound.nn.dropout import Dropout
from lowerbound.nn.jacobian import is_piecewise_linear, jacobian
from lowerbound.nn.networks import convolution, convolutional_decoder, convolutional_encoder
from lowerbound.nn.precision import multiplying, roughly
from lowerbound.recipes import networks
from lowerbound.system.seeding import seeded
from lowerbound.vae.loss import loss

#: shapes of examples, some with sides that halving does not divide
EVENTS = [(1, 32), (12, 7), (2, 16, 16), (5, 9, 6), (13, 4, 4), (1, 8, 8, 8), (3, 5, 4, 7), (1, 1), (2, 1, 1, 1)]
#: of each number of axes, what the layers are
KINDS = {(4, 9): nn.Conv1d, (4, 9, 6): nn.Conv2d, (4, 9, 6, 3): nn.Conv3d}


@pytest.mark.parametrize("event", EVENTS, ids=str)
@pytest.mark.parametrize("channels", [(4,), (4, 6, 8)])
def test_they_give_features_and_examples_back(event: tuple[int, ...], channels: tuple[int, ...]) -> None:
    assert convolutional_encoder(event, channels, 3)(torch.rand(2, *event)).shape == (2, 3)
    assert convolutional_decoder(3, channels, event)(torch.rand(2, 3)).shape == (2, *event)


@pytest.mark.parametrize("event", KINDS, ids=str)
def test_layers_are_of_the_axes_of_space(event: tuple[int, ...]) -> None:
    for network in (convolutional_encoder(event, (5, 6), 3), convolutional_decoder(3, (5, 6), event)):
        found = [layer for layer in network if not isinstance(layer, (nn.Linear, nn.ReLU, nn.Flatten, nn.Unflatten, nn.Upsample))]
        assert all(isinstance(layer, KINDS[event]) for layer in found)
        assert len(found) == 2
    assert type(network[-1]) is convolution(event, last=True)
    assert type(convolution(event)(1, 1, 3)) is KINDS[event]


def widened(weight: Tensor) -> Tensor:
    """Weights for one more axis, of which only the middle is used: those of data that are 1 along it."""
    found = torch.zeros(*weight.shape, 3)
    found[..., 1] = weight
    return found


@pytest.mark.parametrize("event", [(2, 9), (3, 6, 5)], ids=str)
def test_of_one_more_axis_of_length_one_they_are_the_same(event: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    pairs = [
        (convolutional_encoder(event, (4, 5), 3), convolutional_encoder((*event, 1), (4, 5), 3), torch.rand(7, *event)),
        (convolutional_decoder(3, (4, 5), event), convolutional_decoder(3, (4, 5), (*event, 1)), torch.randn(7, 3)),
    ]
    for one, other, x in pairs:
        copied = {name: weight if weight.dim() < 3 else widened(weight) for name, weight in one.state_dict().items()}
        other.load_state_dict(copied)
        as_other = other(x.unsqueeze(-1) if x.dim() > 2 else x)
        torch.testing.assert_close(as_other.reshape(one(x).shape), one(x))


def test_a_convolution_of_volumes_is_the_sum_that_it_says() -> None:
    """One layer, each output Σ over channels and the 27 neighbours of every second place, beyond the edge 0."""
    torch.manual_seed(0)
    layer = convolutional_encoder((2, 4, 5, 3), (3,), 1)[0]
    x = torch.rand(1, 2, 4, 5, 3)
    padded = nn.functional.pad(x, (1, 1, 1, 1, 1, 1))
    found = layer(x)
    assert found.shape == (1, 3, 2, 3, 2)
    for d, h, w in [(0, 0, 0), (1, 2, 1), (1, 1, 0)]:
        part = padded[0, :, 2 * d : 2 * d + 3, 2 * h : 2 * h + 3, 2 * w : 2 * w + 3]
        torch.testing.assert_close(found[0, :, d, h, w], (layer.weight * part).flatten(1).sum(1) + layer.bias)


def test_first_weights_of_images_are_those_of_torchs_layers_in_order() -> None:
    torch.manual_seed(0)
    network = convolutional_encoder((2, 6, 5), (3, 4), 7)
    torch.manual_seed(0)
    layers = [nn.Conv2d(a, b, 3) for a, b in pairwise([2, 3, 4])] + [nn.Linear(4 * 2 * 2, 7)]
    wanted = [parameter for layer in layers for parameter in layer.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), wanted, strict=True))


@pytest.mark.parametrize("event", [(2, 7), (2, 5, 4), (1, 4, 3, 5)], ids=str)
def test_jacobians_are_autograds(event: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = convolutional_decoder(3, (4, 5), event).double()
    z = torch.randn(4, 3, dtype=torch.double)
    assert is_piecewise_linear(network)
    value, slopes = jacobian(network, z)
    torch.testing.assert_close(value, network(z))
    torch.testing.assert_close(slopes, vmap(jacrev(lambda one: network(one[None])[0]))(z).movedim(-1, 0))


@pytest.mark.parametrize("event", KINDS, ids=str)
def test_the_last_layer_has_all_its_digits_unless_it_may_be_rough(event: tuple[int, ...]) -> None:
    network = convolutional_decoder(3, (4,), event)
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.rand(2, 3)).dtype == torch.float32
        assert roughly(network)(torch.rand(2, 3)).dtype == torch.bfloat16


def gradient(x: Tensor, products: torch.dtype, rounds: bool = False) -> Tensor:
    """Of all weights of a small convolutional model, in one vector."""
    parts = lb.build(lb.Recipe(network="conv:8-16", latent=3), tuple(x.shape[1:]))
    if rounds:
        round_all(parts.vae)
    with seeded(0, "noise"), multiplying(products):
        loss(parts.vae.train(), x, parts.objective, parts.estimator).value.backward()
    return torch.cat([weight.grad.flatten() for weight in parts.vae.parameters() if weight.grad is not None])


@pytest.mark.parametrize("event", [(2, 40), (2, 8, 8)], ids=str)
def test_products_in_bfloat16_change_gradients_as_rounding_does(event: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    found, expected = [], []
    for x in torch.rand(4, 64, *event):
        whole = gradient(x, torch.float32)
        found.append((gradient(x, torch.bfloat16) - whole).norm() / whole.norm())
        expected.append((gradient(x, torch.float32, rounds=True) - whole).norm() / whole.norm())
    one = error_of_one_layer(convolution(event)(8, 16, 3, padding=1), torch.rand(64, 8, *event[1:]))
    root = [float(torch.stack(each).square().mean().sqrt()) for each in (found, expected)]
    assert 0 < root[0] < max(2 * root[1], 4 * one)  # the second for processors whose sums are rounded too


def test_volumes_are_not_rounded() -> None:  # some processors have wrong gradients then
    x = torch.rand(8, 2, 4, 6, 5)
    assert torch.equal(gradient(x, torch.bfloat16), gradient(x, torch.float32))


@pytest.mark.parametrize("given", [None, "label", "observed"])
@pytest.mark.parametrize("network", ["conv:4-6", "mlp:8"])
@pytest.mark.parametrize("event", [(2, 16, 16), (5, 8, 6), (1, 32), (12, 10), (1, 6, 5, 4)], ids=str)
def test_gradients_reach_every_weight(event: tuple[int, ...], network: str, given: str | None) -> None:
    spec = DataSpec(event, classes=("a", "b"))
    parts = lb.build(lb.Recipe(network=network, latent=3, given=given, likelihood="gaussian", scale="learned"), spec)
    torch.manual_seed(0)
    x, labels = torch.rand(8, *event), torch.arange(8) % 2
    vae = parts.vae if parts.vae.context is None else parts.vae.given(parts.vae.context.of(x, labels))
    loss(vae, x, parts.objective, parts.estimator).value.backward()
    for name, weight in parts.vae.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.any(), name


def test_dropout_and_corruption_are_those_of_any_shape() -> None:
    for event in ((2, 9), (2, 6, 5), (2, 4, 3, 5)):
        network = lb.nn.with_dropout(convolutional_encoder(event, (4, 6), 3), 0.5).train()
        x = torch.rand(1, *event).expand(50, *event)
        assert network(x).std(0).min() > 0
        assert torch.equal(network.eval()(x[:1]), network(x[1:2]))


@pytest.mark.parametrize("event", [(5,), (1, 2, 3, 4, 5)])
def test_others_are_refused(event: tuple[int, ...]) -> None:
    for make in (
        lambda: networks.NETWORKS["conv"].encoder(event, (4,), 3, ()),
        lambda: networks.NETWORKS["conv"].decoder(3, (4,), event, 1, ()),
    ):
        with pytest.raises(RecipeError, match="a conv network needs images, series or volumes"):
            make()


@pytest.mark.parametrize(("word", "function"), [("mlp", torch.relu), ("tanh", torch.tanh), ("softplus", nn.functional.softplus)])
def test_hidden_layers_are_of_the_function_that_the_word_says(word: str, function: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    x, row = torch.randn(5, 4), networks.NETWORKS[word]
    network = row.encoder((4,), (6, 7), 3, ())
    w, b, v, c, u, d = network.parameters()
    torch.testing.assert_close(network(x), function(function(x @ w.T + b) @ v.T + c) @ u.T + d)
    trunk, features = row.trunk((4,), (6,), ())
    w, b = trunk.parameters()
    torch.testing.assert_close(trunk(x), function(x @ w.T + b))
    assert features == 6
    dropped = lb.nn.with_dropout(network, 0.5)
    assert sum(isinstance(part, Dropout) for part in dropped.modules()) == 2
