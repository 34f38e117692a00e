"""Words → parts, there and back, and every wrong word refused with a reason."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch

from lowerbound.data.spec import DataSpec
from lowerbound.errors import RecipeError
from lowerbound.recipes import build, likelihoods
from lowerbound.recipes import recipe as recipes
from lowerbound.recipes.networks import NETWORKS
from lowerbound.recipes.recipe import GROUPS, Recipe


def test_a_recipe_survives_its_file(tmp_path) -> None:
    for recipe in (Recipe(), Recipe(data='a "b"\n', likelihood="gaussian", scale=0.5, size=32, validation=0, network="conv:8-16")):
        path = tmp_path / "recipe.toml"
        path.write_text(recipes.to_toml(recipe), encoding="utf-8")
        assert Recipe(**recipes.read(path)) == recipe


def test_every_word_is_documented() -> None:
    for field in dataclasses.fields(Recipe):
        assert field.metadata["help"]
        assert field.metadata["group"] in GROUPS
        assert field.metadata["metavar"] or recipes.word_type(field) is bool


WRONG = [
    ({"likelihood": "bernouli"}, "did you mean 'bernoulli'"),
    ({"objective": "elbow"}, "did you mean 'elbo'"),
    ({"likelihood": "gaussian", "scale": 0.0}, "scale, the σ of the likelihood, must be a positive number"),
    ({"likelihood": "gaussian", "scale": float("nan")}, "must be a positive number"),
    ({"likelihood": "gaussian", "pixels": "grey"}, "pixels is a word of bernoulli, and this likelihood is gaussian"),
    ({"scale": 0.1}, "scale is a word of gaussian, laplace, student-t"),
    ({"latent": 0}, "latent must be at least 1"),
    ({"epochs": 0}, "epochs must be at least 1"),
    ({"batch": -3}, "batch must be at least 1"),
    ({"validation": -1}, "validation must be 0"),
    ({"learning_rate": 0.0}, "learning-rate must be a positive number"),
    ({"learning_rate": float("inf")}, "learning-rate must be a positive number"),
    ({"seed": -1}, "seed must be from 0"),
    ({"network": "mpl:512"}, "did you mean 'mlp'"),
    ({"network": "mlp:0"}, "is not understood; write e.g. mlp:512"),
    ({"network": "mlp:a-b"}, "is not understood"),
    ({"network": "linear:5"}, "is not understood; write linear$"),
    ({"corruption": "maskin:0.3"}, "did you mean 'masking'"),
    ({"pixels": "grey:2"}, "unknown pixels 'grey:2'; did you mean 'grey'"),
    ({"precision": "float31"}, "did you mean 'float32'"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=str)
def test_a_word_that_makes_no_sense_is_refused(words: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe(**words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "unknown word 'epoch'; did you mean 'epochs'"),
        ("epochs = '3'", "epochs must be int"),
        ("epochs = true", "epochs must be int"),
        ("latent = 2.0", "latent .2.0. is not understood"),
        ("batch = 2.0", "batch must be int"),
        ("= 3", "is no recipe"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path, text: str, message: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        Recipe(**recipes.read(tmp_path / "r.toml"))


def test_a_whole_number_will_do_for_a_float(tmp_path) -> None:
    (tmp_path / "r.toml").write_text("likelihood = 'gaussian'\nscale = 1")
    assert Recipe(**recipes.read(tmp_path / "r.toml")).scale == "1"


@pytest.mark.parametrize(
    "network", [*NETWORKS, "mlp:7", "mlp:9-5", "gated:9-5", "orthogonal:9-5", "tanh:7", "softplus:9-5", "conv:4", "conv:4-8-16"]
)
@pytest.mark.parametrize("likelihood", likelihoods.LIKELIHOODS)
def test_every_network_builds_with_every_likelihood(network: str, likelihood: str) -> None:
    vae = build.build(Recipe(network=network, likelihood=likelihood, latent=3), (1, 12, 10)).vae
    x = torch.rand(2, 1, 12, 10)
    assert vae.reconstruct(x).shape == x.shape
    assert vae.encode(x).shape == (2, 3)
    assert (vae.sample(4) >= 0).all()
    if (vae.likelihood.low, vae.likelihood.high) != (0, math.inf):  # whose mean may be any positive number
        assert (vae.sample(4) <= 1).all(), "the mean of pixels is a pixel: keep it in [0, 1] where the likelihood squashes"


@pytest.mark.parametrize("posterior", ["gaussian", "ladder"])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_builds_levels_or_says_why_not(network: str, posterior: str) -> None:
    recipe = Recipe(network=network, latent="3-2", posterior=posterior)
    if (network, posterior) == ("linear", "ladder"):
        with pytest.raises(RecipeError, match="the stages of a ladder are hidden layers"):
            build.build(recipe, (1, 12, 10))
        return
    vae = build.build(recipe, (1, 12, 10)).vae
    assert vae.reconstruct(torch.rand(2, 1, 12, 10)).shape == (2, 1, 12, 10)


def test_no_layer_of_a_ladders_decoder_is_as_narrow_as_its_upper_stages() -> None:
    recipe = Recipe(network="mlp:64-32-8", latent="2-4-20", posterior="ladder")
    decoder = build.build(recipe, (1, 12, 10)).vae.likelihood.network
    assert [layer.in_features for layer in decoder if isinstance(layer, torch.nn.Linear)] == [26, 64, 64]


def test_the_default_is_the_lessons_network() -> None:
    vae = build.build(Recipe(), (1, 28, 28)).vae
    shapes = [tuple(parameter.shape) for parameter in vae.parameters()]
    assert shapes == [(512, 2), (512,), (784, 512), (784,), (512, 784), (512,), (4, 512), (4,)]


def test_a_gaussian_of_data_outside_the_unit_interval_is_not_squashed() -> None:
    parts = build.build(Recipe(likelihood="gaussian"), DataSpec((4,), -1.0))
    assert not parts.vae.likelihood.squash


def test_convolutions_want_images() -> None:
    with pytest.raises(RecipeError, match="a conv network needs images"):
        build.build(Recipe(network="conv"), (64,))


def test_the_seed_decides_the_first_weights() -> None:
    def first(seed: int) -> torch.Tensor:
        return next(build.build(Recipe(seed=seed), (8,)).vae.parameters())

    torch.manual_seed(1)
    a = first(0)
    torch.manual_seed(2)
    assert torch.equal(a, first(0))
    assert not torch.equal(a, first(1))


FAMILIES = [
    {"prior": "sphere", "posterior": "von-mises-fisher", "latent": 3},
    {"prior": "gamma:0.5:2", "posterior": "gamma"},
    {"prior": "beta:2:1", "posterior": "beta"},
]


@pytest.mark.parametrize("words", FAMILIES)
@pytest.mark.parametrize("network", ["mlp:512", "conv:8-16"])
def test_a_decoder_starts_out_alike_whatever_the_scale_of_latents(words: dict[str, Any], network: str) -> None:
    """What its first layer makes of z is spread within and over hidden units as with a normal prior, but for which weights were drawn."""

    def before_units(**words: Any) -> torch.Tensor:
        vae = build.build(Recipe(network=network, **words), DataSpec((1, 8, 8), classes=tuple("012"))).vae
        first = next(layer for layer in vae.likelihood.modules() if isinstance(layer, torch.nn.Linear))
        z = vae.prior().sample(torch.Size([20_000]))
        return (z @ first.weight[:, : z.shape[1]].T + first.bias).detach()

    ours, normal = before_units(**words), before_units(latent=words.get("latent", 2))
    assert float(ours.mean(0).std() / normal.mean(0).std()) == pytest.approx(1, abs=0.2)
    assert float(ours.var(0).mean() / normal.var(0).mean()) == pytest.approx(1, abs=0.2)
