"""The words of models of partly labelled data, ``m2:100``, and of how the gradient gets past a label that is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes.estimators import ESTIMATORS
from lowerbound.recipes.grammar import Word
from lowerbound.recipes.networks import NETWORKS

if TYPE_CHECKING:
    from torch import nn

    from lowerbound.vae.contexts import Context
    from lowerbound.vae.estimators.base import Estimator
    from lowerbound.vae.likelihoods import Likelihood
    from lowerbound.vae.loss import LossFunction
    from lowerbound.vae.model import Model
    from lowerbound.vae.posteriors import Posterior
    from lowerbound.vae.priors import Prior
    from lowerbound.vae.semi_supervised import SemiSupervised

# --- how the gradient gets past y ----------------------------------------------------------------------


@dataclass(frozen=True)
class OfLabels:
    """An estimator of the gradient past y, and how many labels it draws for each example."""

    estimator: Estimator
    samples: int


def several(estimator: Estimator, samples: int) -> OfLabels:
    """Draws that stand for one another. Errors: RecipeError for one draw alone."""
    if samples < 2:
        raise RecipeError(f"this estimator of the label's gradient needs 2 draws of it or more, not {samples}")
    return OfLabels(estimator, samples)


LABEL_ESTIMATORS = {
    "enumerated": Word(
        "recipes.semi_supervised:OfLabels",
        "all labels, each weighted by q(y|x): no noise",
        fixed={"estimator": Word("vae.estimators.enumerated:Enumerated", ""), "samples": 1},
    ),
    "relaxed": Word(
        "recipes.semi_supervised:OfLabels",
        "a relaxed draw, Gumbel-softmax straight through; biased",
        {"samples": 1},
        {"estimator": ESTIMATORS["relaxed"]},
    ),
    "score": Word("recipes.semi_supervised:OfLabels", "the score function", {"samples": 1}, {"estimator": ESTIMATORS["score"]}),
    "score-moving-average": Word(
        "recipes.semi_supervised:OfLabels",
        "less the mean of batches before",
        {"samples": 1},
        {"estimator": ESTIMATORS["score-moving-average"]},
    ),
    "score-leave-one-out": Word(
        "recipes.semi_supervised:several",
        "less the mean of the other draws",
        {"samples": 2},
        {"estimator": ESTIMATORS["score-leave-one-out"]},
    ),
}

# --- models --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Supervision:
    """How labels come into a model: the ``context`` its laws are given, what makes it of them, and what it descends.

    ``model`` is called with the three laws, the dimensions of their latents, the number of classes, and what makes further networks of x.
    """

    model: Callable[..., Model]
    loss: Callable[[OfLabels], LossFunction]
    context: Callable[[int], Context | None] = lambda classes: None
    samples_labels: bool = True


@dataclass(frozen=True)
class Makers:
    """What makes further networks of x: an encoder with so many outputs, a likelihood given latents of so many dimensions.

    No σ of further latents is to be below ``floor``.
    """

    encoder: Callable[[int], nn.Module]
    likelihood: Callable[[int], Likelihood]
    floor: float


VECTORS = NETWORKS["mlp"]  # the networks of latents, whatever those of the data


def m1(weight: float) -> Supervision:
    """A classifier of the latents."""
    from lowerbound.vae.semi_supervised import Classified, ClassifiedLoss, Head, OnLabels

    def model(prior: Prior, likelihood: Likelihood, posterior: Posterior, latent: int, classes: int, makers: Makers) -> Model:
        return Classified(prior, likelihood, posterior, Head(VECTORS.encoder((latent,), VECTORS.widths, classes, ())))

    return Supervision(model, lambda _: ClassifiedLoss(OnLabels(weight)), samples_labels=False)


def m2(weight: float, dropout: float, balance: float, radius: float) -> Supervision:
    """The label as a latent."""
    from lowerbound.nn.networks import with_dropout
    from lowerbound.vae.contexts import Label
    from lowerbound.vae.posteriors import Categorical
    from lowerbound.vae.semi_supervised import SemiSupervised, SemiSupervisedLoss

    def model(prior: Prior, likelihood: Likelihood, posterior: Posterior, latent: int, classes: int, makers: Makers) -> Model:
        classifier = Categorical(with_dropout(makers.encoder(classes), dropout))
        return SemiSupervised(prior, likelihood, posterior, Label(classes), classifier)

    def loss(of: OfLabels) -> SemiSupervisedLoss:
        return SemiSupervisedLoss(weight, balance, estimator=of.estimator, samples=of.samples, radius=radius)

    return Supervision(model, loss, Label)


def m2_latents(weight: float, balance: float, radius: float, below: int, alone: float) -> Supervision:
    """M2 whose classifier reads the latents of a VAE of x that sees no label."""
    from lowerbound.vae.contexts import Label
    from lowerbound.vae.model import VAE
    from lowerbound.vae.posteriors import Categorical, DiagonalGaussian
    from lowerbound.vae.priors import StandardNormal
    from lowerbound.vae.semi_supervised import SemiSupervised, SemiSupervisedLoss

    def model(prior: Prior, likelihood: Likelihood, posterior: Posterior, latent: int, classes: int, makers: Makers) -> Model:
        encoder = DiagonalGaussian(makers.encoder(DiagonalGaussian.features(below)), floor=makers.floor)
        vae = VAE(StandardNormal(below), makers.likelihood(below), encoder)
        classifier = Categorical(VECTORS.encoder((below,), VECTORS.widths, classes, ()))
        return SemiSupervised(prior, likelihood, posterior, Label(classes), classifier, vae)

    def loss(of: OfLabels) -> SemiSupervisedLoss:
        return SemiSupervisedLoss(weight, balance, estimator=of.estimator, samples=of.samples, radius=radius, alone=alone)

    return Supervision(model, loss, Label)


def m1m2(weight: float, latent: int, balance: float, radius: float) -> Supervision:
    """M2 of the latents."""
    from lowerbound.vae.semi_supervised import Classified, ClassifiedLoss, SemiSupervisedLoss

    def model(prior: Prior, likelihood: Likelihood, posterior: Posterior, below: int, classes: int, makers: Makers) -> Model:
        return Classified(prior, likelihood, posterior, _of_latents(below, latent, classes, makers.floor))

    def loss(of: OfLabels) -> ClassifiedLoss:
        return ClassifiedLoss(SemiSupervisedLoss(weight, balance, estimator=of.estimator, samples=of.samples, radius=radius))

    return Supervision(model, loss)


def _of_latents(below: int, latent: int, classes: int, floor: float) -> SemiSupervised:
    """M2 of the latents of another model, a Gaussian likelihood whose mean and σ its decoder gives; its latents' σ has a ``floor``."""
    from lowerbound.vae.contexts import Label
    from lowerbound.vae.likelihoods import Gaussian
    from lowerbound.vae.likelihoods.scales import Decoded
    from lowerbound.vae.posteriors import Categorical, DiagonalGaussian
    from lowerbound.vae.priors import StandardNormal
    from lowerbound.vae.semi_supervised import SemiSupervised

    label, event, widths = Label(classes), (below,), VECTORS.widths
    posterior = DiagonalGaussian(VECTORS.encoder(event, widths, DiagonalGaussian.features(latent), label.shape), floor=floor)
    likelihood = Gaussian(VECTORS.decoder(latent, widths, event, 2, label.shape), Decoded())
    return SemiSupervised(StandardNormal(latent), likelihood, posterior, label, Categorical(VECTORS.encoder(event, widths, classes, ())))


SEMI_SUPERVISED = {
    "m1": Word("recipes.semi_supervised:m1", "a classifier of the latents", {"weight": 1.0}),
    "m2": Word("recipes.semi_supervised:m2", "the label as a latent", {"weight": 30.0, "dropout": 0.5, "balance": 10.0, "radius": 0.0}),
    "m2-latents": Word(
        "recipes.semi_supervised:m2_latents",
        "m2 whose classifier reads the latents of m1",
        {"weight": 30.0, "balance": 90.0, "radius": 0.25, "below": 20, "alone": 6.0},
    ),
    "m1m2": Word("recipes.semi_supervised:m1m2", "m2 of the latents of m1", {"weight": 50.0, "latent": 8, "balance": 0.0, "radius": 0.0}),
}
