"""The published experiments: for each its title, setting, and models with what trains and measures them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import imputation
import torch
from networks import Clamped, dense, gated
from torch import nn

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.data.labels import few
from lowerbound.data.spec import DataSpec
from lowerbound.recipes.zoo import ZOO
from lowerbound.vae.semi_supervised import known_rows

SEED = 0
KEPT = 5  # epochs between checkpoints of a training
Figures = dict[str, float]


@dataclass(frozen=True)
class Model:
    """What was published of it, and what trains and measures it anew."""

    published: str
    run: Callable[[Path], Figures]  # given where its training is kept
    seed: int = SEED


@dataclass(frozen=True)
class Experiment:
    """A table of models under one setting; ``binarized`` names the data whose binarization bounds −log p(x) from below."""

    title: str
    setting: str
    source: str  # of what was published
    models: dict[str, Model]
    binarized: str | None = None


@cache
def splits(name: str) -> Any:
    """A data set."""
    return lb.data.load(name)


def train(
    vae: lb.VAE, data: Dataset, kept: Path, stages: list[tuple[int, float]], batch: int, eps: float = 1e-8, seed: int = SEED, **parts: Any
) -> lb.VAE:
    """Adam through stages of (epochs, learning rate); kept after every few epochs, and taken up where it was left."""
    state = lb.State(torch.optim.Adam(vae.parameters(), eps=eps, fused=True), seed)
    estimator = parts.setdefault("estimator", lb.estimators.Pathwise())
    before, started = spent(kept), time.perf_counter()
    if kept.exists():
        lb.checkpoint.load_training(kept, vae, estimator, state)
    done = 0
    for epochs, rate in stages:
        done += epochs
        state.optimizer.param_groups[0]["lr"] = rate
        for record in lb.fit(vae, data, epochs=done, batch=batch, state=state, **parts):
            if record.ends_epoch:
                print(f"epoch {record.epoch} bound {record.bound:.2f}", file=sys.stderr, flush=True)
                if record.epoch % KEPT == 0 or record.epoch == done:
                    lb.checkpoint.save_training(kept, vae, estimator, state, {"seconds": before + time.perf_counter() - started})
    return vae


def spent(kept: Path) -> float:
    """The seconds that a training took before it was interrupted."""
    return float(lb.checkpoint.read(kept)[1]["progress"].get("seconds", 0.0)) if kept.exists() else 0.0


def density(vae: lb.VAE, data: Dataset, samples: int = 5_000) -> Figures:
    """−log p(x) and −bound, nats a datum, with the errors over data and over draws."""
    found = lb.log_likelihood(vae, data, samples, seed=SEED)
    errors = {"se_data": found.se_data, "se_samples": found.se_samples, "bias": found.bias}
    return {"−log p(x)": -found.mean, **errors, "−bound": -float(found.elbo.mean()), "data": len(data), "samples": samples}


# --- one-layer VAE and IWAE --------------------------------------------------------------------------

ONE_LAYER = [(120, 2e-3), (60, 1e-3), (45, 5e-4), (40, 2e-4), (35, 5e-5)]


def one_layer(objective: Any, kept: Path) -> Figures:
    """784-200-200-z50, tanh."""
    torch.manual_seed(SEED)
    likelihood = lb.likelihoods.Bernoulli(dense(50, 200, 200, 784))
    vae = lb.VAE(lb.priors.StandardNormal(50), likelihood, lb.posteriors.DiagonalGaussian(dense(784, 200, 200, 100)))
    train(vae, splits("mnist").train, kept, ONE_LAYER, batch=100, eps=1e-4, objective=objective)
    return density(vae, splits("mnist").test)


# --- a prior that is learned -------------------------------------------------------------------------

FASHION = [(70, 5e-4), (15, 2e-4), (10, 1e-4), (5, 3e-5)]
WARM_UP = 20.0


def fashion(kept: Path, vamp: bool) -> Figures:
    """784-300-300-z40, gated."""
    torch.manual_seed(SEED)
    posterior = lb.posteriors.DiagonalGaussian(Clamped(gated(784, 300, 300, 80), -6, 2))
    prior: nn.Module = lb.priors.VampPrior(posterior, (1, 28, 28), 500) if vamp else lb.priors.StandardNormal(40)
    vae = lb.VAE(prior, lb.likelihoods.Bernoulli(gated(40, 300, 300, 784)), posterior)
    kl = lb.objectives.SampledKL() if vamp else lb.objectives.ClosedKL()
    objective = lb.objectives.ELBO(kl, beta=lb.schedules.Linear(1.0, WARM_UP))
    train(vae, splits("fashion-mnist").train.view(torch.arange(50_000)), kept, FASHION, batch=100, objective=objective)
    return density(vae, splits("fashion-mnist").test)


# --- families of latents -----------------------------------------------------------------------------

LATENTS = {
    "normal": {},
    "von Mises–Fisher": {"prior": "sphere", "posterior": "von-mises-fisher"},
    "Gamma": {"prior": "gamma:1:1", "posterior": "gamma"},
    "Beta": {"prior": "beta:1:1", "posterior": "beta"},
}
FAMILIES = [(30, 1e-3), (10, 3e-4)]


def family(words: dict[str, Any], size: int, kept: Path) -> Figures:
    """784-256-128-z, ReLU; on the sphere of ``size`` dimensions, which is in a space of one more."""
    latent = size + 1 if words.get("prior") == "sphere" else size
    recipe = lb.Recipe(data="mnist", network="mlp:256-128", latent=latent, seed=SEED, **words)
    parts = lb.build(recipe, (1, 28, 28))
    train(parts.vae, splits("mnist").train, kept, FAMILIES, batch=64, objective=parts.objective, estimator=parts.estimator)
    return density(parts.vae, splits("mnist").test, samples=500)


# --- out of distribution -----------------------------------------------------------------------------


def auroc(own: torch.Tensor, strange: torch.Tensor) -> float:
    """The probability that a stranger's score is above one's own."""
    from sklearn.metrics import roc_auc_score

    truth = [0] * len(own) + [1] * len(strange)
    return float(roc_auc_score(truth, torch.cat([own, strange]).numpy()))


def strangers(epochs: int, kept: Path, **words: Any) -> Figures:
    """Trained on Fashion-MNIST, 500 images of its test set against 500 of MNIST's."""
    recipe = lb.Recipe(data="fashion-mnist", seed=SEED, **words)
    parts = lb.build(recipe, (1, 28, 28))
    train(parts.vae, splits("fashion-mnist").train, kept, [(epochs, 1e-3)], batch=128, objective=parts.objective)
    own, strange = (splits(name).test.view(torch.arange(500)) for name in ("fashion-mnist", "mnist"))
    density = [-lb.log_likelihood(parts.vae, data, 1_000).log_p for data in (own, strange)]
    regret = [lb.likelihood_regret(parts.vae, data) for data in (own, strange)]
    return {"AUROC of −log p(x)": auroc(*density), "AUROC of regret": auroc(*regret)}


