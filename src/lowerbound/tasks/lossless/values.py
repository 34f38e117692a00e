"""Which likelihoods have probabilities of exact values, and what those are: laws of whole numbers, of the decoder's numbers.

A new one is one more registration of ``symbols_of``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import numpy.typing as npt

from lowerbound.errors import RecipeError
from lowerbound.tasks.lossless import functions, laws
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Law
from lowerbound.vae.likelihoods import (
    Bernoulli,
    BetaBinomial,
    LevelCategorical,
    LogisticMixture,
    NegativeBinomial,
    OrderedLogistic,
    Poisson,
)
from lowerbound.vae.likelihoods.base import Likelihood
from lowerbound.vae.likelihoods.counts import OfLogistics
from lowerbound.vae.likelihoods.ordinal import LOG_SCALE
from lowerbound.vae.likelihoods.scales import FLOOR

CODED = "bernoulli, beta-binomial, logistic, logistic-mixture, ordered-logistic, categorical, poisson or negative-binomial"


@dataclass(frozen=True)
class Symbols:
    """Values as whole numbers, value × ``steps``, from 0 to ``top``, None where that is the largest of the data.

    ``law`` makes the laws of n of them of the decoder's numbers ``(parameters, n)`` and the top; ``listed`` is how many numbers it holds of
    each, and ``words`` says which law it is, for the model's hash.
    """

    steps: int
    top: int | None
    law: Callable[[Array, int], Law]
    words: str
    listed: int = 1

    def of(self, output: Array, there: npt.NDArray[np.bool_] | None, top: int) -> Law:
        """The laws of the values that are ``there``, None for all, one example after the other, of a decoder's ``(N, …, values)``."""
        numbers = output.swapaxes(0, 1)
        return self.law(numbers.reshape(len(numbers), -1) if there is None else numbers[:, there], top)


@singledispatch
def symbols_of(likelihood: Likelihood) -> Symbols:
    """The values of a likelihood. Errors: RecipeError for one without probabilities of exact values."""
    name = type(likelihood).__name__
    raise RecipeError(f"{name} gives no probability to exact values, so that no code is made of it; train with --likelihood {CODED}")


@symbols_of.register
def _(likelihood: Bernoulli) -> Symbols:
    if not likelihood.binarize:
        raise RecipeError("grey pixels of a Bernoulli have no probability, so that no code is made of them; train with --pixels binarized")
    return Symbols(1, 1, lambda output, top: laws.Bernoulli(output[0]), "bernoulli")


@symbols_of.register
def _(likelihood: BetaBinomial) -> Symbols:
    def law(output: Array, top: int) -> Law:
        return laws.beta_binomial(_positive(output[0] + 0.5), _positive(output[1] + 0.5), top)

    return Symbols(likelihood.steps, likelihood.steps, law, "beta-binomial", likelihood.steps)


@symbols_of.register
def _(likelihood: LevelCategorical) -> Symbols:
    return Symbols(likelihood.steps, likelihood.steps, lambda output, top: laws.categorical(output), "categorical", likelihood.steps)


@symbols_of.register
def _(likelihood: LogisticMixture) -> Symbols:
    steps, start = likelihood.steps, _start(likelihood)

    def law(output: Array, top: int) -> Law:
        logits, loc, scale = np.split(output, 3)
        return laws.logistics(logits, steps * functions.sigmoid()(loc + start), steps * _positive(scale - 2), laws.halves(top))

    return Symbols(steps, steps, law, f"logistics {likelihood.components}", likelihood.components)


@symbols_of.register
def _(likelihood: OrderedLogistic) -> Symbols:
    steps, start, cuts = likelihood.steps, _start(likelihood), likelihood.cuts.cpu().double().numpy()

    def law(output: Array, top: int) -> Law:
        logits, loc, log_scale = np.split(output, 3)
        return laws.logistics(logits, loc + start, functions.exp()(np.clip(log_scale, -LOG_SCALE, LOG_SCALE)), cuts)

    return Symbols(steps, steps, law, f"ordered logistics {likelihood.components}", likelihood.components)


@symbols_of.register
def _(likelihood: Poisson) -> Symbols:
    unit = likelihood.steps / 2 if likelihood.steps > 1 else 1.0
    return Symbols(likelihood.steps, None, lambda output, top: laws.poisson(_positive(output[0]) * unit, top), "poisson", laws.LONGEST)


@symbols_of.register
def _(likelihood: NegativeBinomial) -> Symbols:
    def law(output: Array, top: int) -> Law:
        return laws.negative_binomial(_positive(output[0]), functions.sigmoid()(output[1]), top)

    return Symbols(likelihood.steps, None, law, "negative-binomial", laws.LONGEST)


def _start(likelihood: OfLogistics) -> Array:
    """Rounded: its last bits are a library's."""
    return np.rint(likelihood.start.cpu().double().numpy() * 2.0**16)[:, None] / 2.0**16


def _positive(raw: Array) -> Array:
    """As ``scales.positive``."""
    return FLOOR + functions.softplus(raw)
