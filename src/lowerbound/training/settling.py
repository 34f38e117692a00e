"""The σ of ``scales.Optimal`` for the weights of now: that of the training data's residuals, not of the batches on the way here."""

from __future__ import annotations

import math

from lowerbound.data.rows import Rows, rows_at_once, some_of
from lowerbound.vae.likelihoods import LocationScale
from lowerbound.vae.likelihoods.scales import Optimal
from lowerbound.vae.model import Model
from lowerbound.vae.residuals import residuals

#: examples whose residuals are looked at, at most: σ is then known to a share of 1/√(2 · values), far below what it costs
LOOKED_AT = 10_000


def settle(vae: Model, data: Rows, seed: int) -> None:
    """Where σ is the optimal one, make it σ² = mean (x − f(z))² over the training ``data``, z drawn of q(z|x); leave others alone."""
    likelihood = vae.likelihood
    if not (isinstance(likelihood, LocationScale) and isinstance(likelihood.scale, Optimal)):
        return
    total, values = 0.0, 0
    for rows in some_of(data, LOOKED_AT).split(rows_at_once(data)):
        found = residuals(vae, likelihood, data, rows, seed)
        here = int(found.scored.sum())
        total, values = total + (found.mean_square * here if here else 0.0), values + here
    if values and math.isfinite(total):
        likelihood.scale.settle(total / values)
