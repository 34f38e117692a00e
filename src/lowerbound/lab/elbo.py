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
from torch.distributions import Distribution, Laplace, LogNormal, Normal

from lowerbound import distributions
from lowerbound.errors import RecipeError
from lowerbound.lab.names import P, Q
from lowerbound.recipes.grammar import known
from lowerbound.system.seeding import seeded

STEPS = 300
RATE = 0.05
DRAWS = 100  # of z per step


@dataclass(frozen=True)
class Axis:
    """The support of a distribution: z = back(u), dz/du as a function of z, the range of u for integrals, and the range of z to plot."""

    numbers: str
    back: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]  # of z
    span: tuple[float, float]
    shown: tuple[float, float]

    def grid(self) -> tuple[Tensor, Tensor]:
        """Points z and their weights dz, enough for the trapezoid rule to be exact to 1e-9 for distributions as smooth as these."""
        u = torch.linspace(*self.span, 12_001, dtype=torch.float64)
        z = self.back(u)
        return z, self.slope(z) * (u[1] - u[0])


REALS = Axis("all numbers", torch.clone, torch.ones_like, (-60.0, 60.0), (-3.0, 6.0))
POSITIVES = Axis("the positive numbers", torch.exp, torch.clone, (-30.0, 6.0), (0.005, 5.0))
UNIT = Axis("the numbers between 0 and 1", torch.sigmoid, lambda z: z * (1 - z), (-30.0, 30.0), (0.002, 0.998))


@dataclass(frozen=True)
class Target:
    """log p̃(z), its log normaliser log Z, and its support."""

    log_density: Callable[[Tensor], Tensor]
    log_normaliser: float
    axis: Axis


def _truncated_normal(m: float = 2.0, s: float = 0.6) -> Target:
    inside = 0.5 * math.erfc(-m / s / math.sqrt(2))
    return Target(lambda z: -(((z - m) / s) ** 2) / 2, math.log(s * math.sqrt(2 * math.pi) * inside), POSITIVES)


def _gamma(shape: float = 3.0, rate: float = 2.0) -> Target:
    return Target(lambda z: (shape - 1) * z.log() - rate * z, math.lgamma(shape) - shape * math.log(rate), POSITIVES)


def _log_normal(m: float = 0.4, s: float = 0.5) -> Target:
    return Target(lambda z: -(((z.log() - m) / s) ** 2) / 2 - z.log(), math.log(s * math.sqrt(2 * math.pi)), POSITIVES)


def _beta(a: float = 2.0, b: float = 5.0) -> Target:
    log_normaliser = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return Target(lambda z: (a - 1) * z.log() + (b - 1) * (-z).log1p(), log_normaliser, UNIT)


def _normal(m: float = 2.0, s: float = 0.6) -> Target:
    return Target(lambda z: -(((z - m) / s) ** 2) / 2, math.log(s * math.sqrt(2 * math.pi)), REALS)


def _laplace(m: float = 2.0, b: float = 0.6) -> Target:
    return Target(lambda z: -(z - m).abs() / b, math.log(2 * b), REALS)


def _mixture(first: float = 0.0, second: float = 3.0, s: float = 0.6) -> Target:
    def log_density(z: Tensor) -> Tensor:
        return torch.logaddexp(-(((z - first) / s) ** 2) / 2, -(((z - second) / s) ** 2) / 2)

    return Target(log_density, math.log(2 * s * math.sqrt(2 * math.pi)), REALS)


TARGETS: dict[str, Callable[[], Target]] = {
    "truncated-normal": _truncated_normal,
    "gamma": _gamma,
    "log-normal": _log_normal,
    "beta": _beta,
    "normal": _normal,
    "laplace": _laplace,
    "mixture": _mixture,
}

Family = Callable[[Tensor, Tensor], Distribution]
#: name → the distribution of two unconstrained parameters, their initial values, and its support
FAMILIES: dict[str, tuple[Family, tuple[float, float], Axis]] = {
    "gamma": (lambda a, b: distributions.Gamma(a.exp(), b.exp()), (0.0, 0.0), POSITIVES),
    "log-normal": (lambda a, b: LogNormal(a, b.exp()), (-0.5, 0.0), POSITIVES),
    "beta": (lambda a, b: distributions.Beta(a.exp(), b.exp()), (1.0, 0.0), UNIT),
    "normal": (lambda a, b: Normal(a, b.exp()), (-1.0, 0.0), REALS),
    "laplace": (lambda a, b: Laplace(a, b.exp()), (-1.0, 0.0), REALS),
}
assert (set(TARGETS), set(FAMILIES)) == (set(P), set(Q))


@dataclass(frozen=True)
class Climb:
    """Before the first step and after each: the bound ``(S,)`` in nats and q's density ``(S, N)`` at points ``(N,)``; p's; log Z."""

    points: Float[Tensor, " N"]
    target: Float[Tensor, " N"]
    densities: Float[Tensor, "S N"]
    bounds: Float[Tensor, " S"]
    log_normaliser: float
    parameters: tuple[float, float]


def climb(p: str = "truncated-normal", q: str = "gamma", steps: int = STEPS, seed: int = 0) -> Climb:
    """Fit q's parameters by Adam with pathwise gradients of a Monte-Carlo bound; record the bound by quadrature, in nats.

    Source: Figurnov et al., "Implicit Reparameterization Gradients", 2018, https://arxiv.org/abs/1805.08498.
    Errors: RecipeError for an unknown name, and where p and q do not have the same support.
    """
    target, (family, start, _) = _pair(p, q)
    parameters = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([parameters], RATE, maximize=True)
    points = torch.linspace(*target.axis.shown, 400, dtype=torch.float64)
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


def _pair(p: str, q: str) -> tuple[Target, tuple[Family, tuple[float, float], Axis]]:
    known("p", p, TARGETS)
    known("q", q, FAMILIES)
    target, family = TARGETS[p](), FAMILIES[q]
    if target.axis is not family[2]:
        fit = [name for name, row in FAMILIES.items() if row[2] is target.axis]
        raise RecipeError(f"the support of p={p} is {target.axis.numbers}, of q={q} {family[2].numbers}; choose q among {', '.join(fit)}")
    return target, family


def _ascend(family: Family, parameters: Tensor, target: Target, optimiser: torch.optim.Optimizer) -> None:
    law = family(*parameters)
    z = law.rsample(Size([DRAWS]))
    optimiser.zero_grad()
    (target.log_density(z) - law.log_prob(z)).mean().backward()
    optimiser.step()


def bound(law: Distribution, target: Target) -> Float[Tensor, ""]:
    """E_q[log p̃ − log q] in nats, by the trapezoid rule along u."""
    z, weight = target.axis.grid()
    log_q = law.log_prob(z)
    return (weight * log_q.exp() * (target.log_density(z) - log_q)).sum()
