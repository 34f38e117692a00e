"""p(x|z): the decoder, read as a distribution of the example given the latent.

Each also says how values are seen by it (``observe``): a Bernoulli is a law of zeros and ones, so
grey values become them before anything is scored.
"""

from lowerbound.vae.likelihoods.base import Likelihood, PerValue
from lowerbound.vae.likelihoods.columns import Columns
from lowerbound.vae.likelihoods.continuous import Calibrated, Gaussian, Laplace, LocationScale, StudentT
from lowerbound.vae.likelihoods.counts import (
    BetaBinomial,
    DiscretizedLogistic,
    LevelCategorical,
    LogisticMixture,
    NegativeBinomial,
    OrderedLogistic,
    Poisson,
)
from lowerbound.vae.likelihoods.library import NB, ZINB
from lowerbound.vae.likelihoods.unit_interval import Bernoulli, Beta, ContinuousBernoulli

__all__ = [
    "NB",
    "ZINB",
    "Bernoulli",
    "Beta",
    "BetaBinomial",
    "Calibrated",
    "Columns",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "Gaussian",
    "Laplace",
    "LevelCategorical",
    "Likelihood",
    "LocationScale",
    "LogisticMixture",
    "NegativeBinomial",
    "OrderedLogistic",
    "PerValue",
    "Poisson",
    "StudentT",
]
