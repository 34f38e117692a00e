"""Completion: exact where the conditional law is known, observed values untouched, and every law that a recipe has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.distributions import Distribution, MultivariateNormal
from toys import Constant, LinearGaussian, z_score
from vae.test_contexts import ByClass

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.errors import DataError, RecipeError, UsageError
from lowerbound.interfaces.cli import main, using_options
from lowerbound.nn.networks import mlp
from lowerbound.recipes import missing as masks
from lowerbound.recipes.build import build
from lowerbound.recipes.likelihoods import LIKELIHOODS
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import run
from lowerbound.tasks.complete import METHODS, Completions, complete

N = 4000  # completions of an example
TOY = LinearGaussian(2, 5, 0.7, orthogonal=True)
OBSERVED = torch.tensor([[1, 0, 1, 0, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]).bool()


def wrong_encoder() -> nn.Module:
    """Too near 0, and too wide."""
    encoder = TOY.exact_encoder()
    with torch.no_grad():
        encoder.weight.mul_(0.6)
        encoder.bias[:2].mul_(0.6)
        encoder.bias[2:].add_(0.7)
    return encoder


ENCODERS = {"exact": TOY.exact_encoder, "wrong": wrong_encoder}


def some() -> torch.Tensor:
    torch.manual_seed(3)
    return TOY.evidence.sample(torch.Size([len(OBSERVED)]))


def conditional(law: MultivariateNormal, x: torch.Tensor, observed: torch.Tensor) -> MultivariateNormal:
    """p(x_missing | x_observed) of a normal."""
    o, h, covariance = observed, ~observed, law.covariance_matrix
    gain = covariance[h][:, o] @ torch.linalg.inv(covariance[o][:, o])
    return MultivariateNormal(law.loc[h] + gain @ (x[o] - law.loc[o]), covariance[h][:, h] - gain @ covariance[o][:, h])


def of_toy(method: str, encoder: str) -> Completions:
    samples = (20 if method == "importance" else 200) * N
    return complete(TOY.vae(ENCODERS[encoder]()), some(), OBSERVED, N, method=method, samples=samples, draw=True)


def errors(found: Completions, row: int) -> tuple[float, float]:
    """How many standard errors the mean and the covariance of the draws are from the exact ones, at the worst place."""
    truth = conditional(TOY.evidence, some()[row], OBSERVED[row])
    draws = found.values[:, row, ~OBSERVED[row]]
    centred = draws - truth.loc
    return z_score(draws, truth.loc), z_score(centred[:, :, None] * centred[:, None], truth.covariance_matrix)


EXACT = [(method, encoder) for method in METHODS for encoder in ENCODERS if (method, encoder) != ("gibbs", "wrong")]


@pytest.mark.parametrize(("method", "encoder"), EXACT)
def test_it_agrees_with_the_exact_conditional(method: str, encoder: str) -> None:
    """Of an example of which much is observed, little, and nothing: the last is a sample of p(x)."""
    found = of_toy(method, encoder)
    for row in range(len(OBSERVED)):
        of_mean, of_covariance = errors(found, row)
        assert of_mean < 3.9
        assert of_covariance < 3.9
        truth = conditional(TOY.evidence, some()[row], OBSERVED[row])
        # by all draws of z, with chains of which some few hundred steps are independent of one another
        torch.testing.assert_close(found.mean[row, ~OBSERVED[row]], truth.loc, rtol=0, atol=0.06)
        torch.testing.assert_close(found.spread[row, ~OBSERVED[row]], truth.stddev, rtol=0.05, atol=0)


def test_pseudo_gibbs_is_as_wrong_as_its_encoder() -> None:
    found = of_toy("gibbs", "wrong")
    assert max(max(errors(found, row)) for row in range(len(OBSERVED))) > 10


def test_a_spread_is_that_of_the_values_told() -> None:
    """Means of p(x|z) vary less than draws from it, by σ²."""
    vae, x = TOY.vae(TOY.exact_encoder()), some()
    means, draws = (complete(vae, x, OBSERVED, samples=20_000, draw=draw) for draw in (False, True))
    hidden = ~OBSERVED
    assert torch.equal(means.mean, draws.mean)
    torch.testing.assert_close((means.spread.square() + TOY.scale**2)[hidden], draws.spread.square()[hidden], rtol=1e-4, atol=1e-5)


def test_both_parts_of_a_posterior_are_found() -> None:
    """x = (z², z) with noise: z² = 1 says nothing of the sign, and no encoder tells."""

    class Square(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.cat([z.square(), z], 1)

    vae = lb.VAE(
        lb.priors.StandardNormal(1), lb.likelihoods.Gaussian(Square(), 0.1), lb.posteriors.DiagonalGaussian(Constant(torch.zeros(2)))
    )
    found = complete(vae, torch.tensor([[1.0, torch.nan]]), torch.tensor([[True, False]]), 400, samples=4000)
    grid = torch.linspace(-3, 3, 6001)
    weight = (-0.5 * ((1 - grid**2) / 0.1) ** 2 - 0.5 * grid**2).softmax(0)
    drawn = found.values[:, 0, 1]
    assert z_score((drawn > 0).float()[:, None], 0.5) < 4
    assert float(found.spread[0, 1]) == pytest.approx(float((weight * grid**2).sum().sqrt()), rel=0.02)
    assert float(drawn.abs().mean()) == pytest.approx(float((weight * grid.abs()).sum()), rel=0.02)


def test_a_class_that_is_given_is_given() -> None:
    toy = ByClass(learned_prior=True)
    data, vae = toy.data(6), toy.vae(Constant(torch.zeros(4)))
    observed = torch.tensor([True, False, True, False]).expand(6, 4)
    found = complete(vae, data, observed, samples=5000)
    for row in range(6):
        law = toy.law(data.targets[row])
        truth = conditional(MultivariateNormal(law.loc, law.covariance_matrix), data.array[row], observed[row])
        torch.testing.assert_close(found.mean[row, ~observed[row]], truth.loc, rtol=0, atol=0.06)


# --- what stays --------------------------------------------------------------------------------------


def grey_model() -> lb.VAE:
    with lb.seeding.seeded("grey model"):
        posterior = lb.posteriors.DiagonalGaussian(mlp((1, 4, 4), 8, 4))
        return lb.VAE(lb.priors.StandardNormal(2), lb.likelihoods.Bernoulli(mlp(2, 8, 16)), posterior)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("draw", [False, True])
def test_what_was_observed_comes_back_bit_for_bit(method: str, draw: bool) -> None:
    """Grey values that the likelihood binarizes too; and what is at a hole is never looked at."""
    torch.manual_seed(0)
    x, observed = torch.rand(3, 1, 4, 4), torch.rand(3, 1, 4, 4) < 0.6
    found = complete(grey_model(), x, observed, 5, method=method, samples=100, draw=draw)
    assert found.values.shape == (5, 3, 1, 4, 4)
    assert all(torch.equal(one[observed], x[observed]) for one in (*found.values, found.mean))
    assert (found.spread[observed] == 0).all()
    assert (found.spread[~observed] > 0).all()
    hidden = found.values[:, ~observed]
    assert bool(((hidden == 0) | (hidden == 1)).all()) == draw
    other = complete(grey_model(), x.where(observed, torch.nan), observed, 5, method=method, samples=100, draw=draw)
    assert torch.equal(other.values, found.values)
    assert torch.equal(other.spread, found.spread)


@pytest.mark.parametrize("method", METHODS)
def test_neither_company_nor_memory_changes_a_completion(method: str) -> None:
    x, observed = (
        torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0)),
        masks.observed("left", Dataset(torch.zeros(3, 1, 4, 4))),
    )
    state = torch.get_rng_state()
    one = complete(grey_model(), x, observed, 5, method=method, samples=200)
    assert torch.equal(torch.get_rng_state(), state)
    alone = complete(grey_model(), x[:1], observed[:1], 5, method=method, samples=200)
    assert torch.equal(alone.values, one.values[:, :1])
    assert not torch.equal(complete(grey_model(), x, observed, 5, method=method, samples=200, seed=1).values, one.values)
    tight = complete(grey_model(), x, observed, 5, method=method, samples=200, memory=60_000)
    assert tight.values.isfinite().all()
    with pytest.raises(UsageError, match="MiB of memory or more"):
        complete(grey_model(), x, observed, 5, method=method, samples=200, memory=1000)


# --- every law ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_every_likelihood_completes(likelihood: str) -> None:
    vae = build(Recipe(likelihood=likelihood, latent=2, network="mlp:8"), (1, 4, 4)).vae
    x = torch.randint(0, 256, (2, 1, 4, 4), generator=torch.Generator().manual_seed(0)) / 255
    observed = masks.observed("top", Dataset(x))
    for method in METHODS:
        found = complete(vae, x, observed, 2, method=method, samples=40)
        assert torch.equal(found.values[0][observed], x[observed])
        assert found.values.isfinite().all()
        assert (found.spread[~observed] >= 0).all()


PAIRS = [
    ("full-gaussian", "mixture:3"),
    ("gaussian", "vamp:3"),
    ("flow", "flow"),
    ("gamma", "gamma"),
    ("beta", "beta"),
    ("von-mises-fisher", "sphere"),
]


@pytest.mark.parametrize(("posterior", "prior"), PAIRS)
def test_every_latent_completes(posterior: str, prior: str) -> None:
    vae = build(Recipe(posterior=posterior, prior=prior, latent=3, network="mlp:8"), (1, 4, 4)).vae
    x = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    for method in METHODS:
        found = complete(vae, x, masks.observed("right", Dataset(x)), 2, method=method, samples=60)
        assert found.values.isfinite().all()
        assert found.ess.isfinite().all() == (method == "importance")


# --- what is missing, in words -----------------------------------------------------------------------

PARTS = {
    "left": "..## ..##",
    "right": "##.. ##..",
    "top": ".... ####",
    "bottom": "#### ....",
    "quadrants:1": ".... ##..",
    "quadrants": ".... ##..",
    "quadrants:2": "##.. ##..",
    "quadrants:3": "#### ##..",
}


@pytest.mark.parametrize("word", PARTS)
def test_a_word_names_what_is_missing(word: str) -> None:
    """# is there: two rows of each half, of two channels."""
    upper, lower = ([mark == "#" for mark in half] for half in PARTS[word].split())
    expected = torch.tensor([upper, upper, lower, lower]).expand(3, 2, 4, 4)
    assert torch.equal(masks.observed(word, Dataset(torch.zeros(3, 2, 4, 4))), expected)


