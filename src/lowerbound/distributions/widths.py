"""The same law, wider or narrower: whether a law is as wide as data ask for is found by trying other widths.

A table by its type, as those of ``operations``; a law without a row has no width of its own.
"""

from __future__ import annotations

import math
from functools import singledispatch

import torch
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Laplace, MixtureSameFamily, Normal

from lowerbound import distributions
from lowerbound.distributions import discrete, double, ordinal
from lowerbound.distributions.bernoulli import Bits
from lowerbound.distributions.continuous_bernoulli import ContinuousBernoulli
from lowerbound.distributions.mapped import Mapped
from lowerbound.distributions.mixed import Mixed, Nominal
from lowerbound.distributions.self_masked import SelfMasked
from lowerbound.distributions.spiked import Spiked
from lowerbound.distributions.student import RawStudentT


@singledispatch
def widened(law: Distribution, factor: float) -> Distribution | None:
    """``law``, ``factor`` > 0 times as wide; None where it has no width.

    By a factor f the σ of a law of location and scale is f σ; probabilities p become p^(1/f) but for their sum, logits being divided by
    f (the temperature); of a Beta, and of a binomial whose probability is one, a and b are divided by f², which leaves the mean. What the
    variance of a count has beyond a Poisson's, μ²/r, becomes f² μ²/r. A Poisson's own variance μ becomes f² μ, of the negative binomial
    of that mean and variance; for f below 1 there is none, and it stays.
    """
    return None


@widened.register
def _(law: Independent, factor: float) -> Distribution | None:  # type: ignore[type-arg]  # it takes none where Python runs
    base = widened(law.base_dist, factor)
    return None if base is None else Independent(base, law.reinterpreted_batch_ndims, validate_args=False)


@widened.register
def _(law: Bits, factor: float) -> Distribution:
    return Bits(law.base_dist.logits / factor, law.reinterpreted_batch_ndims)


@widened.register
def _(law: Mixed, factor: float) -> Distribution | None:
    parts = [widened(part, factor) for part in law.parts]
    wide = [part for part in parts if part is not None]
    return Mixed(wide, law.places) if len(wide) == len(parts) else None


@widened.register
def _(law: SelfMasked, factor: float) -> Distribution | None:
    """That of the values; which of them are missing follows by the same π."""
    wide = widened(law.law, factor)
    return SelfMasked(wide, law.masking, law.hole) if isinstance(wide, Mixed) else None


@widened.register
def _(law: discrete.PixelLevels, factor: float) -> Distribution | None:
    wide = widened(law.counts, factor)
    return None if wide is None else discrete.PixelLevels(wide, law.steps)


# --- location and scale -------------------------------------------------------------------------------


@widened.register
def _(law: Normal, factor: float) -> Distribution:
    return Normal(law.loc, law.scale * factor, validate_args=False)


@widened.register
def _(law: Laplace, factor: float) -> Distribution:
    return Laplace(law.loc, law.scale * factor, validate_args=False)


@widened.register
def _(law: double.StudentT, factor: float) -> Distribution:
    return double.StudentT(law.df, law.loc, law.scale * factor, validate_args=False)


@widened.register
def _(law: RawStudentT, factor: float) -> Distribution:
    """By the number for σ that gives another; of less than its floor it is that."""
    loc, _, freedom = law.output.chunk(3, -1)
    more = (law.scale * factor - law.floor).clamp(min=1e-9)
    return RawStudentT(torch.cat([loc, more + (-(-more).expm1()).log(), freedom], -1), law.floor, law.least, law.more)


@widened.register
def _(law: Mapped, factor: float) -> Distribution | None:
    """Before its map."""
    wide = widened(law.base, factor)
    return Mapped(wide, law.mapping) if isinstance(wide, Normal | RawStudentT) else None


@widened.register
def _(law: Spiked, factor: float) -> Distribution | None:
    """Elsewhere than at its spikes."""
    wide = widened(law.rest, factor)
    return None if wide is None else Spiked(law.logits, law.spikes, law.places, wide, law.inside)


@widened.register
def _(law: ordinal.DiscretizedLogistic, factor: float) -> Distribution:
    return ordinal.DiscretizedLogistic(law.loc, law.scale * factor, law.top)


@widened.register
def _(law: ordinal.OrderedLogistic, factor: float) -> Distribution:
    return ordinal.OrderedLogistic(law.loc, law.scale * factor, law.cuts)


@widened.register
def _(law: MixtureSameFamily, factor: float) -> Distribution | None:
    """Each component about its own place."""
    wide = widened(law.component_distribution, factor)
    return None if wide is None else MixtureSameFamily(law.mixture_distribution, wide, validate_args=False)


# --- probabilities ------------------------------------------------------------------------------------


@widened.register
def _(law: Bernoulli, factor: float) -> Distribution:
    return Bernoulli(logits=law.logits / factor, validate_args=False)


@widened.register
def _(law: ContinuousBernoulli, factor: float) -> Distribution:
    return ContinuousBernoulli(law.logits / factor, validate_args=False)


@widened.register
def _(law: Categorical, factor: float) -> Distribution:
    return Categorical(logits=law.logits / factor, validate_args=False)


@widened.register
def _(law: discrete.Numbered, factor: float) -> Distribution:
    return discrete.Numbered(law.logits / factor)


@widened.register
def _(law: Nominal, factor: float) -> Distribution:
    return Nominal(law.logits / factor)


# --- concentrations, and dispersions of counts ----------------------------------------------------------


@widened.register
def _(law: distributions.Beta, factor: float) -> Distribution:
    return distributions.Beta(law.concentration1 / factor**2, law.concentration0 / factor**2, validate_args=False)


@widened.register
def _(law: discrete.BetaBinomial, factor: float) -> Distribution:
    return discrete.BetaBinomial(law.a / factor**2, law.b / factor**2, law.n)


@widened.register
def _(law: double.Poisson, factor: float) -> Distribution:
    beyond = factor**2 - 1
    if beyond <= 0:
        return law
    return double.NegativeBinomial(law.rate / beyond, logits=law.rate.new_tensor(math.log(beyond)).expand_as(law.rate), validate_args=False)


@widened.register
def _(law: double.NegativeBinomial, factor: float) -> Distribution:
    return double.NegativeBinomial(law.total_count / factor**2, logits=law.logits + 2 * math.log(factor), validate_args=False)
