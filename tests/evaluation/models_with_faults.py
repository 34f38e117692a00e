"""Models made to have a fault, and what the doctor finds in them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from toys import Constant

import lowerbound as lb
from lowerbound.evaluation.diagnosis import Finding
from lowerbound.evaluation.levels import idle
from lowerbound.evaluation.one_draw import one_draw
from lowerbound.evaluation.ranges import ranges
from lowerbound.evaluation.signs import one_sign
from lowerbound.evaluation.width import width
from lowerbound.vae.likelihoods import Likelihood

N = 400


class Always(nn.Module):
    """A decoder that gives the same numbers whatever z."""

    def __init__(self, numbers: Tensor):
        super().__init__()
        self.numbers = nn.Parameter(numbers)

    def forward(self, z: Tensor) -> Tensor:
        return self.numbers.expand(len(z), *self.numbers.shape)


def around(likelihood: Likelihood) -> lb.VAE:
    """A model whose q(z|x) is its prior: of a decoder that does not look at z, the exact posterior."""
    return lb.VAE(lb.priors.StandardNormal(1), likelihood, lb.posteriors.DiagonalGaussian(Constant(torch.zeros(2))))


def looked_at(vae: lb.VAE, x: Tensor) -> list[Finding]:
    drawn = one_draw(vae, x)
    return [*(one_sign(drawn) or width(drawn)), *ranges(vae, x), *idle(vae, x)]


def the_one(found: list[Finding], name: str, nats: float, share: float = 0.03) -> Finding:
    """The only finding, which has that name and within 3 standard errors, or that share, that cost."""
    (one,) = found
    assert one.name == name
    assert one.nats is not None
    assert one.nats_se is not None
    assert abs(one.nats - nats) < max(3 * one.nats_se, share * nats), (one, nats)
    return one
