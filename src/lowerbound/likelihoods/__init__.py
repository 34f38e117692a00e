"""p(x|z): the decoder, read as a distribution of the datum given the latent.

Each also says how values are seen by it (``observe``): a Bernoulli is a law of zeros and ones, so
grey values become them before anything is scored.
"""

from lowerbound.likelihoods.columns import Columns
from lowerbound.likelihoods.contract import Likelihood
from lowerbound.likelihoods.counts import BetaBinomial, DiscretizedLogistic, LevelCategorical, LogisticMixture, NegativeBinomial, Poisson
from lowerbound.likelihoods.values import Bernoulli, Beta, Calibrated, ContinuousBernoulli, Gaussian, Laplace, LocationScale, StudentT

__all__ = [
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
    "Poisson",
    "StudentT",
]
