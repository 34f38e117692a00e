"""Small models of every likelihood that a code is made of, their weights at random, and data for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

import lowerbound as lb
from lowerbound.nn.missing import MaskedInput

EVENT, LATENT = (1, 10, 10), 3
TOP = 15  # of whole numbers that are not zeros and ones


def bernoulli() -> lb.likelihoods.Likelihood:
    return lb.likelihoods.Bernoulli(lb.nn.mlp(LATENT, 16, EVENT))


def of_levels(kind: Callable[..., lb.likelihoods.Likelihood], parameters: int, **arguments: int) -> lb.likelihoods.Likelihood:
    network = lb.nn.mlp(LATENT, 16, EVENT if parameters == 1 else (parameters, *EVENT))
    return kind(network, **arguments)


#: name → likelihood, the largest number, what value 1 stands for
LIKELIHOODS: dict[str, tuple[Callable[[], lb.likelihoods.Likelihood], int, int]] = {
    "bernoulli": (bernoulli, 1, 1),
    "beta-binomial": (lambda: of_levels(lb.likelihoods.BetaBinomial, 2, steps=TOP), TOP, TOP),
    "logistic": (lambda: of_levels(lb.likelihoods.LogisticMixture, 3, steps=TOP, components=1), TOP, TOP),
    "logistic-mixture": (lambda: of_levels(lb.likelihoods.LogisticMixture, 9, steps=TOP, components=3), TOP, TOP),
    "ordered-logistic": (lambda: of_levels(lb.likelihoods.OrderedLogistic, 6, steps=TOP, components=2), TOP, TOP),
    "categorical": (lambda: of_levels(lb.likelihoods.LevelCategorical, TOP + 1, steps=TOP), TOP, TOP),
    "poisson": (lambda: of_levels(lb.likelihoods.Poisson, 1, steps=1), 40, 1),
    "negative-binomial": (lambda: of_levels(lb.likelihoods.NegativeBinomial, 2, steps=1), 100, 1),
}


def model(name: str, seed: int = 0, holes: bool = False) -> lb.VAE:
    """A model of that likelihood, not trained; with ``holes`` values may be missing."""
    torch.manual_seed(seed)
    encoder = lb.nn.mlp(MaskedInput.shape(EVENT) if holes else EVENT, 16, 2 * LATENT)
    with torch.no_grad():
        encoder[-1].weight.mul_(0.1 * LIKELIHOODS[name][2] / LIKELIHOODS[name][1])  # of counts too it is to stay near p(z)
    posterior = lb.posteriors.DiagonalGaussian(MaskedInput(encoder) if holes else encoder)
    likelihood = LIKELIHOODS[name][0]()
    likelihood.holes = holes
    return lb.VAE(lb.priors.StandardNormal(LATENT), likelihood, posterior).eval()


def examples(name: str, n: int, seed: int = 0) -> torch.Tensor:
    """Whole numbers of all sizes, as the likelihood has them."""
    _, top, steps = LIKELIHOODS[name]
    numbers = np.random.default_rng(seed).integers(0, top + 1, (n, *EVENT))
    return torch.from_numpy(numbers).float() / steps
