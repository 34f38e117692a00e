"""The published experiments on models that are given a part of the data: quadrants of a digit, and a digit made small."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from experiments import SEED, Experiment, Figures, Model, splits, train
from torch.nn.functional import binary_cross_entropy_with_logits

import lowerbound as lb
from lowerbound.data.spec import DataSpec
from lowerbound.evaluation import image_quality
from lowerbound.recipes.contexts import context
from lowerbound.tasks import upscale

WIDTHS = (500, 500)
BATCH = 128
ROWS = 1000  # test images scored at once
SAMPLES = 200  # draws for log p
SCORED = 2000  # test images whose log p is measured

# --- quadrants ---------------------------------------------------------------------------------------

STAGES = [(8, 1e-3), (3, 3e-4)]


def quadrants(there: int, pixels: str, kept: Path, stages: list[tuple[int, float]] = STAGES) -> Figures:
    """A conditional VAE with a learned prior: p(z|c), p(x_missing|z, c) and q(z|x, c) of two hidden layers each, all of MNIST."""
    given = f"observed:quadrants:{there}"
    recipe = lb.Recipe(data="mnist", given=given, prior="given-context:500", pixels=pixels, latent=50, network="mlp:500-500", seed=SEED)
    parts = lb.build(recipe, (1, 28, 28))
    train(parts.vae, splits("mnist").train, kept, stages, BATCH, objective=parts.objective)
    test = splits("mnist").test
    found = lb.log_likelihood(parts.vae, test.view(torch.arange(SCORED)), SAMPLES, seed=SEED)
    return figures(-found.mean, found.se_data, -lb.mean_bound(parts.vae, test, objective=parts.objective).bound)


def baseline(there: int, pixels: str, kept: Path, stages: list[tuple[int, float]] = STAGES) -> Figures:
    """A feed-forward network of the same widths from what is observed to the probabilities of what is missing: no latent."""
    torch.manual_seed(SEED)
    given, network = context(f"observed:quadrants:{there}", DataSpec((1, 28, 28))), lb.nn.mlp((2, 28, 28), *WIDTHS, (1, 28, 28))
    data, optimizer = splits("mnist").train, torch.optim.Adam(network.parameters(), fused=True)
    for epochs, rate in stages:
        optimizer.param_groups[0]["lr"] = rate
        for _ in range(epochs):
            for rows in torch.randperm(len(data)).split(BATCH):
                optimizer.zero_grad()
                entropies(network, given, seen(data[rows], pixels)).mean().backward()
                optimizer.step()
    test = splits("mnist").test
    with torch.no_grad():
        each = torch.cat([entropies(network, given, seen(test[rows], pixels)) for rows in torch.arange(len(test)).split(ROWS)]).double()
    some = each[:SCORED]
    return figures(float(some.mean()), float(some.std()) / len(some) ** 0.5, float(each.mean()))


def seen(values: torch.Tensor, pixels: str) -> torch.Tensor:
    """Grey values, or zeros and ones drawn by them."""
    return values if pixels == "grey" else torch.bernoulli(values)


def entropies(network: Any, given: lb.contexts.Context, x: torch.Tensor) -> torch.Tensor:
    """−Σ log p over the missing pixels of each image, nats."""
    c = given.of(x, None)
    each = binary_cross_entropy_with_logits(network(c), x, reduction="none")
    return each.where(~given.tells(c), 0.0).flatten(1).sum(1)


def figures(negative: float, se: float, bound: float) -> Figures:
    """The figures of one model; without a latent the bound is log p itself."""
    return {"−log p of what is missing, 2,000 images": negative, "se_data": se, "−ELBO, 10,000 images": bound}


PUBLISHED = {baseline: ("100.4", "61.9", "25.4"), quadrants: ("71.8", "51.0", "24.2")}
NAMES = {baseline: "feed-forward", quadrants: "conditional VAE"}

# --- a digit made small ------------------------------------------------------------------------------

SMALL_STAGES = [(16, 1e-3), (4, 3e-4)]


def super_resolution(likelihood: dict[str, str], kept: Path, stages: list[tuple[int, float]] = SMALL_STAGES, rows: int = 10_000) -> Figures:
    """7 × 7 → 28 × 28 by a conditional VAE with a learned prior, all of MNIST; eight images for each of the test set."""
    given = {"given": "low-resolution:4", "prior": "given-context:500", "latent": 32, "network": "mlp:500-500"}
    parts = lb.build(lb.Recipe(data="mnist", seed=SEED, **given, **likelihood), (1, 28, 28))
    train(parts.vae, splits("mnist").train, kept, stages, BATCH, objective=parts.objective)
    truth = splits("mnist").test[:rows]
    small = upscale.reduced(truth, 4)
    found = upscale.upscale(parts.vae, small, 4, 8, samples=64, seed=SEED)
    ways = {"mean": found.mean, "sample": found.values[0], "bicubic": upscale.bicubic(small, 4), "nearest": upscale.nearest(small, 4)}
    figures = {f"PSNR {name}": float(image_quality.psnr(images, truth).mean()) for name, images in ways.items()}
    figures |= {f"SSIM {name}": float(image_quality.ssim(images, truth).mean()) for name, images in ways.items()}
    figures |= {f"sharpness {name}": sharpness(images) / sharpness(truth) for name, images in ways.items()}
    return {**figures, "inconsistency": float((upscale.reduced(found.mean, 4) - small).square().mean().sqrt())}


def sharpness(images: torch.Tensor) -> float:
    """The mean square of the steps between neighbouring pixels, over images."""
    down, right = images.diff(dim=-2), images.diff(dim=-1)
    return float(down.square().mean() + right.square().mean())


EXPERIMENTS = {
    "quadrants": Experiment(
        "A digit from one, two or three of its quadrants, MNIST",
        "The rest of an image given its lower left quadrant, its left half, or all but the lower right; 500-500, ReLU, z50, "
        "p(z|c) learned (one layer of 500), 60,000 images, batch 128, Adam 1e-3 for 8 epochs and 3e-4 for 3, where the published runs stop "
        "early by the test set. log p is by 200 draws, of the first 2,000 test images, the ELBO of all 10,000; "
        "what has no latent has log p itself. "
        "Grey: pixels are scored by the Bernoulli cross-entropy, as published, "
        "which is no density of greys; binarized: drawn afresh. Feed-forward: 500-500 without a latent. The published figures of the "
        "conditional VAE are its ELBO by ten draws, with z200.",
        "Pyro's tutorial on the conditional VAE, https://pyro.ai/examples/cvae.html, after Sohn et al., 2015, "
        "https://papers.nips.cc/paper/5775.",
        {
            f"{NAMES[run]}, {there} observed, {pixels}": Model(published if pixels == "grey" else "–", partial(run, there, pixels))
            for pixels in ("grey", "binarized")
            for run, figures in PUBLISHED.items()
            for there, published in enumerate(figures, start=1)
        },
    ),
    "super-resolution": Experiment(
        "A digit from 7 × 7 pixels, MNIST",
        "Conditional VAE given the block means, 500-500, ReLU, z32, p(z|c) learned, 60,000 images, batch 128, Adam 1e-3 for 16 epochs and "
        "3e-4 for 4; 10,000 test images, the mean by 64 draws of z, a sample the mean of p(x|z, c) at one. PSNR in dB, pixels in [0, 1]. "
        "Sharpness is the mean square of the steps between neighbouring pixels over that of the true images; inconsistency how far the "
        "mean, made small again, is from what was given, root mean square.",
        "",
        {
            "Gaussian, σ optimal": Model("–", partial(super_resolution, {"likelihood": "gaussian", "scale": "optimal"})),
            "Bernoulli, grey": Model("–", partial(super_resolution, {"pixels": "grey"})),
        },
    ),
}
