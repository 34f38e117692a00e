"""Draws of z for some examples, most of q(z|x) and some of the prior, with what weighs them: log p(z)/r(z)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, Independent, Normal

from lowerbound.distributions.chain import Levels, densities, is_hierarchy
from lowerbound.evaluation.log_likelihood import VALUES, must_have_density
from lowerbound.nn.memory import COPIES, bytes_each, how_many
from lowerbound.vae.model import Model

#: of the draws of z, the share that is of the prior, so that no weight is above ten times p(x|z)
OF_PRIOR = 0.1


@dataclass(frozen=True)
class WeightedDraws:
    """K draws of z for each of B examples; w = p(x|z) times the exponential of ``log_ratio``. ``few`` are decoded at a time."""

    z: Float[Tensor, "K B d"]
    log_ratio: Float[Tensor, "K B"]
    few: int

    def parts(self) -> Iterator[tuple[Float[Tensor, "k B d"], Float[Tensor, "k B"]]]:
        """A few draws at a time."""
        yield from zip(self.z.split(self.few), self.log_ratio.split(self.few), strict=True)

    def log_weight(self, vae: Model, x: Float[Tensor, "B *event"]) -> Float[Tensor, "K B"]:
        """log w of each draw, in nats, for the model and the examples that they were drawn for; NaN or −∞ where x has no density."""
        return torch.cat([vae.log_likelihood(x, z) + log_ratio for z, log_ratio in self.parts()])


def weighted_draws(vae: Model, x: Float[Tensor, "B *event"], samples: int, memory: int) -> WeightedDraws:
    """``samples`` draws for each of the examples, of the mixture r of q(z|x) and, one draw in ten, the prior.

    ``vae`` is given their contexts; ``memory`` is in bytes. Errors: RecipeError where q has no density; UsageError for too little memory.
    """
    posterior, prior = vae.posterior(x), vae.prior()
    must_have_density(posterior)
    how_many(memory // 4, samples * _bytes_of_draw(posterior), f"{samples:,} draws of z for {len(x)} rows")
    of_prior = round(OF_PRIOR * samples)
    z = torch.cat([_of(posterior, samples - of_prior, len(x)), _of(prior, of_prior, len(x))])
    if is_hierarchy(posterior, prior) and isinstance(prior, Levels):
        log_q, log_prior = densities(posterior, prior, z)
    else:
        log_q, log_prior = _log_prob(posterior, z), _log_prob(prior, z)
    share = of_prior / samples
    log_r = torch.logaddexp(math.log1p(-share) + log_q, math.log(share) + log_prior) if of_prior else log_q
    one = vae.some(slice(0, 1))
    decoding = bytes_each(one.likelihood.network, *one.likelihood.inputs(z[:1, :1]))
    few = how_many(memory // 4, decoding, "decoding a draw", most=max(1, VALUES // x[0].numel()))
    return WeightedDraws(z, log_prior - log_r, max(1, few // len(x)))


def most_draws(posterior: Distribution, memory: int) -> int:
    """How many draws for each example of a batch fit into so many bytes. Errors: UsageError where not one does."""
    return how_many(memory // 4, _bytes_of_draw(posterior), "a draw of z")


def _bytes_of_draw(posterior: Distribution) -> int:
    mean = posterior.mean
    return COPIES * mean.numel() * mean.element_size()


def _of(law: Distribution, n: int, rows: int) -> Float[Tensor, "K B d"]:
    """n draws for each of so many rows, of a law for each of them or of one for all."""
    return law.sample(Size([n] if law.batch_shape else [n, rows]))


def _log_prob(law: Distribution, z: Float[Tensor, "K B d"]) -> Float[Tensor, "K B"]:
    """log p of each z; of normals side by side in three passes over z, where torch's makes eight."""
    if not (type(law) is Independent and type(law.base_dist) is Normal and law.reinterpreted_batch_ndims == 1):
        return law.log_prob(z)
    loc, scale = law.base_dist.loc, law.base_dist.scale
    u = (z - loc).div_(scale)
    return torch.einsum("kbd,kbd->kb", u, u).mul_(-0.5) - scale.log().sum(-1) - z.shape[-1] / 2 * math.log(2 * math.pi)
