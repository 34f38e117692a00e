"""A likelihood of arrays as words and numbers, from which a page says what its decoder's output means.

``page/laws.js`` has the other half: a kind here is a kind there, and a test in a browser holds each to torch.
"""

from __future__ import annotations

from functools import singledispatch

import torch

from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.arrays import Arrays, numbers_of
from lowerbound.figures.explorer.networks import Words
from lowerbound.vae.likelihoods import (
    NB,
    ZINB,
    Bernoulli,
    Beta,
    BetaBinomial,
    ContinuousBernoulli,
    Gaussian,
    Laplace,
    LevelCategorical,
    Likelihood,
    LocationScale,
    LogisticMixture,
    NegativeBinomial,
    OrderedLogistic,
    Poisson,
    StudentT,
)
from lowerbound.vae.likelihoods.base import PerValue
from lowerbound.vae.likelihoods.library import LOG_DISPERSION, OfLibrary
from lowerbound.vae.likelihoods.ordinal import LOG_SCALE
from lowerbound.vae.likelihoods.scales import Decoded, Fixed, Learned, Optimal, Scale, positive


@singledispatch
def likelihood_words(likelihood: Likelihood, arrays: Arrays) -> Words:
    """The law of values that the decoder's output stands for, and how many ``parameters`` it has of each; in evaluation.

    Errors: RecipeError for a likelihood that no page computes.
    """
    raise RecipeError(f"a {type(likelihood).__name__} likelihood cannot be computed in a page")


@likelihood_words.register
def _(likelihood: Bernoulli, arrays: Arrays) -> Words:
    """With ``binarize`` what it sees are zeros and ones, drawn from the values."""
    return {"kind": "bernoulli", "parameters": 1, "binarize": likelihood.binarize}


@likelihood_words.register
def _(likelihood: ContinuousBernoulli, arrays: Arrays) -> Words:
    return {"kind": "continuous-bernoulli", "parameters": likelihood.outputs}


@likelihood_words.register
def _(likelihood: Beta, arrays: Arrays) -> Words:
    """What it sees are values so far ``inside`` of 0 and 1 at least."""
    return {"kind": "beta", "parameters": likelihood.outputs, "inside": likelihood.INSIDE}


# --- location and scale ------------------------------------------------------------------------------


@likelihood_words.register
def _(likelihood: Gaussian, arrays: Arrays) -> Words:
    return {"kind": "gaussian"} | _located(likelihood, arrays)


@likelihood_words.register
def _(likelihood: Laplace, arrays: Arrays) -> Words:
    return {"kind": "laplace"} | _located(likelihood, arrays)


@likelihood_words.register
def _(likelihood: StudentT, arrays: Arrays) -> Words:
    return {"kind": "student-t"} | _located(likelihood, arrays)


def _located(likelihood: LocationScale, arrays: Arrays) -> Words:
    return {"parameters": likelihood.outputs, "squash": likelihood.squash, "scale": scale_words(likelihood.scale, arrays)}


@singledispatch
def scale_words(scale: Scale, arrays: Arrays) -> Words:
    """Where σ comes from: a number, an array that is broadcast to the values, or the decoder. Errors: RecipeError for another way."""
    raise RecipeError(f"a {type(scale).__name__} σ cannot be computed in a page")


@scale_words.register
def _(scale: Fixed, arrays: Arrays) -> Words:
    return {"kind": "fixed", "value": scale.value}


@scale_words.register
def _(scale: Optimal, arrays: Arrays) -> Words:
    """The running σ, which outside training is the one that counts."""
    return {"kind": "fixed", "value": float(scale(torch.zeros(()), ()))}


@scale_words.register
def _(scale: Learned, arrays: Arrays) -> Words:
    return {"kind": "learned", "array": arrays.numbers(numbers_of(positive(scale.raw)))}


@scale_words.register
def _(scale: Decoded, arrays: Arrays) -> Words:
    return {"kind": "decoded"}


# --- whole numbers -----------------------------------------------------------------------------------


@likelihood_words.register
def _(likelihood: LogisticMixture, arrays: Arrays) -> Words:
    start = likelihood.start.double().tolist()  # to all its digits: σ may be a thousandth of a level
    return {"kind": "logistic-mixture", "parameters": likelihood.outputs, "steps": likelihood.steps, "start": start}


@likelihood_words.register
def _(likelihood: OrderedLogistic, arrays: Arrays) -> Words:
    own = {"start": likelihood.start.double().tolist(), "cuts": likelihood.cuts.double().tolist(), "logScale": LOG_SCALE}
    return {"kind": "ordered-logistic", "parameters": likelihood.outputs, "steps": likelihood.steps} | own


#: those of which there is nothing else to say
OF_WHOLE: dict[type[PerValue], str] = {
    BetaBinomial: "beta-binomial",
    LevelCategorical: "categorical",
    Poisson: "poisson",
    NegativeBinomial: "negative-binomial",
}


@likelihood_words.register(BetaBinomial)
@likelihood_words.register(LevelCategorical)
@likelihood_words.register(Poisson)
@likelihood_words.register(NegativeBinomial)
def _(likelihood: PerValue, arrays: Arrays) -> Words:
    return {"kind": OF_WHOLE[type(likelihood)], "parameters": likelihood.outputs, "steps": likelihood.steps}


@likelihood_words.register
def _(likelihood: NB, arrays: Arrays) -> Words:
    return {"kind": "nb", "parameters": 1} | _shared(likelihood, arrays)


@likelihood_words.register
def _(likelihood: ZINB, arrays: Arrays) -> Words:
    return {"kind": "zinb", "parameters": 2} | _shared(likelihood, arrays)


def _shared(likelihood: OfLibrary, arrays: Arrays) -> Words:
    """``library`` is the total of what is no example's; ``dispersion`` the array of log θ."""
    dispersion = arrays.numbers(numbers_of(likelihood.log_dispersion.clamp(*LOG_DISPERSION)))
    return {"steps": likelihood.steps, "library": float(likelihood.library), "dispersion": dispersion}
