"""What simple classifiers read off latents: the classes of the data, and whether latents are draws of the prior."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Float, Int64
from torch import Tensor

NEIGHBOURS = 10
STEPS = 1_000  # of the linear probe's optimiser, at most


def nearest_neighbours(
    known: Float[Tensor, "M d"], classes: Int64[Tensor, " M"], latents: Float[Tensor, "N d"], labels: Int64[Tensor, " N"]
) -> float:
    """The share of ``latents`` whose class the majority of their ``NEIGHBOURS`` nearest among ``known`` has."""
    return float((_majority(known, classes, latents) == labels).double().mean())


def _majority(known: Float[Tensor, "M d"], classes: Int64[Tensor, " M"], latents: Float[Tensor, "N d"]) -> Int64[Tensor, " N"]:
    from sklearn.neighbors import KNeighborsClassifier

    probe = KNeighborsClassifier(min(NEIGHBOURS, len(known))).fit(known.numpy(), classes.numpy())
    return torch.from_numpy(probe.predict(latents.numpy()))


def class_total_variation(known: Float[Tensor, "M d"], classes: Int64[Tensor, " M"], draws: Float[Tensor, "N d"]) -> float:
    """The share of ``draws`` that would have to be of another class for all to have the shares they have in ``classes``.

    A draw is of the class that most of its ``NEIGHBOURS`` nearest among ``known`` have; this is the total variation between the shares.
    """
    predicted, n = _majority(known, classes, draws), int(classes.max()) + 1
    shares, wanted = (found.bincount(minlength=n).double() / len(found) for found in (predicted, classes))
    return 0.5 * float((shares - wanted).abs().sum())


def linear(known: Float[Tensor, "M d"], classes: Int64[Tensor, " M"], latents: Float[Tensor, "N d"], labels: Int64[Tensor, " N"]) -> float:
    """The share of ``latents`` whose class a logistic regression fitted to ``known``, standardised, predicts.

    Source: Alain and Bengio, "Understanding intermediate layers using linear classifier probes", 2016, https://arxiv.org/abs/1610.01644.
    """
    if len(classes.unique()) < 2:  # there is no line to draw
        return float((labels == classes[0]).double().mean())
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after so many steps the last digits are all that changes
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=STEPS)).fit(known.numpy(), classes.numpy())
    return float(probe.score(latents.numpy(), labels.numpy()))


def two_sample_accuracy(latents: Float[Tensor, "N d"], prior: Float[Tensor, "N d"]) -> float:
    """The share of latents and draws of the prior whose kind their nearest neighbours tell: ½ where both are of one law, at most 1.

    Every other of each is known, and the rest are predicted from ``NEIGHBOURS`` of them.
    Source: Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", 2017, https://arxiv.org/abs/1610.06545.
    """
    halves = [torch.cat([latents[start::2], prior[start::2]]) for start in (0, 1)]
    kinds = [(torch.arange(len(half)) < len(latents[start::2])).long() for start, half in enumerate(halves)]
    return nearest_neighbours(halves[0], kinds[0], halves[1], kinds[1])
