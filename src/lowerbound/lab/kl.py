"""The KL of a Gaussian to the standard normal as a landscape, least where the two are equal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Landscape:
    """KL(N(μ, v) ‖ N(0, 1)) over a grid ``(V, M)``, and v − log v − 1 ``(V,)``, twice the part that depends on v alone; in nats."""

    means: Float[Tensor, " M"]
    variances: Float[Tensor, " V"]
    divergence: Float[Tensor, "V M"]
    curve: Float[Tensor, " V"]

    @property
    def least(self) -> tuple[float, float, float]:
        """μ and v where the grid is lowest, and the divergence there."""
        row, column = divmod(int(self.divergence.argmin()), len(self.means))
        return float(self.means[column]), float(self.variances[row]), float(self.divergence[row, column])

    def rows(self, every: int = 50) -> list[dict[str, float]]:
        """The divergence at every ``every``-th point of the grid, in nats: a row for each v, a column for each μ."""
        means = [f"μ = {mean:g}" for mean in self.means[::every].tolist()]
        parts = zip(self.variances[::every].tolist(), self.divergence[::every, ::every].tolist(), strict=True)
        return [{"v": variance, **dict(zip(means, row, strict=True))} for variance, row in parts]


def landscape(reach: float = 3.0, factor: float = 16.0, points: int = 201) -> Landscape:
    """½(μ² + v − log v − 1) for μ in ±``reach`` and v from 1/``factor`` to ``factor``, an odd number of ``points`` each.

    Both μ = 0 and v = 1 are on the grid, which is logarithmic in v. In nats.
    Source: Kingma and Welling, "Auto-Encoding Variational Bayes", 2013, https://arxiv.org/abs/1312.6114 (appendix B).
    """
    steps = torch.arange(points, dtype=torch.float64) - points // 2
    means, logs = steps * (2 * reach / (points - 1)), steps * (2 * float(torch.tensor(factor, dtype=torch.float64).log()) / (points - 1))
    variances = logs.exp()
    curve = variances - logs - 1
    return Landscape(means, variances, (means.square() + curve[:, None]) / 2, curve)