# --- few labels --------------------------------------------------------------------------------------


def accuracy(classify: Callable[[torch.Tensor], torch.Tensor]) -> Figures:
    """The share of right classes among all test images, and its standard error over them."""
    test = splits("mnist").test
    right = torch.cat([classify(test[rows]).argmax(1) == test.labels[rows] for rows in torch.arange(len(test)).split(1000)]).double()
    return {"accuracy": float(right.mean()), "se": float(right.std()) / len(right) ** 0.5}


def semi_supervised(words: dict[str, Any], stages: list[tuple[int, float]], batch: int, kept: Path, *, labels: int, seed: int) -> Figures:
    """All of MNIST, and the labels of some."""
    recipe = lb.Recipe(data="mnist", labels=labels, seed=seed, **words)
    parts = lb.build(recipe, DataSpec((1, 28, 28), classes=tuple("0123456789")))
    data = few(splits("mnist").train, labels, seed)
    train(parts.vae, data, kept, stages, batch, seed=seed, objective=parts.objective, estimator=parts.estimator, loss=parts.loss)
    return accuracy(parts.vae.classify)


def supervised(words: dict[str, Any], kept: Path, *, labels: int, seed: int) -> Figures:
    """M2's classifier alone, taught the same labels, its input binarized and damaged alike: 3,000 steps of Adam."""
    parts = lb.build(lb.Recipe(data="mnist", labels=labels, seed=seed, **words), DataSpec((1, 28, 28), classes=tuple("0123456789")))
    data, classifier = few(splits("mnist").train, labels, seed), parts.vae.classifier
    known, optimizer = known_rows(data), torch.optim.Adam(classifier.parameters(), fused=True)
    torch.manual_seed(seed)
    for _ in range(3_000):
        rows = known[torch.randperm(len(known))[:100]]
        y = parts.vae.context.numbered(data.labels[rows])
        optimizer.zero_grad()
        (-classifier(torch.bernoulli(data[rows])).log_prob(y).mean()).backward()
        optimizer.step()
    return accuracy(parts.vae.classify)


