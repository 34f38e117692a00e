"""Where the draws come from that estimate log p(x): q(z|x), the prior, and normals at the mode of p(z|x).

q alone is what the literature reports, and it can be too narrow, misplaced, or miss a part of p(z|x) that no number of
its own draws tells of. Together the four cover one another: the weights are bounded by ten times p(x|z).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Size, Tensor
from torch.distributions import Distribution

from lowerbound.distributions.drawing import is_known, sample
from lowerbound.distributions.operations import over_all_of_space
from lowerbound.distributions.triangular import multivariate_normal
from lowerbound.evaluation.curvature import Derivatives, LogJoint, by_autograd
from lowerbound.system.noise import by_row
from lowerbound.system.seeding import key, reseeding

POSTERIOR, MODE, WIDE, PRIOR = "posterior", "mode", "wide", "prior"
#: of ten draws, how many are of q(z|x), of the normal at the mode, of the same with its variance doubled, and of the prior
TENTHS = {POSTERIOR: 2, MODE: 5, WIDE: 2, PRIOR: 1}
#: the same where latents are not all of space, so that a normal cannot propose them, or are too many for a matrix each
TENTHS_WITHOUT = {POSTERIOR: 9, PRIOR: 1}
MOST = 128  # dimensions of a latent whose curvature is worth its cost
STEPS = 6  # of Newton's method
GAIN = 1e-4  # nats: what a step has to promise to be worth its cost; a hundredth of a standard deviation of p(z|x)
SHORTER = (0.5, 0.25, 0.1, 0.03, 0.01, 0.0)  # parts of a step that are tried where the whole does not help
CURVATURE = (0.1, 1e8)  # the least and the greatest precision: flat directions are left to the prior


def shares(prior: Distribution, samples: int) -> dict[str, int]:
    """How many of ``samples`` draws come from where; all from q where a tenth would be no two draws, to tell their error."""
    if samples < 20:
        return {POSTERIOR: samples}
    tenths = TENTHS if prior.event_shape.numel() <= MOST and over_all_of_space(prior) else TENTHS_WITHOUT
    counts = {name: samples * part // 10 for name, part in tenths.items()}
    counts[POSTERIOR] += samples - sum(counts.values())
    return counts


@dataclass(frozen=True)
class Mode:
    """Where log p(x, z) is highest for each of B data ``(B, d)``, and a square root of the inverse curvature there ``(B, d, d)``."""

    loc: Float[Tensor, "B d"]
    root: Float[Tensor, "B d d"]

    def law(self, widening: float = 1.0) -> Distribution:
        """N(mode, ``widening`` × inverse curvature), a batch ``(B,)``."""
        return multivariate_normal(self.loc, widening**0.5 * self.root)

    def some(self, rows: slice) -> Mode:
        """Those of some of the examples."""
        return Mode(self.loc[rows], self.root[rows])


def draw_each(
    source: Distribution, n: int, rows: Int64[Tensor, " B"], *words: int | str, alone: Callable[[int], Distribution]
) -> Float[Tensor, "K B d"]:
    """n draws for each of B examples from a batch of distributions, or from one for all; the noise of each follows from words and row.

    Of laws that cannot be drawn by row each example draws from its own, which ``alone`` gives.
    """
    if is_known(source):
        with by_row(key(*words), rows):
            return sample(source, [n] if source.batch_shape else [n, len(rows)])
    drawn = []
    with reseeding(rows.device) as seed_by:
        for place, row in enumerate(rows.tolist()):
            own = alone(place) if source.batch_shape else source
            seed_by(*words, row)
            z = own.sample(Size([n]))
            drawn.append(z if own.batch_shape else z[:, None])
    return torch.cat(drawn, 1)


def find_mode(log_joint: LogJoint, start: Float[Tensor, "B d"], derivatives: Derivatives | None = None) -> Mode:
    """Newton's method on log p(x, z) from ``start``, each step as long as it helps: one step where p(x, z) is Gaussian.

    An example whose step would gain less than ``GAIN`` nats has arrived and takes no part in those that follow. ``derivatives`` are those
    of ``log_joint``, by default by autograd.
    Source: Tierney and Kadane, "Accurate Approximations for Posterior Moments and Marginal Densities", 1986,
    https://doi.org/10.1080/01621459.1986.10478240 (Laplace's method).
    """
    derivatives = derivatives or by_autograd(log_joint)
    z, values, vectors = start.detach().clone(), torch.empty_like(start), start.new_empty(*start.shape, start.shape[-1])
    rows = torch.arange(len(z), device=z.device)
    for _ in range(STEPS):
        before, slope, second = derivatives(z[rows], rows)
        slope, (values[rows], vectors[rows]) = slope.nan_to_num(), _precision(second)
        step = (vectors[rows] @ (vectors[rows].mT @ slope[..., None] / values[rows][..., None]))[..., 0]
        going = (slope * step).sum(-1) > 2 * GAIN
        z[rows[~going]] += step[~going]
        rows, step, before = rows[going], step[going], before[going]
        if not len(rows):
            return Mode(z, _inverse_root(values, vectors))
        z[rows] = _moved(log_joint, z[rows], before, step, rows)
    _, _, second = derivatives(z[rows], rows)
    values[rows], vectors[rows] = _precision(second)
    return Mode(z, _inverse_root(values, vectors))


@torch.no_grad()
def _moved(
    log_joint: LogJoint, z: Float[Tensor, "B d"], before: Float[Tensor, " B"], step: Float[Tensor, "B d"], rows: Int64[Tensor, " B"]
) -> Float[Tensor, "B d"]:
    """z after the whole step where that helps, else after the best of the ``SHORTER`` ones; ``before`` is log p(x, z)."""
    moved = z + step
    after = log_joint(moved[None], rows)[0]
    short = (after.nan_to_num(nan=-torch.inf) <= before.nan_to_num(nan=-torch.inf)).nonzero()[:, 0]
    if len(short):
        tried = z[short] + torch.tensor(SHORTER, device=z.device)[:, None, None] * step[short]
        best = log_joint(tried, rows[short]).nan_to_num(nan=-torch.inf).argmax(0)
        moved[short] = tried[best, torch.arange(len(short), device=z.device)]
    return moved


def _precision(second: Float[Tensor, "B d d"]) -> tuple[Float[Tensor, "B d"], Float[Tensor, "B d d"]]:
    """Eigenvalues and eigenvectors of the negative second derivative, made positive definite."""
    curvature = -second.nan_to_num()
    values, vectors = torch.linalg.eigh((curvature + curvature.mT) / 2)
    return values.abs().clamp(*CURVATURE), vectors


def _inverse_root(values: Float[Tensor, "B d"], vectors: Float[Tensor, "B d d"]) -> Float[Tensor, "B d d"]:
    """The lower triangle L with L Lᵀ = V Λ⁻¹ Vᵀ: of Λ^-½ Vᵀ = Q R it is Rᵀ, so that no matrix is made that may be nearly singular."""
    upper = torch.linalg.qr((vectors * values.rsqrt()[..., None, :]).mT).R
    signs = torch.where(upper.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0)
    return (signs[..., None] * upper).mT
