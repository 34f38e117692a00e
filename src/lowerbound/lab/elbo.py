"""The bound that climbs: q fitted to an unnormalised p of one variable whose normaliser is known.

For p̃ = Z p and any q with its support, E_q[log p̃(z) − log q(z)] = log Z − KL(q ‖ p) ≤ log Z: the same bound as a VAE's,
whose p̃(z) is p(x, z) and whose Z is p(x).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution, LogNormal, Normal

from lowerbound import laws
from lowerbound.errors import RecipeError
from lowerbound.lab.names import P, Q
from lowerbound.seeding import seeded
from lowerbound.words import known

STEPS = 300
RATE = 0.05
DRAWS = 100  # of z a step


@dataclass(frozen=True)
class Target:
    """log p̃(z), its log normaliser log Z, and whether it lives on the positives alone."""

    log_density: Callable[[Tensor], Tensor]
    log_normaliser: float
    positive: bool = True


def _truncated_normal(m: float = 2.0, s: float = 0.6) -> Target:
    inside = 0.5 * math.erfc(-m / s / math.sqrt(2))
    return Target(lambda z: -(((z - m) / s) ** 2) / 2, math.log(s * math.sqrt(2 * math.pi) * inside))


def _gamma(shape: float = 3.0, rate: float = 2.0) -> Target:
    return Target(lambda z: (shape - 1) * z.log() - rate * z, math.lgamma(shape) - shape * math.log(rate))


def _log_normal(m: float = 0.4, s: float = 0.5) -> Target:
    return Target(lambda z: -(((z.log() - m) / s) ** 2) / 2 - z.log(), math.log(s * math.sqrt(2 * math.pi)))


def _normal(m: float = 2.0, s: float = 0.6) -> Target:
    return Target(lambda z: -(((z - m) / s) ** 2) / 2, math.log(s * math.sqrt(2 * math.pi)), positive=False)


TARGETS: dict[str, Callable[[], Target]] = {
    "truncated-normal": _truncated_normal,
    "gamma": _gamma,
    "log-normal": _log_normal,
    "normal": _normal,
}

#: name → the law of two unconstrained parameters, their first values, and whether it lives on the positives
FAMILIES: dict[str, tuple[Callable[[Tensor, Tensor], Distribution], tuple[float, float], bool]] = {
    "gamma": (lambda a, b: laws.Gamma(a.exp(), b.exp()), (0.0, 0.0), True),
    "log-normal": (lambda a, b: LogNormal(a, b.exp()), (-0.5, 0.0), True),
    "normal": (lambda a, b: Normal(a, b.exp()), (-1.0, 0.0), False),
}
assert (set(TARGETS), set(FAMILIES)) == (set(P), set(Q))


@dataclass(frozen=True)
class Climb:
    """For every step, the first included: the bound ``(S,)`` in nats and q's density ``(S, N)`` at points ``(N,)``; p's there; log Z."""

    points: Float[Tensor, " N"]
    target: Float[Tensor, " N"]
    densities: Float[Tensor, "S N"]
    bounds: Float[Tensor, " S"]
    log_normaliser: float
    parameters: tuple[float, float]


def climb(p: str = "truncated-normal", q: str = "gamma", steps: int = STEPS, seed: int = 0) -> Climb:
    """q's parameters by Adam along pathwise gradients of a Monte-Carlo bound; what is recorded is the bound by quadrature, in nats.

    Source: Figurnov et al., "Implicit Reparameterization Gradients", 2018, https://arxiv.org/abs/1805.08498.
    Errors: RecipeError for an unknown name, and where p and q do not live on the same numbers.
    """
    target, (family, start, _) = _pair(p, q)
    parameters = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([parameters], RATE, maximize=True)
    points = torch.linspace(0.005, 5.0, 400, dtype=torch.float64) - (0.0 if target.positive else 2.0)
    bounds, densities = [], []
    with seeded(seed, "elbo"):
        for step in range(steps + 1):
            with torch.no_grad():
                law = family(*parameters)
                bounds.append(bound(law, target))
                densities.append(law.log_prob(points).exp())
            if step < steps:
                _ascend(family, parameters, target, optimiser)
    density = (target.log_density(points) - target.log_normaliser).exp()
    first, second = parameters.tolist()
    return Climb(points, density, torch.stack(densities), torch.stack(bounds), target.log_normaliser, (first, second))


def _pair(p: str, q: str) -> tuple[Target, tuple[Callable[[Tensor, Tensor], Distribution], tuple[float, float], bool]]:
    known("p", p, TARGETS)
    known("q", q, FAMILIES)
    target, family = TARGETS[p](), FAMILIES[q]
    if target.positive != family[2]:
        raise RecipeError(f"p={p} and q={q} do not live on the same numbers; choose both on the positives, or normal and normal")
    return target, family


def _ascend(family: Callable[..., Distribution], parameters: Tensor, target: Target, optimiser: torch.optim.Optimizer) -> None:
    law = family(*parameters)
    z = law.rsample(Size([DRAWS]))
    optimiser.zero_grad()
    (target.log_density(z) - law.log_prob(z)).mean().backward()
    optimiser.step()


def bound(law: Distribution, target: Target) -> Float[Tensor, ""]:
    """E_q[log p̃ − log q] by the trapezoid rule, for a positive z along log z; exact to 1e-9 for laws as smooth as these."""
    u = torch.linspace(-30, 6, 7201, dtype=torch.float64) if target.positive else torch.linspace(-30, 30, 12001, dtype=torch.float64)
    z, slope = (u.exp(), u.exp()) if target.positive else (u, torch.ones_like(u))
    log_q = law.log_prob(z)
    weight = log_q.exp() * slope * (u[1] - u[0])
    return (weight * (target.log_density(z) - log_q)).sum()
