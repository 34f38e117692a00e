"""Laws at many points in single precision: functions of tensors of numbers, whatever the shapes that their parameters have."""

from __future__ import annotations

import math
from collections.abc import Callable

import laws_exact as exact
import torch
from torch import Tensor
from torch import distributions as td
from torch.distributions import kl_divergence

from lowerbound import distributions
from lowerbound.distributions import bernoulli, operations, ordinal
from lowerbound.distributions.mixture import Mixture


def scored(make: Callable[..., td.Distribution]) -> Callable[..., Tensor]:
    """log p of the law that is made of the parameters."""
    return lambda x, *given: make(*given).log_prob(x)


def on_sphere(d: int) -> Callable[..., Tensor]:
    """At that angle in the plane of the first two axes."""

    def found(angle: Tensor, kappa: Tensor) -> Tensor:
        loc = torch.zeros(len(angle), d)
        loc[:, 0] = 1
        x = torch.cat([angle.cos()[:, None], angle.sin()[:, None], torch.zeros(len(angle), d - 2)], 1)
        return distributions.VonMisesFisher(loc, kappa, validate_args=False).log_prob(x)

    return found


def kl_on_sphere(d: int) -> Callable[..., Tensor]:
    """Against the uniform law."""

    def found(kappa: Tensor) -> Tensor:
        loc = torch.nn.functional.one_hot(torch.zeros(len(kappa), dtype=torch.long), d).float()
        return kl_divergence(distributions.VonMisesFisher(loc, kappa, validate_args=False), distributions.UniformSphere(d))

    return found


def image(logit: Tensor) -> Tensor:
    """Zeros and ones, all together."""
    ones, times = torch.tensor(exact.IMAGE).T
    return bernoulli.Bits(logit[:, None] * times, 1).log_prob(ones[None])


def label(k: Tensor, *logits: Tensor) -> Tensor:
    """Zeros and a one."""
    one = torch.nn.functional.one_hot(k.detach().long(), len(logits)).to(k.dtype)
    return distributions.OneHotCategorical(torch.stack(logits, -1)).log_prob(one)


def ordered_logistic(loc: Tensor, scale: Tensor) -> td.Distribution:
    """Between the cuts of levels of which some are most."""
    return ordinal.OrderedLogistic(loc, scale, torch.tensor(exact.CUTS))


def two_logistics(logit: Tensor, loc: Tensor, scale: Tensor) -> td.Distribution:
    """A mixture."""
    each = ordinal.DiscretizedLogistic(
        torch.stack([loc, torch.full_like(loc, 128)], -1), torch.stack([scale, torch.full_like(loc, 25)], -1)
    )
    weights = td.Categorical(logits=torch.stack([logit, torch.zeros_like(logit)], -1), validate_args=False)
    return td.MixtureSameFamily(weights, each, validate_args=False)


def two_normals(x: Tensor, *given: Tensor) -> Tensor:
    """A prior's mixture, of each point beside its mirror image, as values come from all sides."""

    def one(x: Tensor, logit: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        parts = [torch.stack([part, torch.full_like(part, other)])[:, None] for part, other in ((loc, 0.0), (scale, 1.0))]
        components = td.Independent(td.Normal(*parts, validate_args=False), 1, validate_args=False)
        weights = td.Categorical(logits=torch.stack([logit, torch.zeros_like(logit)]), validate_args=False)
        return Mixture(weights, components, validate_args=False).log_prob(torch.stack([x, -x])[:, None])[0]

    return torch.stack([one(*point) for point in zip(x, *given, strict=True)])


def pair(first: Tensor, below: Tensor, second: Tensor) -> td.Distribution:
    """N(0, L Lᵀ)."""
    rows = torch.stack([torch.stack([first, torch.zeros_like(first)], -1), torch.stack([below, second], -1)], -2)
    return td.MultivariateNormal(torch.zeros(len(first), 2), scale_tril=rows, validate_args=False)


def kl_pair(first: Tensor, below: Tensor, second: Tensor, scale: Tensor) -> Tensor:
    """A full Gaussian against a diagonal one."""
    diagonal = td.Normal(torch.zeros(len(scale), 2), scale[:, None].expand(-1, 2), validate_args=False)
    return operations.kl_divergence(pair(first, below, second), td.Independent(diagonal, 1, validate_args=False))


def kl_of(make: Callable[..., td.Distribution]) -> Callable[..., Tensor]:
    """Of two laws of two parameters each."""
    return lambda a, b, c, d: kl_divergence(make(a, b, validate_args=False), make(c, d, validate_args=False))


def kl_classes(*logits: Tensor) -> Tensor:
    """Against classes alike."""
    one = torch.stack(logits, -1)
    return kl_divergence(distributions.OneHotCategorical(one), distributions.OneHotCategorical(torch.zeros_like(one)))


def lgammas_beta_binomial(k: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """By torch's log Γ, term by term, as this project had it."""

    def log_beta(x: Tensor, y: Tensor) -> Tensor:
        return torch.lgamma(x) + torch.lgamma(y) - torch.lgamma(x + y)

    return -log_beta(k + 1, 256 - k) - math.log(256) + log_beta(k + a, 255 - k + b) - log_beta(a, b)


def plain(kind: Callable[..., td.Distribution]) -> Callable[..., td.Distribution]:
    """A law of torch's, its arguments not looked at."""
    return lambda *given: kind(*given, validate_args=False)


def of_logits(kind: Callable[..., td.Distribution]) -> Callable[..., td.Distribution]:
    """The same of a law whose last parameter is its logits."""
    return lambda *given: kind(*given[:-1], logits=given[-1], validate_args=False)
