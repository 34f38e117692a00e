"""A prior that is a mixture of normals, the mean of posteriors of pseudo-inputs say, as laws of whole numbers.

No bins are of equal mass to a mixture of many dimensions, which are not independent. Given a component they are: so the component k is a
latent as well. It is drawn from p(k|z), which costs nothing: p(k) p(z|k)/p(k|z) is p(z). Bins are those of the normal that has the
mixture's mean and variances, so that z is the same whichever component it is said to be of.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lowerbound.tasks.lossless import functions, laws
from lowerbound.tasks.lossless.functions import Array
from lowerbound.tasks.lossless.laws import Law, Whole
from lowerbound.tasks.lossless.layers import UNIT, Layer, settled
from lowerbound.tasks.lossless.networks import ExactNetwork

SHARES = 2.0**20  # of all components: whole numbers, so that sums are the same in any order
FARTHEST = 2.0**12  # nats: a component that is so far from z in one dimension has no part in it


@dataclass(frozen=True)
class Components:
    """K normals of these ``means`` and log variances ``(K, d)``, and ``logits`` ``(K,)``."""

    logits: Array
    means: Array
    log_variances: Array

    @cached_property
    def whole(self) -> tuple[Array, Array]:
        """Mean and log variance ``(1, d)`` of the mixture."""
        weights = np.diff(self.law(1).total[:, 0])
        share = np.rint(weights / weights.max() * (SHARES / len(weights))) + 1

        def mean(values: Array) -> Array:
            """Sums of whole numbers, below 2⁵³."""
            return (share[:, None] * settled(values * UNIT)).sum(0, keepdims=True) / (share.sum() * UNIT)

        centre = mean(self.means)
        variance = mean((self.means - centre) ** 2 + functions.exp()(self.log_variances))
        return centre, functions.log(np.maximum(variance, 1 / UNIT))

    @property
    def network(self) -> ExactNetwork:
        """What makes of nothing these numbers: for the model's hash."""
        return ExactNetwork((), (Layer("components", lambda x: x, (self.logits, self.means, self.log_variances)),))

    def law(self, n: int) -> laws.Listed:
        """p(k), of n examples."""
        return laws.Listed(lambda some: functions.exp()(some - some.max(0)), np.repeat(self.logits[:, None], n, 1))

    def given(self, chosen: Whole, bits: int) -> Law:
        """p(z|k) of n examples' components over the bins ``(n d,)``."""
        centre, log_variance = self.whole
        mean = (self.means - centre) * functions.exp()(-log_variance / 2)
        return laws.bins(mean[chosen].reshape(-1), (self.log_variances - log_variance)[chosen].reshape(-1), bits)

    def seen(self, z: Array) -> Law:
        """p(k|z) of ``(n, d)``."""
        steepness = functions.exp()(-self.log_variances / 2)
        away = [(z - mean) * steep for mean, steep in zip(self.means, steepness, strict=True)]
        each = [np.minimum(one * one, FARTHEST) + log for one, log in zip(away, self.log_variances, strict=True)]
        nats = np.stack([np.rint(one * (laws.COST / 2)).sum(1) for one in each]) / laws.COST  # sums of whole numbers
        return laws.Listed(lambda some: functions.exp()(some - some.max(0)), self.logits[:, None] - nats)
