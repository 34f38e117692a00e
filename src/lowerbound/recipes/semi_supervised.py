"""The words of models of partly labelled data, ``m2:100``, and of how the gradient gets past a label that is not known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes.networks import NETWORKS

if TYPE_CHECKING:
    from torch import nn

    from lowerbound.vae.contexts import Context
    from lowerbound.vae.estimators.base import Estimator
    from lowerbound.vae.likelihoods import Likelihood
    from lowerbound.vae.loss import LossFunction
    from lowerbound.vae.model import VAE
    from lowerbound.vae.posteriors import Posterior
    from lowerbound.vae.priors import Prior
    from lowerbound.vae.semi_supervised import SemiSupervised

# --- how the gradient gets past y ----------------------------------------------------------------------


@dataclass(frozen=True)
class OfLabels:
    """An estimator of the gradient past y, and how many labels it draws for each datum."""

    estimator: Estimator
    samples: int


def _enumerated() -> OfLabels:
    from lowerbound.vae.estimators.enumerated import Enumerated

    return OfLabels(Enumerated(), 1)


def _score(baseline: str, least: int) -> Callable[[int], OfLabels]:
    def make(samples: int = least) -> OfLabels:
        from lowerbound.vae import estimators

        if samples < least:
            raise RecipeError(f"this estimator of the label's gradient needs {least} draws of it or more, not {samples}")
        return OfLabels(estimators.ScoreFunction(getattr(estimators, baseline)()), samples)

    return make


LABEL_ESTIMATORS: dict[str, Callable[..., OfLabels]] = {
    "enumerated": _enumerated,
    "score": _score("NoBaseline", 1),
    "score-moving-average": _score("MovingAverage", 1),
    "score-leave-one-out": _score("LeaveOneOut", 2),
}

# --- models --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Supervision:
    """How labels come into a model: the ``context`` its laws are given, what makes it of them, and what it descends.

    ``model`` is called with the three laws, the number of classes, and what makes an encoder with so many outputs.
    """

    model: Callable[..., VAE]
    loss: Callable[[OfLabels], LossFunction]
    context: Callable[[int], Context | None] = lambda classes: None
    samples_labels: bool = True


Encoder = Callable[[int], "nn.Module"]
VECTORS = NETWORKS["mlp"]  # the networks of latents, whatever those of the data


def _m1(weight: float = 1.0) -> Supervision:
    from lowerbound.vae.semi_supervised import Classified, ClassifiedLoss, Head, OnLabels

    def model(prior: Prior, likelihood: Likelihood, posterior: Posterior, latent: int, classes: int, encoder: Encoder) -> VAE:
        return Classified(prior, likelihood, posterior, Head(VECTORS.encoder((latent,), VECTORS.widths, classes, ())))

    return Supervision(model, lambda _: ClassifiedLoss(OnLabels(weight)), samples_labels=False)


def _m2(weight: float = 30.0, dropout: float = 0.5, balance: float = 10.0) -> Supervision:
    from lowerbound.nn.networks import with_dropout
    from lowerbound.vae.contexts import Label
    from lowerbound.vae.posteriors import Categorical
    from lowerbound.vae.semi_supervised import SemiSupervised, SemiSupervisedLoss

    def model(prior: Prior, likelihood: Likelihood, posterior: Posterior, latent: int, classes: int, encoder: Encoder) -> VAE:
        classifier = Categorical(with_dropout(encoder(classes), dropout))
        return SemiSupervised(prior, likelihood, posterior, Label(classes), classifier)

    return Supervision(model, lambda of: SemiSupervisedLoss(weight, balance, estimator=of.estimator, samples=of.samples), Label)


def _m1m2(weight: float = 50.0, latent: int = 8) -> Supervision:
    from lowerbound.vae.semi_supervised import Classified, ClassifiedLoss, SemiSupervisedLoss

    def model(prior: Prior, likelihood: Likelihood, posterior: Posterior, below: int, classes: int, encoder: Encoder) -> VAE:
        return Classified(prior, likelihood, posterior, _of_latents(below, latent, classes))

    return Supervision(model, lambda of: ClassifiedLoss(SemiSupervisedLoss(weight, estimator=of.estimator, samples=of.samples)))


def _of_latents(below: int, latent: int, classes: int) -> SemiSupervised:
    """M2 of the latents of another model, a Gaussian likelihood whose mean and σ its decoder gives."""
    from lowerbound.vae.contexts import Label
    from lowerbound.vae.likelihoods import Gaussian
    from lowerbound.vae.likelihoods.scales import Decoded
    from lowerbound.vae.posteriors import Categorical, DiagonalGaussian
    from lowerbound.vae.priors import StandardNormal
    from lowerbound.vae.semi_supervised import SemiSupervised

    label, event, widths = Label(classes), (below,), VECTORS.widths
    posterior = DiagonalGaussian(VECTORS.encoder(event, widths, DiagonalGaussian.features(latent), label.shape))
    likelihood = Gaussian(VECTORS.decoder(latent, widths, event, 2, label.shape), Decoded())
    return SemiSupervised(StandardNormal(latent), likelihood, posterior, label, Categorical(VECTORS.encoder(event, widths, classes, ())))


SEMI_SUPERVISED: dict[str, Callable[..., Supervision]] = {"m1": _m1, "m2": _m2, "m1m2": _m1m2}