# --- tables with holes -------------------------------------------------------------------------------


def miwae(epochs: int, kept: Path, seed: int) -> Figures:
    """The recipe of that name on all rows, which then are filled in by the mean of 10,000 weighted draws."""
    recipe = lb.Recipe(**{**ZOO["miwae"].words, "seed": seed})
    x = imputation.holed()
    parts = lb.build(recipe, DataSpec(x.shape[1:], -1.0, holes=True))
    rows = Dataset(x)
    train(parts.vae, rows, kept, [(epochs, recipe.learning_rate)], recipe.batch, seed=seed, objective=parts.objective)
    return imputation.error(lb.tasks.impute.impute(parts.vae, rows, samples=10_000, seed=seed).mean)


def without_training(found: Callable[[], Figures], kept: Path) -> Figures:
    """What has nothing to learn by gradients."""
    return found()


# --- where σ comes from, and β -----------------------------------------------------------------------


def by_words(epochs: int, kept: Path, **words: Any) -> Figures:
    """The lesson's network on MNIST: the bound and its two parts."""
    recipe = lb.Recipe(data="mnist", seed=SEED, **words)
    parts = lb.build(recipe, (1, 28, 28))
    train(parts.vae, splits("mnist").train, kept, [(epochs, 1e-3)], batch=128, objective=parts.objective, estimator=parts.estimator)
    found = lb.mean_bound(parts.vae, splits("mnist").test, objective=parts.objective)
    figures = {"bound": found.bound, "se": found.bound_se, "rate": found.kl, "distortion": -found.log_likelihood_term}
    test = splits("mnist").test[:2000]
    return {**figures, "mean squared error": float((parts.vae.reconstruct(test) - test).square().mean())}


M2 = {"semi_supervised": "m2:30:0.5:10:0", "latent": 5, "corruption": "masking:0.3"}
M1M2 = {"semi_supervised": "m1m2:50:8:0:0", "latent": 20}
LABELS = {100: (0, 1, 2), 600: (0,), 1000: (0,), 3000: (0,)}  # and the seeds of each
#: the published accuracies of each number of labels, and what trains it
FEW = {
    "labels alone": ((".7712", ".8716", ".8863", ".9108"), partial(supervised, M2)),
    "M2": ((".9319", ".9437", ".9487", ".9582"), partial(semi_supervised, M2, [(36, 2e-3), (8, 2.5e-4)], 50)),
    "M1+M2": ((".9667", ".9741", ".9760", ".9782"), partial(semi_supervised, M1M2, [(15, 3e-3), (30, 1e-3), (12, 2e-4)], 50)),
}
#: a hundred labels, whichever they are: models whose classifier is asked to part classes where there are few data
SMOOTH = {
    "M2 with a classifier of latents": (
        ".9904 (ADGM)",
        partial(
            semi_supervised,
            {"semi_supervised": "m2-latents:30:90:0.25:20:6", "latent": 5, "label_estimator": "relaxed"},
            [(6, 2e-3), (4, 1e-3), (2, 2e-4)],
            100,
        ),
    ),
    "M1+M2": (
        ".9667",
        partial(
            semi_supervised,
            {"semi_supervised": "m1m2:50:8:150:0.25", "latent": 20, "label_estimator": "relaxed"},
            [(10, 2e-3), (8, 1e-3), (4, 2e-4)],
            100,
        ),
    ),
}

