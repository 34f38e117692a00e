"""What a location-scale likelihood has to explain: data less their locations, at a draw of each q(z|x)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from lowerbound.data.rows import Rows
from lowerbound.distributions.drawing import sample
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded_by_row
from lowerbound.vae.likelihoods import LocationScale
from lowerbound.vae.model import Model
from lowerbound.vae.observation import observe


@dataclass(frozen=True)
class Residuals:
    """Values, their locations and further parameters, and which of them are scored, each ``(B, *event)``."""

    x: Float[Tensor, "B *event"]
    loc: Float[Tensor, "B *event"]
    extra: list[Tensor]
    scored: Bool[Tensor, "B *event"]

    @property
    def mean_square(self) -> float:
        """That of x − loc over all values that are scored; NaN where there is none."""
        return float((self.x - self.loc)[self.scored].double().square().mean())


@torch.no_grad()
def residuals(vae: Model, likelihood: LocationScale, data: Rows, rows: Int64[Tensor, " B"], seed: int) -> Residuals:
    """Those of some rows in evaluation mode, at a draw of each q(z|x): at its centre they would be smaller than what σ has to explain."""
    vae = in_evaluation(vae)
    with seeded_by_row(rows, seed, "residuals", device=vae.device):
        vae.likelihood.admit(data[rows])
        seen = observe(vae, data, rows, seed)
        given, x = seen.vae, seen.x
        output = given.likelihood.output(sample(given.posterior(x)))
        loc, *extra = (output,) if likelihood.outputs == 1 else output.unbind(1)
        loc = torch.sigmoid(loc) if likelihood.squash else loc
        counted = given.counted(x)
        scored = torch.ones_like(loc, dtype=torch.bool) if counted is None else counted.reshape(loc.shape)
        return Residuals(x.reshape(loc.shape), loc, extra, scored)