def test_values_are_missing_at_random_by_seed() -> None:
    images, vectors = Dataset(torch.zeros(50, 3, 8, 8)), Dataset(torch.zeros(50, 40))
    found = masks.observed("random:.25", images)
    assert (found == found[:, :1]).all(), "whole pixels"
    assert abs(float(found.float().mean()) - 0.75) < 4 * (0.25 * 0.75 / 3200) ** 0.5
    assert torch.equal(found, masks.observed("random:.25", images))
    assert not torch.equal(found, masks.observed("random:.25", images, seed=1))
    assert masks.observed("random", vectors).shape == (50, 40)


def test_an_array_says_where_values_are_missing(tmp_path: Path) -> None:
    data, rng = Dataset(torch.zeros(5, 3, 2, 4)), np.random.default_rng(0)
    for shape in ((3, 2, 4), (5, 3, 2, 4), (2, 4), (5, 2, 4)):
        missing = rng.random(shape) < 0.5
        np.save(tmp_path / "m.npy", missing)
        wide = missing if len(shape) > 2 and shape[-3] == 3 else missing[..., None, :, :]
        assert np.array_equal(masks.observed(str(tmp_path / "m.npy"), data).numpy(), np.broadcast_to(~wide, (5, 3, 2, 4)))
    holes = torch.tensor([[1.0, torch.nan], [torch.nan, 2.0]])
    assert torch.equal(masks.observed("nan", Dataset(holes)), ~holes.isnan())
    for array, message in ((np.zeros((4, 4), bool), "mark the values of one example"), (np.full((2, 4), 7), "must hold True")):
        np.save(tmp_path / "m.npy", array)
        with pytest.raises(DataError, match=message):
            masks.observed(str(tmp_path / "m.npy"), data)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("lft", "unknown missing part 'lft'; did you mean 'left'"),
        ("quadrants:4", "1, 2 or 3 can be there, not 4"),
        ("random:1.5", "no share of the values"),
        ("random:0", "no share of the values"),
        ("random:half", "write random:0.5"),
        ("nowhere.npy", "cannot read nowhere.npy"),
    ],
)
def test_words_that_make_no_sense_are_refused(word: str, message: str) -> None:
    with pytest.raises((UsageError, RecipeError, DataError), match=message):
        masks.observed(word, Dataset(torch.zeros(2, 1, 4, 4)))