SCALES = ("0.05", "0.1", "0.2", "0.5", "1", "learned", "optimal")
BETAS = (0.1, 0.3, 1.0, 2.0, 4.0, 10.0)

EXPERIMENTS = {
    "one-layer": Experiment(
        "One-layer VAE and IWAE, MNIST binarized dynamically",
        "784-200-200-z50, tanh; Adam with ε = 1e-4, all 60,000 images; 10,000 test images, 5,000 draws. Shortened: 300 epochs in place of "
        "3,280, in batches of 100 in place of 20, the learning rate 2e-3, 1e-3, 5e-4, 2e-4, 5e-5 for 120, 60, 45, 40, 35 of them.",
        "Burda et al., 2015, https://arxiv.org/abs/1509.00519 (table 1).",
        {
            "VAE": Model("86.76", partial(one_layer, lb.objectives.ELBO())),
            "IWAE, k = 5": Model("85.54", partial(one_layer, lb.objectives.IWAE(5))),
        },
        binarized="mnist",
    ),
    "vampprior": Experiment(
        "A Gaussian prior against a VampPrior, Fashion-MNIST binarized dynamically",
        "784-300-300-z40, gated layers, log-variance between −6 and 2, batch 100, Adam 5e-4, 50,000 training images, 500 pseudo-inputs; "
        "10,000 test images, 5,000 draws. Shortened: 100 epochs (the learning rate falls to 3e-5 in the last 30) and a warm-up of 20, in "
        "place of at most 2,000 with early stopping and a warm-up of 100.",
        "the prior is of Tomczak and Welling, 2018, https://arxiv.org/abs/1705.07120, the figures for Fashion-MNIST are others'.",
        {
            "Gaussian prior": Model("228.70 ± .15", partial(fashion, vamp=False)),
            "VampPrior": Model("227.35", partial(fashion, vamp=True)),
        },
        binarized="fashion-mnist",
    ),
    "latent-families": Experiment(
        "Families of latents, MNIST binarized dynamically",
        "784-256-128-z, ReLU, batch 64, Adam 1e-3 for 30 epochs and 3e-4 for 10; 10,000 test images, 500 draws. d is the dimension of the "
        "manifold that latents are on. The published figures are with early stopping.",
        "Davidson et al., 2018, https://arxiv.org/abs/1804.00891.",
        {
            f"{name}, d = {size}": Model(published.get(size, "–"), partial(family, LATENTS[name], size))
            for name, published in {
                "normal": {2: "135.7", 5: "110.2"},
                "von Mises–Fisher": {2: "132.5", 5: "108.4"},
                "Gamma": {},
                "Beta": {},
            }.items()
            for size in (2, 5)
        },
        binarized="mnist",
    ),
    "strangers": Experiment(
        "Out of distribution: trained on Fashion-MNIST, MNIST as the stranger",
        "784-512-z, ReLU, Bernoulli, Adam 1e-3, batch 128; the first 500 test images of each; log p(x) by 1,000 draws. An AUROC of 1 "
        "tells every stranger, of .5 none, below .5 takes strangers for more likely.",
        "Xiao et al., 2020, https://arxiv.org/abs/2003.02977, a convolutional VAE.",
        {
            "z2, binarized, 5 epochs": Model("regret .988, likelihood under .5", partial(strangers, 5, latent=2)),
            "z20, grey values, 4 epochs": Model("", partial(strangers, 4, latent=20, pixels="grey")),
        },
    ),
    "scales": Experiment(
        "Where σ comes from: a Gaussian likelihood on MNIST's grey values",
        "784-512-z10, ReLU, batch 128, Adam 1e-3, 20 epochs. The bound is a density of pixels in [0, 1], and may be above 0.",
        "",
        {
            f"σ = {s}" if s[0].isdigit() else f"σ {s}": Model("–", partial(by_words, 20, likelihood="gaussian", scale=s, latent=10))
            for s in SCALES
        },
    ),
    "rate-distortion": Experiment(
        "β from .1 to 10: rate and distortion",
        "784-512-z10, Bernoulli, MNIST binarized dynamically, batch 128, Adam 1e-3, 20 epochs.",
        "",
        {f"β = {beta:g}": Model("–", partial(by_words, 20, objective=f"beta:{beta}", latent=10)) for beta in BETAS},
    ),
    "few-labels": Experiment(
        "Few labels: MNIST, of which some images have theirs",
        "Accuracy on the 10,000 test images; the labels are as many of each class, drawn by seed. M2 is "
        "784-512-z5, batch 50, 36 epochs of Adam at 2e-3 and 8 at 2.5e-4; its encoder and classifier see 30% of their input masked, "
        "half of the classifier's hidden units are dropped, the balance of classes weighs 10. M1+M2 is 784-512-z20 with M2 of 512-z8 on "
        "its latents, batch 50, 15 epochs at 3e-3, 30 at 1e-3, 12 at 2e-4. Labels alone: that M2's classifier, taught by the same labels.",
        "Pyro's tutorial on the semi-supervised VAE, https://pyro.ai/examples/ss-vae.html; M1+M2: Kingma et al., 2014, https://arxiv.org/abs/1406.5298.",
        {
            f"{name}, {labels:,} labels, seed {seed}": Model(published, partial(run, labels=labels, seed=seed), seed)
            for name, (figures, run) in FEW.items()
            for published, (labels, seeds) in zip(figures, LABELS.items(), strict=True)
            for seed in seeds
        },
    ),
    "hundred-labels": Experiment(
        "A hundred labels, whichever they are: MNIST, ten seeds",
        "Accuracy on the 10,000 test images; ten labels of each class, and first weights, are drawn by seed. M2 is 784-512-z5, its "
        "classifier 20-512-10 of the latents of a VAE 784-512-z20 that sees no label; batch 100, 6 epochs of Adam at 2e-3, 4 at 1e-3, "
        "2 at 2e-4; the classifier begins with the second rate. M1+M2 is 784-512-z20 with M2 of 512-z8 on its latents, batch 100, 10 "
        "epochs at 2e-3, 8 at 1e-3, 4 at 2e-4. The radius is .25 in both, the balance three times the weight, and labels that are not "
        "known are relaxed draws.",
        "ADGM: Maaløe et al., 2016, https://arxiv.org/abs/1602.05473; M1+M2: Kingma et al., 2014, https://arxiv.org/abs/1406.5298.",
        {
            f"{name}, seed {seed}": Model(published, partial(run, labels=100, seed=seed), seed)
            for name, (published, run) in SMOOTH.items()
            for seed in range(10)
        },
    ),
    "missing-cells": Experiment(
        "Half of a table's cells missing: scikit-learn's breast-cancer table",
        "569 rows of 30 numbers, standardized, half of all cells missing completely at random (NumPy seed 1234); learned from what is "
        "there of all rows, and measured on the cells that are not. The recipe `miwae`: 30-128-128-z10, ReLU, first weights orthogonal, "
        "Student-t decoder, K = 20, Adam 1e-3, batch 64; a cell's mean by 10,000 weighted draws. Shortened: 300 epochs in place of 1,001.",
        "Mattei and Frellsen, 2019, https://arxiv.org/abs/1812.02633, by their notebook, https://github.com/pamattei/miwae.",
        {
            "mean imputation": Model("1.00", partial(without_training, imputation.by_mean)),
            "IterativeImputer": Model("–", partial(without_training, imputation.by_chained_equations)),
            **{f"MIWAE, seed {seed}": Model(".2867", partial(miwae, 300, seed=seed), seed) for seed in (0, 1, 2)},
        },
    ),
}
