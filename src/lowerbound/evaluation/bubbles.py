"""Posteriors as bubbles: each q(z|x) in two dimensions of z, by its mean and its covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Size, Tensor

from lowerbound.figures import charts
from lowerbound.system.seeding import seeded
from lowerbound.vae.model import VAE, Rows
from lowerbound.vae.priors import StandardNormal

DRAWS = 1_000  # of each posterior: its moments are known to 3% of a standard deviation, whatever its law
VALUES = 2**22  # of z at once
SHOWN = 2_000  # posteriors in a figure, at most


@dataclass(frozen=True)
class Bubbles:
    """The posteriors of N data in ``dims``, the two dimensions of z whose posterior means vary most over data, numbered from 0.

    Of a z of one dimension ``mean`` and ``covariance`` have a second one that is 0. A point has no covariance.
    """

    mean: Float[Tensor, "N 2"]
    covariance: Float[Tensor, "N 2 2"]
    dims: tuple[int, ...]
    latent: int

    def outside(self, reach: float) -> float:
        """The share of the means that are not in the square from −``reach`` to ``reach``."""
        return float((self.mean.abs() > reach).any(1).double().mean())

    @property
    def scale(self) -> float:
        """The mean standard deviation over data and these dimensions."""
        return float(self.covariance.diagonal(dim1=1, dim2=2)[:, : len(self.dims)].sqrt().mean())


@torch.no_grad()
def bubbles(vae: VAE, data: Rows, seed: int = 0) -> Bubbles:
    """Moments of q(z|x) for each of N data by ``DRAWS`` draws, the values given to the encoder as they are, on the CPU."""
    latent = vae.read(data, torch.tensor([0]), seed=seed)[0].prior().event_shape[0]
    few = max(1, VALUES // (DRAWS * latent))
    with vae.evaluating(), seeded(seed, "bubbles", device=vae.device):
        few_at_once = (vae.read(data, rows, seed=seed) for rows in torch.arange(len(data)).split(few))
        draws = [given.posterior(x).sample(Size([DRAWS])).cpu().double() for given, x in few_at_once]
    means = torch.cat([z.mean(0) for z in draws])
    dims = means.var(0, unbiased=False).argsort(descending=True)[:2].sort().values
    covariance = torch.cat([_covariance(z[..., dims]) for z in draws])
    lacking = 2 - len(dims)
    mean = torch.nn.functional.pad(means[:, dims], (0, lacking))
    return Bubbles(mean, torch.nn.functional.pad(covariance, (0, lacking, 0, lacking)), tuple(dims.tolist()), latent)


def _covariance(z: Float[Tensor, "K B d"]) -> Float[Tensor, "B d d"]:
    centred = z - z.mean(0)
    return torch.einsum("kbi,kbj->bij", centred, centred) / (len(z) - 1)


# --- drawn -------------------------------------------------------------------------------------------

RINGS = 3.4  # how far axes go where the prior is a standard normal: its three rings and a little more
LEFT_OUT = 0.002  # share of the means that axes which show all may leave out


def has_rings(vae: VAE) -> bool:
    """Whether the prior is a standard normal over a plane or more, so that circles mark its standard deviations."""
    return isinstance(vae.prior, StandardNormal) and vae.prior().event_shape[0] > 1


def reach(found: Sequence[Bubbles], rings: bool, whole: bool = False) -> float:
    """How far from 0 axes have to go to show the rings of the prior, or where there are none, or ``whole`` is wanted, the means of all."""
    far = max(float(one.mean.abs().amax(1).quantile(1 - LEFT_OUT)) for one in found) * 1.05
    if not rings:
        return far or 1.0
    return max(far, RINGS) if whole else RINGS


def draw(
    found: Bubbles, labels: npt.NDArray[Any] | None, classes: Sequence[str], rings: bool, reach: float, points: bool = False
) -> Figure:
    """The bubbles on axes from −``reach`` to ``reach``, or their means as ``points``; of one dimension each datum at its own height."""
    mean, covariance = found.mean.numpy().copy(), found.covariance.numpy() * (not points)
    names = [f"z{charts.subscript(dim + 1)}" for dim in found.dims]
    if found.latent > 2:
        names = [f"{name} (of {found.latent}, among the two that vary most)" for name in names]
    if found.latent == 1:
        names.append("the data, one above the other")
        mean[:, 1] = np.linspace(-0.95, 0.95, len(mean)) * reach
    return charts.bubbles(mean, covariance, labels, classes, names, rings, reach, named=not points and found.latent > 1)