def test_a_vector_has_no_left() -> None:
    with pytest.raises(UsageError, match=r"have no left, right, top or bottom; write random:0\.5"):
        masks.observed("left", Dataset(torch.zeros(2, 6)))


# --- what cannot be ----------------------------------------------------------------------------------


def test_what_cannot_be_is_refused() -> None:
    vae, x = grey_model(), torch.rand(2, 1, 4, 4)
    half = masks.observed("left", Dataset(x))
    with pytest.raises(DataError, match="nothing is missing"):
        complete(vae, x, torch.ones_like(x, dtype=torch.bool))
    with pytest.raises(UsageError, match="unknown method 'gibs'; did you mean 'gibbs'"):
        complete(vae, x, half, method="gibs")
    with pytest.raises(UsageError, match="9 completions need as many samples"):
        complete(vae, x, half, 9, samples=8)
    with pytest.raises(DataError, match="needs values in"):
        complete(vae, x + 1, half)
    with pytest.raises(DataError, match="no latent explains some of the examples"):  # whose squares are infinite
        complete(TOY.vae(TOY.exact_encoder()), torch.full((1, 5), 1e30), OBSERVED[:1], samples=50)
    point = lb.VAE(vae.prior, vae.likelihood, lb.posteriors.Dirac(mlp((1, 4, 4), 8, 2)))
    for method in ("importance", "metropolis"):
        with pytest.raises(RecipeError, match="no density"):
            complete(point, x, half, method=method)


