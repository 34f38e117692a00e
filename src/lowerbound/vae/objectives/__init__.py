"""What is maximised: bounds on log p(x), and objectives that are built on them; a file for each kind.

``kl`` has the ways in which a KL is computed, ``base`` what all objectives promise.
"""

from lowerbound.vae.objectives.base import ByDraw, ByWeight, Objective
from lowerbound.vae.objectives.batchwise import MMD, FreeBits, TotalCorrelation
from lowerbound.vae.objectives.elbo import ELBO, Contractive, Reconstruction
from lowerbound.vae.objectives.kl import KL, ClosedKL, SampledKL, kl_of
from lowerbound.vae.objectives.renyi import IWAE, Renyi
from lowerbound.vae.terms import Terms

__all__ = [
    "ELBO",
    "IWAE",
    "KL",
    "MMD",
    "ByDraw",
    "ByWeight",
    "ClosedKL",
    "Contractive",
    "FreeBits",
    "Objective",
    "Reconstruction",
    "Renyi",
    "SampledKL",
    "Terms",
    "TotalCorrelation",
    "kl_of",
]
