"""Values of another range than those that the model knows: as pixels from 0 to 255 beside a model of pixels from 0 to 1, or the reverse.

What the model knows is what it makes: examples drawn from prior and p(x|z), which have the mean and the spread of its training data where
it has learned anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Size, Tensor

from lowerbound.data.rows import Rows
from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.one_draw import Gain, looked_at
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded_by_row
from lowerbound.vae.estimators import ScoreFunction
from lowerbound.vae.likelihoods import LocationScale
from lowerbound.vae.model import Model, terms_of
from lowerbound.vae.observation import Observation, observe

FAR = 3.0  # of the larger spread between both means
OTHER = 10.0  # by which the spreads may differ: those of a model that has learned little do, by up to 7; 16, 100, 255 are of units
USED = 0.1  # share of a likelihood's range that values fill
SAMPLES = 10  # draws of q(z|x) by which bounds are compared


@dataclass(frozen=True)
class Place:
    """Where values are: of the middle example their ``mean``, and as ``spread`` the mean distance from it; wild examples do not move it."""

    mean: float
    spread: float

    @classmethod
    def of(cls, values: Float[Tensor, "B *event"]) -> Place:
        """That of some examples, values that are NaN left out."""
        flat = values.flatten(1).cpu().double()  # in this order: not every accelerator has doubles
        mean = flat.nanmean(1).nanmedian()
        return cls(float(mean), float((flat - mean).abs().nanmean(1).nanmedian()))


@torch.no_grad()
def ranges(vae: Model, data: Rows, seed: int = 0) -> list[Finding]:
    """Values that fill a small part of the likelihood's range, or are far from those that the model makes."""
    vae, rows = in_evaluation(vae), looked_at(vae, data, seed)
    return _narrow(vae, data[rows]) + _elsewhere(vae, data, rows, seed)


def _narrow(vae: Model, values: Float[Tensor, "B *event"]) -> list[Finding]:
    low, high = _limits(vae)
    there = values[values.isfinite()]
    if math.isinf(high) or not there.numel():
        return []
    least, most = float(there.min()), float(there.max())
    if not 0 < most - least < USED * (high - low):
        return []
    evidence = f"the values are from {least:.3g} to {most:.3g}, of the {low:g} to {high:g} that there are"
    return [Finding("a range hardly used", evidence, "say which numbers are black and white (--range LOW:HIGH), or rescale the array")]


def _limits(vae: Model) -> tuple[float, float]:
    """Between which the likelihood has its values, or its means."""
    likelihood = vae.likelihood
    return (0.0, 1.0) if isinstance(likelihood, LocationScale) and likelihood.squash else (likelihood.low, likelihood.high)


def _elsewhere(vae: Model, data: Rows, rows: Tensor, seed: int) -> list[Finding]:
    with seeded_by_row(rows, seed, "ranges", device=vae.device):
        seen = observe(vae, data, rows, seed)
        own, found = (Place.of(values.where(seen.compared, math.nan)) for values in (_made(seen), seen.x))
        least, most = sorted((found.spread, own.spread))
        if len(rows) < 2 or (abs(found.mean - own.mean) <= FAR * most and most <= OTHER * least):
            return []
        gain = _gain(seen, own, found)
    evidence = (
        f"these values have the mean {found.mean:.3g} and are {found.spread:.3g} from it on average; those that the model makes, "
        f"{own.mean:.3g} and {own.spread:.3g}"
    )
    advice = "bring the data to the range of the training data (--range LOW:HIGH, or rescale the array)"
    nats = (None, None) if gain is None else (gain.nats, gain.se)
    return [Finding("another range than in training", evidence, advice, *nats)]


def _made(seen: Observation) -> Float[Tensor, "B *event"]:
    """As many examples as there are, drawn from the model; of those whose law takes something of an example, its own."""
    prior = seen.vae.prior()
    z = prior.sample(Size([len(seen.x)] if not prior.batch_shape else []))
    return seen.vae.decode(z, draw=True, x=seen.x, observed=seen.vae.there(seen.x)).reshape(seen.x.shape)


def _gain(seen: Observation, own: Place, found: Place) -> Gain | None:
    """What the bound of a density gains by the values brought to the model's, x' = a x + b: that of x' and log a for each value of it.

    None where nats are not those of real numbers, or out of the numbers' range: the bound of x' is then one of other data. And where x' is
    not likelier: of data that are no scaled ones of the model's, the other range is not what costs.
    """
    if not isinstance(seen.vae.likelihood, LocationScale) or seen.vae.likelihood.squash or not found.spread or not own.spread:
        return None
    factor = own.spread / found.spread
    moved = (seen.x - found.mean) * factor + own.mean
    each = (_bounds(seen, moved) - _bounds(seen, seen.x)).cpu().double() + seen.sizes.cpu().double() * math.log(factor)
    each = each[each.isfinite()]
    gain = Gain.of(factor, each) if len(each) > 1 else None
    return gain if gain is not None and gain.nats > 0 else None


def _bounds(seen: Observation, x: Float[Tensor, "B *event"]) -> Float[Tensor, " B"]:
    terms = terms_of(seen.vae, x, ScoreFunction().sampler(SAMPLES))
    return terms.mean(terms.log_weight)