def test_values_that_depend_on_one_another_are_refused() -> None:
    class Joint(lb.likelihoods.Likelihood):
        def law(self, output: torch.Tensor, axes: int) -> Distribution:
            return MultivariateNormal(output, torch.eye(5))

        @classmethod
        def shape(cls, event: Sequence[int], **arguments: Any) -> tuple[tuple[int, ...], int]:
            return tuple(event), 1

        def observe(self, values: torch.Tensor) -> torch.Tensor:
            return values

    vae = lb.VAE(lb.priors.StandardNormal(2), Joint(nn.Linear(2, 5)), lb.posteriors.DiagonalGaussian(nn.Linear(5, 4)))
    assert lb.log_likelihood(vae, torch.zeros(1, 5), 20).log_p.isfinite().all(), "a whole example has a density"
    with pytest.raises(RecipeError, match="not independent given z"):
        complete(vae, torch.zeros(1, 5), torch.tensor([[True, False, True, True, True]]))


# --- from the command line ---------------------------------------------------------------------------


def test_the_help_names_what_there_is() -> None:
    assert tuple(METHODS) == using_options.METHODS
    assert [*using_options.MISSING, using_options.HOLES] == [*masks.MISSING, masks.HOLES]


@pytest.mark.parametrize("method", METHODS)
def test_the_verb(digits_run: run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str) -> None:
    words = ["complete", str(digits_run.folder), "digits", "--missing", "quadrants:1", "-n", "3", "--rows", "4"]
    words += ["--method", method, "--samples", "90"]
    assert main([*words, "-o", str(tmp_path / "c.npz"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["n"], answer["rows"], answer["missing"]) == (3, 4, 0.75)
    assert 0 < answer["mean_squared_error"] < 0.3
    assert (answer["ess"] is None) == (method != "importance")
    with np.load(tmp_path / "c.npz", allow_pickle=False) as found:
        assert found["values"].shape == (3, 4, 1, 8, 8)
        assert found["mean"].shape == found["spread"].shape == found["observed"].shape == (4, 1, 8, 8)
        assert np.array_equal(found["truth"], digits_run.read().test[:4].numpy())
        assert np.array_equal(found["values"][1][found["observed"]], found["truth"][found["observed"]])
    assert main([*words, "-o", str(tmp_path / "c.png")]) == 0
    assert "3 completions of 4 examples with 75% of their values missing" in capsys.readouterr().out
    with Image.open(tmp_path / "c.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    blue = (pixels[..., 2] - pixels[..., 0]) > 30
    assert 0.02 < blue.mean() < 0.3, "the holes alone are coloured"


def test_a_file_with_holes(digits_run: run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = digits_run.read().test[:5].numpy()
    values[np.random.default_rng(0).random(values.shape) < 0.3] = np.nan
    np.save(tmp_path / "holes.npy", values)
    words = ["complete", str(digits_run.folder), str(tmp_path / "holes.npy"), "--samples", "60", "-o", str(tmp_path / "c.npz")]
    assert main([*words, "--missing", "nan"]) == 0
    with np.load(tmp_path / "c.npz", allow_pickle=False) as found:
        assert np.array_equal(found["observed"], ~np.isnan(values))
        assert np.array_equal(found["values"][0][found["observed"]], values[~np.isnan(values)])
        assert np.isfinite(found["values"]).all()
        assert "truth" not in found
    assert main([*words[:-1], str(tmp_path / "c.png"), "--missing", "nan"]) == 0
    capsys.readouterr()
    for other in ([*words, "--missing", "left"], ["encode", *words[1:3], "-o", str(tmp_path / "z.npz")]):
        assert main(other) == 2
        assert "values are NaN or infinite" in capsys.readouterr().err


@pytest.mark.long
def test_holes_of_the_data_are_missing_whatever_the_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And of a run's own file all rows are meant where it says itself what is missing."""
    values = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    values[np.random.default_rng(1).random(values.shape) < 0.2] = np.nan
    np.save(tmp_path / "x.npy", values)
    words = ["train", str(tmp_path / "x.npy"), "--recipe", "miwae", "--network", "orthogonal:8", "--epochs", "1", "--batch", "16"]
    assert main([*words, "--out", str(tmp_path / "r")]) == 0
    for missing, rows in (("random:0.5", 6), ("nan", 60)):
        words = ["complete", str(tmp_path / "r"), str(tmp_path / "x.npy"), "--missing", missing, "-n", "2", "--samples", "40"]
        capsys.readouterr()
        assert main([*words, "-o", str(tmp_path / "c.npz"), "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["rows"] == rows
        assert (answer["mean_squared_error"] is None) == (missing == "nan")
        with np.load(tmp_path / "c.npz", allow_pickle=False) as found:
            assert not np.isnan(found["values"]).any()
            assert not np.isnan(found["mean"]).any()
            assert found["observed"].mean() < (0.85 if missing == "nan" else 0.6)


def test_of_nothing_there_are_no_extremes() -> None:
    assert Dataset(torch.full((3, 2), torch.nan)).extremes.tolist() == [0.0, 0.0]
