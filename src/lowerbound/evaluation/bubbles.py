"""Posteriors as bubbles: each q(z|x) in two dimensions of z, by its mean and its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.rows import Rows, in_turn
from lowerbound.distributions.drawing import sample
from lowerbound.nn.mode import in_evaluation
from lowerbound.system.seeding import seeded_by_row
from lowerbound.vae.model import Model
from lowerbound.vae.observation import read

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
def posterior_bubbles(vae: Model, data: Rows, seed: int = 0) -> Bubbles:
    """Moments of q(z|x) for each of N data by ``DRAWS`` draws, the values given to the encoder as they are, on the CPU."""
    latent = read(vae, data, torch.tensor([0]), seed).vae.prior().event_shape[0]
    few = max(1, VALUES // (DRAWS * latent))
    vae = in_evaluation(vae)
    draws = []
    for rows in in_turn(data, few):
        some = read(vae, data, rows, seed)
        with seeded_by_row(rows, seed, "bubbles", device=vae.device):
            draws.append(sample(some.vae.posterior(some.x), [DRAWS]).cpu().double())
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
