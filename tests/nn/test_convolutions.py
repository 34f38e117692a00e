"""Convolutions done in the fastest way give what their layers give one after another, forwards and back."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

import lowerbound as lb
from lowerbound.nn import convolutions
from lowerbound.nn.convolutions import Convolutions, channels_last, in_memory_format
from lowerbound.nn.networks import convolutional_decoder, convolutional_encoder, with_dropout

SHAPES = [
    ((1, 28, 28), (4, 6)),
    ((3, 8, 12), (4, 6)),
    ((2, 7, 7), (4, 8)),  # odd sides are no whole multiples
    ((1, 9, 16), (5,)),  # one side alone
    ((1, 6, 4), (3, 2)),  # 6 to 3 to 2, and back
    ((1, 1, 1), (2,)),
    ((2, 16), (3, 4)),
    ((1, 4, 4, 4), (2, 3)),
]


def in_turn(network: nn.Module) -> nn.Sequential:
    return nn.Sequential(*copy.deepcopy(list(network.children())))


def networks(event: Sequence[int], channels: Sequence[int]) -> list[tuple[nn.Sequential, Tensor]]:
    torch.manual_seed(0)
    encoder, decoder = convolutional_encoder(event, channels, 4), convolutional_decoder(5, channels, event)
    return [(encoder.double(), torch.rand(6, *event).double()), (decoder.double(), torch.randn(6, 5).double())]


def gradients(network: nn.Module, x: Tensor, along: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    found = network(x)
    return [found.detach(), *torch.autograd.grad((found * along).sum(), [x, *network.parameters()])]


@pytest.mark.parametrize(("event", "channels"), SHAPES)
def test_values_and_gradients_are_those_of_the_layers_in_turn(event: Sequence[int], channels: Sequence[int]) -> None:
    for network, x in networks(event, channels):
        assert isinstance(network, Convolutions)
        along = torch.randn_like(network(x))
        for ours, theirs in zip(gradients(network, x, along), gradients(in_turn(network), x, along), strict=True):
            assert ours.shape == theirs.shape
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)
        with torch.no_grad():
            torch.testing.assert_close(network(x), in_turn(network)(x), rtol=1e-12, atol=1e-13)
        with torch.inference_mode():
            network(x)


def test_upsampled_images_are_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    before = convolutions.F.conv2d
    monkeypatch.setattr(convolutions.F, "conv2d", lambda x, *rest, **more: sizes.append(tuple(x.shape[1:])) or before(x, *rest, **more))
    monkeypatch.setattr(nn.Upsample, "forward", lambda *_: pytest.fail("made large"))
    convolutional_decoder(5, (4, 6), (1, 28, 28))(torch.randn(2, 5))
    assert sizes == [(6, 7, 7), (4, 14, 14)]


@pytest.mark.parametrize("shape", [(3, 1, 4, 6), (3, 2, 4, 6), (1, 1, 1, 1)])
def test_channels_last_are_the_same_images(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    last = channels_last(x)
    assert torch.equal(last, x)
    assert last.stride()[1] == 1
    assert last.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("other", ["zeros elsewhere", "stride", "bilinear", "thrice", "groups", "5 × 5"])
def test_other_layers_are_done_as_they_are(other: str) -> None:
    torch.manual_seed(0)
    upsample = nn.Upsample(scale_factor=2) if other == "zeros elsewhere" else nn.Upsample(size=(18, 18) if other == "thrice" else (12, 12))
    if other == "bilinear":
        upsample = nn.Upsample(size=(12, 12), mode="bilinear")
    options = {"stride": {"stride": 2}, "groups": {"groups": 2}, "zeros elsewhere": {"padding_mode": "circular"}}.get(other, {})
    kernel = 5 if other == "5 × 5" else 3
    network = Convolutions(upsample, nn.Conv2d(4, 6, kernel, padding=kernel // 2, **options), nn.ReLU()).double()
    x = torch.randn(2, 4, 6, 6).double()
    torch.testing.assert_close(network(x), in_turn(network)(x), rtol=1e-12, atol=1e-13)


def test_what_looks_at_layers_sees_each() -> None:
    """Hooks, dropout after a ReLU, weights that are a function of others, and weights that are held."""
    network = convolutional_decoder(5, (4, 6), (1, 28, 28)).double()
    seen: list[Tensor] = []
    handle = network[4].register_forward_hook(lambda layer, given, found: seen.append(given[0]))
    network(torch.randn(2, 5).double())
    handle.remove()
    assert [tuple(x.shape) for x in seen] == [(2, 6, 14, 14)]
    nn.utils.parametrizations.weight_norm(network[4])
    x = torch.randn(2, 5).double()
    torch.testing.assert_close(network(x), in_turn(network)(x))
    network[4].requires_grad_(False)
    network(x).sum().backward()
    assert all(weight.grad is None for weight in network[4].parameters())
    dropped = with_dropout(convolutional_decoder(5, (4, 6), (1, 28, 28)), 0.5)
    assert not torch.equal(dropped(torch.ones(1, 5)), dropped(torch.ones(1, 5)))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch 2.13 calls it for forward derivatives
def test_transforms_of_functions_go_through() -> None:
    for network, x in networks((1, 8, 8), (3, 4)):
        plain = in_turn(network)
        with torch.autograd.forward_ad.dual_level():
            dual = network(torch.autograd.forward_ad.make_dual(x, torch.ones_like(x)))
            assert torch.autograd.forward_ad.unpack_dual(dual).tangent is not None
        _, ours = torch.func.jvp(network, (x,), (torch.ones_like(x),))
        _, theirs = torch.func.jvp(plain, (x,), (torch.ones_like(x),))
        torch.testing.assert_close(ours, theirs)
        each = torch.func.vmap(torch.func.jacrev(lambda one, network=network: network(one[None])[0]))(x)
        torch.testing.assert_close(each, torch.func.vmap(torch.func.jacrev(lambda one, plain=plain: plain(one[None])[0]))(x))


def test_rounded_products_are_as_near_as_those_of_the_layers_in_turn() -> None:
    torch.manual_seed(0)
    network, x = convolutional_decoder(16, (8, 16), (1, 28, 28)), torch.randn(4, 16)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        ours, theirs = network(x).float(), in_turn(network)(x).float()
    exact = network(x).detach()
    assert float((ours - exact).abs().mean()) < 1.5 * float((theirs - exact).abs().mean()) + 1e-6


def test_weights_have_the_names_that_they_always_had() -> None:
    assert list(convolutional_decoder(5, (4, 6), (1, 28, 28)).state_dict()) == [
        f"{at}.{kind}" for at in (0, 4, 7) for kind in ("weight", "bias")
    ]


def test_second_derivatives_are_those_of_the_layers_in_turn() -> None:
    for network, x in networks((2, 8, 8), (3, 4)):
        found = []
        for one in (network, in_turn(network)):
            given = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(one(given).tanh().sum(), given, create_graph=True)
            found.append(torch.autograd.grad(slope.square().sum(), [given, *one.parameters()], allow_unused=True))
        for ours, theirs in zip(*found, strict=True):
            assert (ours is None) == (theirs is None)
            if ours is not None:
                torch.testing.assert_close(ours, theirs)


class Shifted(nn.Conv2d):
    """Somebody's own."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + 100


