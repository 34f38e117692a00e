"""Images made larger: exact where the conditional law is known, PSNR and SSIM as they were published, and the verb."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import answer, complaint
from conftest import trained
from PIL import Image
from torch import nn
from torch.distributions import MultivariateNormal
from toys import Constant, LinearGaussian, z_score

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.errors import RecipeError, UsageError
from lowerbound.evaluation import image_quality
from lowerbound.interfaces.cli import main
from lowerbound.recipes.build import build
from lowerbound.recipes.likelihoods import LIKELIHOODS
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import run
from lowerbound.tasks.upscale import NOISE, Upscaled, bicubic, nearest, reduced, upscale

IMAGE = (1, 4, 4)
TOY = LinearGaussian(2, 16, 0.4, orthogonal=True)
BLOCKS = torch.stack([reduced(pixel.reshape(1, *IMAGE), 2).flatten() for pixel in torch.eye(16)], 1)  # A


def toy(encoder: nn.Module) -> lb.VAE:
    return TOY.vae(nn.Sequential(nn.Flatten(), encoder))


def small(n: int = 2) -> torch.Tensor:
    torch.manual_seed(3)
    return reduced(TOY.evidence.sample(torch.Size([n])).reshape(n, *IMAGE), 2)


def truth(y: torch.Tensor) -> MultivariateNormal:
    """p(x|y) of y = A x and a little noise."""
    law = TOY.evidence
    of_y = BLOCKS @ law.covariance_matrix @ BLOCKS.T + NOISE**2 * torch.eye(4)
    gain = law.covariance_matrix @ BLOCKS.T @ torch.linalg.inv(of_y)
    covariance = law.covariance_matrix - gain @ BLOCKS @ law.covariance_matrix
    return MultivariateNormal(law.loc + gain @ (y.flatten() - BLOCKS @ law.loc), covariance + 1e-6 * torch.eye(16))


# --- exact -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", [TOY.exact_encoder(), Constant(torch.tensor([1.0, -1.0, 0.5, 0.5]))], ids=["exact", "wrong"])
def test_posterior_inference_agrees_with_the_exact_conditional(encoder: nn.Module) -> None:
    """Mean and covariance of draws, and the mean and spread by all draws of z."""
    y = small()
    found = upscale(toy(encoder), y, 2, 4000, samples=40_000, draw=True)
    for row in range(len(y)):
        law = truth(y[row])
        draws = found.values[:, row].flatten(1)
        centred = draws - law.loc
        assert z_score(draws, law.loc) < 3.9
        pairs = torch.triu_indices(16, 16)
        products = (centred[:, :, None] * centred[:, None])[:, pairs[0], pairs[1]]
        assert z_score(products, law.covariance_matrix[pairs[0], pairs[1]]) < 3.9
        torch.testing.assert_close(found.mean[row].flatten(), law.loc, rtol=0, atol=0.02)
        torch.testing.assert_close(found.spread[row].flatten(), law.variance.sqrt(), rtol=0.03, atol=0.005)
    torch.testing.assert_close(reduced(found.values.flatten(0, 1), 2), y.repeat(4000, 1, 1, 1), rtol=0, atol=5 * NOISE)


def test_the_spread_of_means_leaves_out_what_a_draw_adds() -> None:
    y = small()
    means, draws = (upscale(toy(TOY.exact_encoder()), y, 2, samples=4000, draw=draw) for draw in (False, True))
    assert torch.equal(means.mean, draws.mean)
    inside = TOY.scale**2 * (1 - 1 / 4)  # of a block of four a quarter of the variance is known
    torch.testing.assert_close(means.spread.square() + inside, draws.spread.square(), rtol=1e-3, atol=1e-4)


def test_a_model_that_is_given_the_small_image_draws_from_its_own_law() -> None:
    recipe = Recipe(given="low-resolution:2", prior="given-context", likelihood="gaussian", scale="0.2", latent=2, network="mlp:8")
    vae = build(recipe, DataSpec(IMAGE, -1.0)).vae
    y = small()
    found = upscale(vae, y, 2, 2000, samples=8000, draw=True)
    given = vae.given(y)
    torch.manual_seed(0)
    z = given.prior().sample(torch.Size([8000]))
    x = given.likelihood(z).mean.detach()
    assert z_score(found.values, x.mean(0)) < 4.5
    torch.testing.assert_close(found.mean, x.mean(0), rtol=0, atol=0.05)
    torch.testing.assert_close(found.spread, (x.var(0) + 0.2**2).sqrt(), rtol=0.05, atol=0.01)
    assert (found.ess == 8000).all()


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("given", [None, "low-resolution:2"])
def test_every_likelihood_makes_images_larger(likelihood: str, given: str | None) -> None:
    vae = build(Recipe(likelihood=likelihood, given=given, latent=2, network="mlp:8"), IMAGE).vae
    y = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    for draw in (False, True):
        found = upscale(vae, y, 2, 3, samples=40, draw=draw)
        assert found.values.shape == (3, 2, *IMAGE)
        assert all(part.isfinite().all() for part in (found.values, found.mean, found.spread))


def test_neither_company_nor_memory_changes_an_image() -> None:
    vae, y, state = toy(TOY.exact_encoder()), small(3), torch.get_rng_state()
    one = upscale(vae, y, 2, 5, samples=200)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(upscale(vae, y[:1], 2, 5, samples=200).values, one.values[:, :1])
    assert not torch.equal(upscale(vae, y, 2, 5, samples=200, seed=1).values, one.values)
    assert upscale(vae, y, 2, 5, samples=200, memory=120_000).values.isfinite().all()
    with pytest.raises(UsageError, match="MiB of memory or more"):
        upscale(vae, y, 2, 5, samples=200, memory=1000)


def test_what_cannot_be_made_larger_is_refused() -> None:
    of_class = build(Recipe(given="label"), DataSpec(IMAGE, classes=tuple("0123"))).vae
    of_small = build(Recipe(given="low-resolution:4"), IMAGE).vae
    y = torch.rand(2, 1, 2, 2)
    for vae, message in ((of_class, "given something else"), (of_small, "makes images 4 times larger, not 2 times")):
        with pytest.raises(UsageError, match=message):
            upscale(vae, y, 2)
    with pytest.raises(UsageError, match="9 images need as many samples"):
        upscale(toy(TOY.exact_encoder()), y, 2, 9, samples=8)
    with pytest.raises(RecipeError, match="cannot be made 2 times smaller"):
        reduced(torch.rand(2, 1, 4, 5), 2)


# --- plain ways, and how near they come --------------------------------------------------------------


def test_plain_ways() -> None:
    y = torch.rand(2, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(reduced(nearest(y, 4), 4), y)
    by_pillow = np.stack([np.asarray(Image.fromarray(c.numpy()).resize((24, 20), Image.Resampling.BICUBIC)) for c in y.flatten(0, 1)])
    torch.testing.assert_close(bicubic(y, 4, -9.0, 9.0).flatten(0, 1), torch.from_numpy(by_pillow), rtol=0, atol=1e-5)
    step = torch.zeros(1, 1, 4, 4)
    step[..., 2:] = 1
    assert bicubic(step, 4, -9.0, 9.0).max() > 1.01
    assert bicubic(step, 4).max() == 1


def test_psnr() -> None:
    truth = torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(image_quality.psnr(truth + 0.1, truth), torch.full((3,), 20.0), rtol=1e-4, atol=0)
    torch.testing.assert_close(image_quality.psnr(255 * truth + 25.5, 255 * truth, 255.0), torch.full((3,), 20.0), rtol=1e-4, atol=0)
    assert image_quality.psnr(truth, truth).isinf().all()


@pytest.mark.parametrize(("size", "window"), [((16, 13), 11), ((8, 8), 7), ((7, 20), 7)])
def test_ssim_is_that_of_its_formula(size: tuple[int, int], window: int) -> None:
    """Window by window, in NumPy."""
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, *size)), rng.random((2, 3, *size))
    b[1] = 0.8 * a[1] + 0.1 * b[1]
    line = np.exp(-0.5 * ((np.arange(window) - window // 2) / 1.5) ** 2)
    weights = np.outer(line, line) / line.sum() ** 2
    expected = []
    for one, other in zip(a, b, strict=True):
        each = []
        for channel in range(3):
            for top in range(size[0] - window + 1):
                for left in range(size[1] - window + 1):
                    p, q = (image[channel, top : top + window, left : left + window] for image in (one, other))
                    mp, mq = (weights * p).sum(), (weights * q).sum()
                    vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
                    cov = (weights * (p - mp) * (q - mq)).sum()
                    c1, c2 = 0.01**2, 0.03**2
                    each.append((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
        expected.append(np.mean(each))
    found = image_quality.ssim(*(torch.from_numpy(x).float() for x in (a, b)))
    assert found.tolist() == pytest.approx(expected, abs=1e-5)
    assert image_quality.ssim(torch.from_numpy(a).float(), torch.from_numpy(a).float()).tolist() == pytest.approx([1, 1])
    scaled = image_quality.ssim(*(255 * torch.from_numpy(x).float() for x in (a, b)), 255.0)
    torch.testing.assert_close(scaled, found, rtol=1e-4, atol=1e-5)


# --- from the command line ---------------------------------------------------------------------------


def given_small(folder: Path, epochs: int) -> run.Run:
    words = {"likelihood": "gaussian", "scale": "optimal", "prior": "given-context", "latent": 4, "network": "mlp:128"}
    return trained(folder, given="low-resolution:2", epochs=epochs, **words)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> run.Run:
    """A run of digits given their 4 × 4 pixels."""
    return given_small(tmp_path_factory.mktemp("runs") / "small", 3)


@pytest.mark.long
def test_a_run_given_small_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_run = given_small(tmp_path / "small", 40)
    words = ["upscale", small_run.folder, "digits", "-n", 3, "--samples", 50]
    found = answer(capsys, *words, "-o", tmp_path / "u.npz")
    assert (found["n"], found["rows"], found["factor"], found["ess"]) == (3, 179, 2, 50)
    assert found["psnr"].keys() == found["ssim"].keys() == {"mean", "samples", "nearest", "bicubic"}
    assert found["psnr"]["mean"] > found["psnr"]["bicubic"] + 1
    assert found["psnr"]["mean"] > found["psnr"]["samples"] - 0.01
    assert found["ssim"]["mean"] > found["ssim"]["bicubic"] > found["ssim"]["nearest"] - 0.1
    test = small_run.read().test[:]
    with np.load(tmp_path / "u.npz", allow_pickle=False) as arrays:
        assert arrays["values"].shape == (3, 179, 1, 8, 8)
        assert np.array_equal(arrays["truth"], test.numpy())
        assert np.allclose(arrays["given"], reduced(test, 2).numpy())
        off = np.sqrt(np.square(arrays["mean"].reshape(179, 4, 2, 4, 2).mean((2, 4)) - arrays["given"][:, 0]).mean())
        assert found["inconsistency"] == pytest.approx(float(off), rel=1e-4)
        np.save(tmp_path / "small.npy", arrays["given"])
        by_truth = Upscaled(*(torch.from_numpy(arrays[name].copy()) for name in ("values", "mean", "spread")), torch.zeros(179))
    assert found["inconsistency"] < 0.1
    capsys.readouterr()
    found = answer(
        capsys, "upscale", small_run.folder, tmp_path / "small.npy", "--split", "all", "-n", 3, "--samples", 50, "-o", tmp_path / "u.npz"
    )
    assert "psnr" not in found
    with np.load(tmp_path / "u.npz", allow_pickle=False) as arrays:
        assert "truth" not in arrays
        assert np.array_equal(arrays["values"], by_truth.values.numpy())
    for source in ("digits", tmp_path / "small.npy"):
        answer(capsys, "upscale", small_run.folder, source, "-n", 2, "--samples", 20, "-o", tmp_path / "u.png")
        with Image.open(tmp_path / "u.png") as image:
            assert np.asarray(image.convert("L")).std() > 5
    assert main([*map(str, words), "--rows", "5", "-o", str(tmp_path / "u.png")]) == 0
    printed = capsys.readouterr().out
    assert "3 images for each of 5 examples, 2 times larger" in printed
    assert "root mean square" in printed
    assert "bicubic" in printed


def test_any_other_run_by_inference(digits_run: run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["upscale", digits_run.folder, "digits", "--factor", 2, "-n", 3, "--samples", 200, "--rows", 12, "-o", tmp_path / "u.npz"]
    found = answer(capsys, *words)
    assert found["ess"] < 200
    assert math.isfinite(found["psnr"]["mean"])
    assert answer(capsys, "upscale", digits_run.folder, "--rows", 2, "--samples", 100, "-o", tmp_path / "u.png")["factor"] == 4


def test_small_images_in_a_folder(small_run: run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small").mkdir()
    for i in range(3):
        Image.fromarray(np.full((4, 4), 80 * i, np.uint8)).save(tmp_path / "small" / f"{i}.png")
    found = answer(capsys, "upscale", small_run.folder, tmp_path / "small", "--samples", 20, "-o", tmp_path / "u.npz")
    assert found["rows"] == 3
    assert "psnr" not in found


def test_mistakes_get_one_line(
    small_run: run.Run, digits_run: run.Run, by_class_run: run.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["-o", tmp_path / "u.npz"]
    assert "makes images 2 times larger, not 4 times" in complaint(capsys, "upscale", small_run.folder, "--factor", 4, *output)
    assert "cannot be made 3 times smaller" in complaint(capsys, "upscale", digits_run.folder, "--factor", 3, *output)
    assert "given something else" in complaint(capsys, "upscale", by_class_run.folder, *output)
    assert "must be at least 2" in complaint(capsys, "upscale", digits_run.folder, "--factor", 1, *output)
    np.save(tmp_path / "odd.npy", np.zeros((4, 5, 5), np.uint8))
    assert "give data of that shape" in complaint(capsys, "upscale", small_run.folder, tmp_path / "odd.npy", *output)
    assert "FILE.png or FILE.npz" in complaint(capsys, "upscale", small_run.folder, "-o", tmp_path / "u.npy")
    assert "says something of the missing part" in complaint(capsys, "complete", small_run.folder, "--missing", "left", *output)
    assert not (tmp_path / "u.npz").exists()
