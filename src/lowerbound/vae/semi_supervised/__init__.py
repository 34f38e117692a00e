"""Labels for some of the data only: M1 classifies latents, M2 has the label as a latent, M1+M2 does so with the latents of another model.

``base`` says what the three have in common, ``m1`` is M1 and M1+M2, ``m2`` is M2.
``smoothness`` and ``shares`` are what is asked of M2's classifier.
"""

from lowerbound.vae.semi_supervised.base import Classifier, classifier_of, known_rows
from lowerbound.vae.semi_supervised.m1 import Classified, ClassifiedLoss, Head, OnLabels
from lowerbound.vae.semi_supervised.m2 import SemiSupervised, SemiSupervisedLoss
from lowerbound.vae.semi_supervised.shares import Shares, shares_of
from lowerbound.vae.semi_supervised.smoothness import roughness

__all__ = [
    "Classified",
    "ClassifiedLoss",
    "Classifier",
    "Head",
    "OnLabels",
    "SemiSupervised",
    "SemiSupervisedLoss",
    "Shares",
    "classifier_of",
    "known_rows",
    "roughness",
    "shares_of",
]