def test_layers_of_somebodys_own_and_hooks_of_all_kinds_are_called() -> None:
    own = Convolutions(nn.Upsample(size=(8, 8)), Shifted(2, 3, 3, padding=1))
    assert float(own(torch.zeros(1, 2, 4, 4)).detach().mean()) > 50
    network, seen = Convolutions(nn.Upsample(size=(8, 8)), nn.Conv2d(2, 3, 3, padding=1)), list[str]()
    handle = network[1].register_full_backward_pre_hook(lambda module, _: seen.append(type(module).__name__))
    network(torch.zeros(1, 2, 4, 4, requires_grad=True)).sum().backward()
    handle.remove()
    handle = nn.modules.module.register_module_forward_hook(lambda module, *_: seen.append(type(module).__name__))
    network(torch.zeros(1, 2, 4, 4))
    handle.remove()
    assert seen == ["Conv2d", "Upsample", "Conv2d", "Convolutions"]


@pytest.mark.parametrize("relu", [False, True])
def test_the_output_is_as_any_other(relu: bool) -> None:
    """It may be changed in place, and looked at as rows; no image at all is none."""
    layers = [nn.Upsample(size=(8, 8)), nn.Conv2d(2, 3, 3, padding=1), *([nn.ReLU()] if relu else [])]
    network = Convolutions(*layers)
    found = network(torch.randn(4, 2, 4, 4))
    assert found.view(4, -1).shape == (4, 192)
    found.clamp_(max=1)
    if not relu:  # a ReLU keeps its output
        found.sum().backward()
    assert network(torch.randn(0, 2, 4, 4)).shape == (0, 3, 8, 8)


@pytest.mark.parametrize("given", ["observed", "low-resolution:2"])
def test_models_given_a_part_are_scored(given: str) -> None:
    """By second derivatives of autograd, as their networks are not linear in pieces."""
    torch.manual_seed(0)
    vae = lb.build(lb.Recipe(data="digits", latent="2", network="conv:4-6", given=given), (1, 8, 8)).vae
    found = lb.log_likelihood(vae, torch.rand(3, 1, 8, 8), samples=100)
    assert bool(found.log_p.isfinite().all())


def test_laying_out_leaves_the_callers_tensor_and_empty_gradients_alone() -> None:
    x = torch.rand(3, 4, 6, 6, requires_grad=True)
    y = (2 * x).contiguous(memory_format=torch.channels_last)
    for _ in range(3):
        in_memory_format(y).sum().backward(retain_graph=True)
    assert not y._backward_hooks
    convolution, z = torch.nn.Conv2d(4, 2, 3), torch.rand(3, 4, 6, 6, requires_grad=True)
    (first,) = torch.autograd.grad(convolution(in_memory_format(z.sin())).sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), z)  # convolutions are linear: of their input there is no second gradient
    expected = torch.autograd.functional.hvp(lambda z: convolution(z.sin()).sum(), z, torch.ones_like(z))[1]
    torch.testing.assert_close(second, expected)
