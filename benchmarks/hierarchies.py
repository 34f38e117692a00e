"""Hierarchies of latents beside a flat model, on dynamically binarized images: the published experiments of reproduce.py that are runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from experiments import SEED, Experiment, Figures, Model

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.evaluation.levels import divergence
from lowerbound.evaluation.mean_bound import scored_terms
from lowerbound.nn.mode import in_evaluation
from lowerbound.recipes.zoo import ZOO
from lowerbound.system.seeding import seeded_by_row

SAMPLES = 5_000
EVERY = 5  # test images of which log p is measured: each fifth
LOOKED_AT = 1_000  # test images of which each level's KL is measured
EVERY_OF_IMAGES = 400  # the same where latents are images, of which a draw takes 5 ms
EPOCHS = 200
LONGER = 500  # of models that are not at their end by then
SCHEDULE = {"objective": "beta-linear:1:40", "average": 0.9995, "schedule": "cosine", "epochs": EPOCHS}
LADDER = {word: ZOO["ladder-vae"].words[word] for word in ("objective", "epochs")}
OF_LADDERS = f"{LADDER['epochs']} epochs, {EPOCHS} of the plain levels,"

TOP_DOWN_EPOCHS = 30
TOP_DOWN = {
    "network": "conv:32-64-64",
    "levels": "3-4-1",
    "objective": "beta-linear:1:5",
    "learning_rate": 2e-3,
    "epochs": TOP_DOWN_EPOCHS,
}


def trained(words: dict[str, Any], kept: Path) -> lb.Run:
    """The run of these words, taken up where it was left."""
    folder, recipe = kept.with_suffix(""), lb.Recipe(**words)
    begun = (folder / "recipe.toml").exists()
    experiment = lb.Experiment.resume(folder) if begun else lb.Experiment.begin(recipe, folder, overwrite=True)
    for record in experiment.train():
        if record.ends_epoch:
            print(f"{folder.name} epoch {record.epoch} bound {record.bound:.2f}", flush=True)
    experiment.finish()
    return experiment.run


def hierarchy(words: dict[str, Any], by_level: bool, every: int, kept: Path) -> Figures:
    """The bound of all test images; log p(x) of each ``every``-th, and by how much it is above its bound, which makes that of all."""
    folder = kept.with_suffix("")
    run = lb.load(folder) if (folder / "result.json").exists() else trained(words, kept)
    test = run.read(None).test
    found = lb.mean_bound(run.vae, test, seed=SEED)
    some = lb.log_likelihood(run.vae, test.view(torch.arange(0, len(test), every)), SAMPLES, seed=SEED)
    gap = (some.log_p - some.elbo).double()
    figures = {"−log p(x)": -(found.bound + float(gap.mean())), "se": float(gap.std()) / len(gap) ** 0.5, "−bound": -found.bound}
    return figures | (kl_of_levels(run.vae, test) if by_level else {})


@torch.no_grad()
def kl_of_levels(vae: lb.VAE, test: Dataset) -> Figures:
    """Nats that each level tells of the first test images, the top level's first."""
    rows = torch.arange(LOOKED_AT)
    with seeded_by_row(rows, SEED, "levels", device=vae.device):
        terms = scored_terms(in_evaluation(vae), test, rows)
    return {f"KL of level {at}": float(divergence(node, terms).mean()) for at, node in enumerate(terms.nodes, 1)}


def model(published: str, recipe: str, data: str, by_level: bool = False, every: int = EVERY, **others: Any) -> Model:
    """A named recipe's words, by the schedule of all."""
    words = {**ZOO[recipe].words, **SCHEDULE, "data": data, "validation": 1000, "seed": SEED, **others}
    return Model(published, partial(hierarchy, words, by_level, every))


def setting(epochs: str, of_kl: str = "β rising over 40 epochs") -> str:
    """What all runs have in common, in words."""
    return (
        f"{epochs} of Adam, the learning rate 1e-3 falling to 0 by a cosine, batch 128, {of_kl}, a moving average of the weights (.9995), "
        "59,000 images; −bound is of the 10,000 test images, −log p(x) of these too: −bound less the mean difference of both over each "
        "fifth image, by 5,000 draws through all levels, whose standard error over images is se."
    )


EXPERIMENTS = {
    f"levels-{data}": Experiment(
        f"Two levels of latents and one, {title} binarized dynamically",
        f"784-300-300, gated layers, latents of 40 (flat) and 40 + 40; the VampPrior has 500 pseudo-inputs. {setting(epochs)} Published: "
        "at most 2,000 epochs in batches of 100 with early stopping.",
        "Tomczak and Welling, 2018, https://arxiv.org/abs/1705.07120; the figures are others' for these data.",
        {
            "flat": model(flat, "hvae", data, latent="40"),
            "two levels": model(two, "hvae", data),
            "two levels, VampPrior": model(vamp, "hvae-vampprior", data, epochs=of_vamp),
        },
        binarized=data,
    )
    for data, title, epochs, of_vamp, flat, two, vamp in (
        ("mnist", "MNIST", f"{EPOCHS} epochs", EPOCHS, "84.45", "82.39", "81.56"),
        ("fashion-mnist", "Fashion-MNIST", f"{EPOCHS} epochs, {LONGER} by the VampPrior,", LONGER, "228.70", "227.37", "226.72"),
    )
} | {
    "ladder": Experiment(
        "Five dense levels, MNIST binarized dynamically",
        "Latents of 4, 8, 16, 32 and 64 from the top down, of networks 64, 64, 128, 256 and 512 wide. The ladder is of gated layers, and "
        "half a nat of each level is free; the plain levels are of ReLUs. " + setting(OF_LADDERS, "β rising over 20 and 40 epochs"),
        "Sønderby et al., 2016, https://arxiv.org/abs/1602.02282, after 2,000 epochs with batch normalisation.",
        {
            "ladder": model("81.74", "ladder-vae", "mnist", by_level=True, **LADDER),
            "plain": model("–", "ladder-vae", "mnist", by_level=True, posterior="gaussian", network="mlp:512-256-128-64-64"),
        },
        binarized="mnist",
    ),
    "top-down": Experiment(
        "Levels that are images, from the top down, MNIST binarized dynamically",
        "conv:32-64-64, latents of 16 channels: three levels of 4 × 4, four of 7 × 7 and one of 14 × 14. "
        f"{TOP_DOWN_EPOCHS} epochs of Adam, the learning rate 2e-3 falling to 0 by a cosine, batch 128, β rising over 5 epochs, a moving "
        "average of the weights (.9995), 59,000 images; figures as of two levels above, −log p(x) from each four-hundredth image.",
        "Child, 2021, https://arxiv.org/abs/2011.10650; the figure is that of eight levels of 32 channels with another prior, 300 epochs: "
        "Kuzina and Tomczak, 2024, https://arxiv.org/abs/2412.01373.",
        {"eight levels": model("77.10", "vdvae", "mnist", by_level=True, every=EVERY_OF_IMAGES, **TOP_DOWN)},
        binarized="mnist",
    ),
}
