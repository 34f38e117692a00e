"""Each layer that a page computes, beside torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.networks import layer_words, words_of
from lowerbound.nn.conditioned import Guided, Joined, Planes
from lowerbound.nn.log_counts import LogCounts
from lowerbound.nn.missing import MaskedInput
from lowerbound.nn.networks import convolutional_decoder, convolutional_encoder, gated, mlp
from lowerbound.nn.stages import Stages

RUN = """
const [words, table, packed, shape, values, context] = given;
const arrays = arraysOf(table, await inflated(packed));
const numbers = Float32Array.from(values, (value) => value ?? NaN);
const given_context = context === null ? null : tensor(context.shape, Float32Array.from(context.values));
const made = forward(words, tensor(shape, numbers), arrays, given_context);
return [made.shape, Array.from(made.data)];
"""


def computed(javascript: Callable[..., Any], network: nn.Module, x: torch.Tensor, context: torch.Tensor | None = None, exact: bool = True):
    arrays = Arrays(exact)
    words = words_of(network.eval(), arrays)
    values = [None if np.isnan(value) else float(value) for value in x.flatten().numpy()]
    more = None if context is None else {"shape": list(context.shape), "values": context.flatten().tolist()}
    shape, numbers = javascript("layers guided chains", RUN, words, arrays.table, arrays.packed(), list(x.shape), values, more)
    return np.array(numbers).reshape(shape)


class Normed(nn.Sequential):
    """A norm whose statistics are not those it begins with."""

    def __init__(self, norm: Any):
        super().__init__(norm)
        for name, values in norm.state_dict().items():
            if values.is_floating_point():
                norm.state_dict()[name].copy_(torch.rand_like(values) + 0.5)


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Linear": (lambda: nn.Linear(7, 5), (3, 7)),
    "Linear without bias": (lambda: nn.Linear(7, 9, bias=False), (3, 7)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, stride=2, padding=1, dilation=2), (2, 2, 11)),
    "Conv2d": (lambda: nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0)), (2, 2, 7, 6)),
    "Conv3d": (lambda: nn.Conv3d(1, 2, 3, stride=2, padding=1), (2, 1, 5, 4, 6)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(2, 3, 4, stride=3, padding=1, output_padding=2), (2, 2, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1), (2, 3, 4, 5)),
    "ConvTranspose2d, padding beyond its kernel": (lambda: nn.ConvTranspose2d(1, 2, 2, stride=2, padding=2), (1, 1, 6, 6)),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(1, 2, 3, stride=2, padding=1, output_padding=1, dilation=1), (1, 1, 3, 2, 4)),
    "Upsample to a size": (lambda: nn.Upsample(size=(7, 5)), (2, 3, 4, 3)),
    "Upsample by a factor": (lambda: nn.Upsample(scale_factor=2.5), (2, 3, 4)),
    "BatchNorm1d": (lambda: Normed(nn.BatchNorm1d(5)), (3, 5)),
    "BatchNorm2d": (lambda: Normed(nn.BatchNorm2d(3)), (2, 3, 4, 4)),
    "LayerNorm": (lambda: Normed(nn.LayerNorm((3, 4))), (2, 3, 4)),
    "Flatten": (nn.Flatten, (2, 3, 4)),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 3)), (2, 6, 2)),
    "ReLU": (nn.ReLU, (4, 9)),
    "Tanh": (nn.Tanh, (4, 9)),
    "Sigmoid": (nn.Sigmoid, (4, 9)),
    "SiLU": (nn.SiLU, (4, 9)),
    "GELU": (nn.GELU, (4, 9)),
    "GELU, tanh": (lambda: nn.GELU("tanh"), (4, 9)),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.2), (4, 9)),
    "ELU": (lambda: nn.ELU(0.7), (4, 9)),
    "Softplus": (lambda: nn.Softplus(2.0), (4, 9)),
    "Hardtanh": (lambda: nn.Hardtanh(-0.5, 0.8), (4, 9)),
    "GLU": (nn.GLU, (4, 10)),
    "GLU over channels": (lambda: nn.GLU(1), (2, 6, 3, 5)),
    "Dropout": (nn.Dropout, (4, 9)),
    "LogCounts": (lambda: LogCounts(nn.Identity(), 3), (4, 9)),
    "a whole mlp": (lambda: mlp((1, 6, 6), 20, (2, 3)), (2, 1, 6, 6)),
    "a whole gated network": (lambda: gated((1, 6, 6), 20, 12, (2, 3)), (2, 1, 6, 6)),
    "stages": (lambda: Stages([mlp((1, 6, 6), 8, 5), mlp(5, 4), mlp(4, 8, 3)]), (2, 1, 6, 6)),
    "a whole encoder": (lambda: convolutional_encoder((1, 9, 7), (4, 6), 8), (2, 1, 9, 7)),
    "a whole decoder of series": (lambda: convolutional_decoder(3, (4, 6), (2, 13)), (2, 3)),
    "a whole decoder of volumes": (lambda: convolutional_decoder(3, (2, 3), (1, 5, 6, 4)), (2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_in_a_page_what_it_gives_in_torch(name: str, javascript: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    make, shape = LAYERS[name]
    network = make()
    x = 2 * torch.randn(shape)
    x = x.abs() if name == "LogCounts" else x
    with torch.no_grad():
        wanted = network.eval()(x).numpy()
    found = computed(javascript, network, x)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=2e-6, rtol=2e-6)


def test_every_kind_of_layer_is_in_the_table() -> None:
    known = {kind for kind in layer_words.registry if kind.__module__.startswith("torch.nn")} - {nn.Module}
    tried = {type(part) for make, _ in LAYERS.values() for part in make().modules()}
    assert known - tried <= {nn.Identity, nn.Sequential, nn.BatchNorm3d}


@pytest.mark.parametrize("several", [True, False], ids=["a context each", "one for all"])
def test_contexts_and_masks(several: bool, javascript: Callable[..., Any]) -> None:
    torch.manual_seed(1)
    context = torch.randn(3 if several else 1, 4)
    x, image = torch.randn(3, 5), torch.randn(3, 2, 6, 6)
    image[0, 1, 2, 3] = torch.nan
    for network, seen in (
        (Joined(mlp(9, 8, 2)), x),
        (Joined(convolutional_decoder(9, (3,), (1, 6, 6))), x),
        (Planes(convolutional_encoder((6, 6, 6), (3,), 4)), image.nan_to_num()),
        (MaskedInput(Planes(convolutional_encoder((8, 6, 6), (3,), 4))), image),
        (MaskedInput(Joined(mlp(4 * 36 + 4, 4))), image),
    ):
        with torch.no_grad():
            wanted = network(seen, context).numpy()
        np.testing.assert_allclose(computed(javascript, network, seen, context), wanted, atol=2e-6, rtol=2e-6)


@pytest.mark.parametrize("several", [True, False], ids=["a context each", "one for all"])
def test_contexts_that_are_images(several: bool, javascript: Callable[..., Any]) -> None:
    torch.manual_seed(3)
    n = 3 if several else 1
    z, image, series = torch.randn(3, 5), torch.randn(3, 2, 6, 9), torch.randn(3, 1, 8)
    decoder = nn.Sequential(convolutional_decoder(5 + 4, (3,), (3, 6, 9)), nn.ReLU())
    for network, seen, context in (
        (Joined(mlp(5 + 12, 8, 2)), z, torch.randn(n, 2, 2, 3)),
        (Planes(convolutional_encoder((4, 6, 9), (3,), 4)), image, torch.randn(n, 2, 2, 3)),
        (Planes(convolutional_encoder((6, 6, 9), (3,), 4)), image, torch.randn(n, 4, 6, 9)),
        (Planes(convolutional_encoder((3, 8), (3,), 4)), series, torch.randn(n, 2, 8)),
        (Guided(convolutional_encoder((2, 6, 9), (3,), 4), decoder, nn.Conv2d(5, 1, 3, padding=1), (6, 9)), z, torch.randn(n, 2, 2, 3)),
    ):
        with torch.no_grad():
            wanted = network.eval()(seen, context).numpy()
        found = computed(javascript, network, seen, context)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, atol=2e-6, rtol=2e-6)


def test_weights_of_16_bits_are_a_thirty_thousandth_off_at_most(javascript: Callable[..., Any]) -> None:
    torch.manual_seed(2)
    layer = nn.Linear(600, 40)
    x = torch.randn(5, 600)
    with torch.no_grad():
        wanted = layer(x).numpy()
        largest = layer.weight.abs().amax(1).numpy()
    found = computed(javascript, layer, x, exact=False)
    bound = (np.abs(x.numpy()).sum(1)[:, None] * largest) / (2 * 32_767) + 1e-5
    assert (np.abs(found - wanted) <= bound).all()
    assert np.abs(found - wanted).max() > 1e-7  # they are rounded indeed


class Doubled(nn.Linear):
    """A layer of one's own that does something else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """2 (x Wᵀ + b)."""
        return 2 * super().forward(x)


def test_a_layer_of_ones_own_is_not_taken_for_its_parent() -> None:
    with pytest.raises(RecipeError, match="a Doubled layer cannot be computed in a page"):
        words_of(nn.Sequential(Doubled(2, 2)), Arrays())


def test_a_layer_that_is_not_known_is_named() -> None:
    with pytest.raises(RecipeError, match="a Bilinear layer cannot be computed in a page"):
        words_of(nn.Sequential(nn.Bilinear(2, 2, 2)), Arrays())
