"""Where the draws come from that estimate log p(x): q(z|x), the prior, and normals at the mode of p(z|x).

q alone is what the literature reports, and it can be too narrow, misplaced, or miss a part of p(z|x) that no number of
its own draws tells of. Together the four cover one another: the weights are bounded by ten times p(x|z).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal

from lowerbound.distributions.operations import within

#: of ten draws, how many are of q(z|x), of the normal at the mode, of the same with its variance doubled, and of the prior
TENTHS = {"posterior": 2, "mode": 5, "wide": 2, "prior": 1}
#: the same where latents are not all of space, so that a normal cannot propose them, or are too many for a matrix each
TENTHS_WITHOUT = {"posterior": 9, "prior": 1}
MOST = 128  # dimensions of a latent whose curvature is worth its cost
STEPS = 6  # of Newton's method
SHORTER = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01, 0.0)  # parts of a step that are tried
CURVATURE = (0.1, 1e8)  # the least and the greatest precision: flat directions are left to the prior

LogJoint = Callable[[Float[Tensor, "K B d"]], Float[Tensor, "K B"]]


def shares(prior: Distribution, samples: int) -> dict[str, int]:
    """How many of ``samples`` draws come from where; all from q where a tenth would be no two draws, to tell their error."""
    if samples < 20:
        return {"posterior": samples}
    tenths = TENTHS if _over_all_of_space(prior) else TENTHS_WITHOUT
    counts = {name: samples * part // 10 for name, part in tenths.items()}
    counts["posterior"] += samples - sum(counts.values())
    return counts


def _over_all_of_space(prior: Distribution) -> bool:
    (size,) = prior.event_shape
    zero = torch.zeros_like(prior.sample(torch.Size([1])))
    return size <= MOST and within(prior, zero - 3) and within(prior, zero + 3)


def resampled(weight: Float[Tensor, " M"], n: int) -> Int64[Tensor, " n"]:
    """Which of M draws n are, each with the probability of its weight; at equal steps of it, so that they repeat as little as can be."""
    steps = (torch.rand(()) + torch.arange(n)) / n
    chosen = torch.searchsorted(weight.cumsum(0), steps.double()).clamp(max=len(weight) - 1)
    return chosen[torch.randperm(n)]


@dataclass(frozen=True)
class Mode:
    """Where log p(x, z) is highest for each of B data ``(B, d)``, and a square root of the inverse curvature there ``(B, d, d)``."""

    loc: Float[Tensor, "B d"]
    root: Float[Tensor, "B d d"]

    def law(self, rows: slice, widening: float = 1.0) -> Distribution:
        """N(mode, ``widening`` × inverse curvature) of some of the data."""
        return MultivariateNormal(self.loc[rows], scale_tril=widening**0.5 * self.root[rows], validate_args=False)


def find_mode(log_joint: LogJoint, start: Float[Tensor, "B d"]) -> Mode:
    """Newton's method on log p(x, z) from ``start``, each step as long as it helps: one step where p(x, z) is Gaussian.

    Source: Tierney and Kadane, "Accurate Approximations for Posterior Moments and Marginal Densities", 1986,
    https://doi.org/10.1080/01621459.1986.10478240 (Laplace's method).
    """
    z = start.detach()
    for _ in range(STEPS):
        slope, precision = _derivatives(log_joint, z)
        step = torch.linalg.solve(precision, slope[..., None])[..., 0]
        tried = z + torch.tensor(SHORTER, device=z.device)[:, None, None] * step
        with torch.no_grad():
            best = log_joint(tried).nan_to_num(nan=-torch.inf).argmax(0)
        z = tried[best, torch.arange(len(z), device=z.device)]
    _, precision = _derivatives(log_joint, z)
    return Mode(z, _inverse_root(precision))


def _derivatives(log_joint: LogJoint, z: Float[Tensor, "B d"]) -> tuple[Tensor, Tensor]:
    """The gradient of log p(x, z) and its negative second derivative, made positive definite."""
    with torch.enable_grad():
        z = z.requires_grad_()
        (slope,) = torch.autograd.grad(log_joint(z[None]).sum(), z, create_graph=True)
        rows = [torch.autograd.grad(part.sum(), z, retain_graph=True)[0] for part in slope.unbind(1)]
    curvature = -torch.stack(rows, 1).detach().nan_to_num()
    values, vectors = torch.linalg.eigh((curvature + curvature.mT) / 2)
    values = values.abs().clamp(*CURVATURE)
    return slope.detach().nan_to_num(), vectors @ (values[..., None] * vectors.mT)


def _inverse_root(precision: Float[Tensor, "B d d"]) -> Float[Tensor, "B d d"]:
    """The lower triangle L with L Lᵀ = precision⁻¹, without inverting a matrix that may be nearly singular."""
    upside_down = torch.linalg.cholesky(precision.flip(-1, -2)).flip(-1, -2).mT
    identity = torch.eye(precision.shape[-1], device=precision.device).expand_as(precision)
    return torch.linalg.solve_triangular(upside_down, identity, upper=False)
