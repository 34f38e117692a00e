"""The laws that the project offers, each in single precision and as a closed form, the range of its parameters, and data to try it on."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import laws_exact as exact
import numpy as np
import torch
from torch import Tensor
from torch import distributions as td
from torch.distributions import kl_divergence

from lowerbound import distributions
from lowerbound.distributions import bernoulli, discrete, double, operations
from lowerbound.distributions.continuous_bernoulli import ContinuousBernoulli
from lowerbound.distributions.mixed import Nominal
from lowerbound.distributions.mixture import Mixture

Point = tuple[float, ...]
BITS = 2.0**24  # the largest of the whole numbers that single precision has one by one


def identity(_: float) -> float:
    """Of a parameter that is the network's number itself."""
    return 1.0


def softplus(value: float) -> float:
    """dθ/ds of θ = log(1 + eˢ)."""
    return -math.expm1(-value)


def exponential(value: float) -> float:
    """dθ/ds of θ = eˢ."""
    return value


def fixed(_: float) -> float:
    """Of one that no network gives: its gradient is not looked at."""
    return 0.0


@dataclass(frozen=True)
class Parameter:
    """Values to try, and how fast the parameter moves with the number that the network gives for it."""

    name: str
    values: Sequence[float]
    slope: Callable[[float], float] = identity


@dataclass(frozen=True)
class Law:
    """A log p or a KL: in single precision, exactly, and torch's where that is another; of x, where there is one, and of parameters."""

    name: str
    parameters: Sequence[Parameter]
    found: Callable[..., Tensor]
    exact: Callable[..., Any]
    data: Callable[..., Sequence[float]] | None = None
    torchs: Callable[..., Tensor] | None = None
    admitted: str = ""
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = [each.name for each in self.parameters]
        object.__setattr__(self, "names", tuple(["x", *names] if self.data else names))

    def points(self) -> Iterator[Point]:
        """All of the grid: each x of each choice of parameters, in single precision."""
        for given in itertools.product(*(each.values for each in self.parameters)):
            given = tuple(float(np.float32(value)) for value in given)
            for x in self.data(*given) if self.data else [None]:
                yield given if x is None else (float(np.float32(x)), *given)

    def slopes(self, point: Point) -> list[float]:
        """How fast each number of the point moves with what a network gives; 0 of x."""
        given = point[-len(self.parameters) :]
        return [0.0] * (len(point) - len(given)) + [each.slope(value) for each, value in zip(self.parameters, given, strict=True)]


def spread(low: float, high: float, n: int) -> list[float]:
    """n numbers from low to high, each as many times the one before."""
    return np.geomspace(low, high, n).tolist()


def signed(low: float, high: float, n: int) -> list[float]:
    """The same of both signs, and 0."""
    return sorted({0.0, *spread(low, high, n), *(-each for each in spread(low, high, n))})


# --- in single precision -----------------------------------------------------------------------------


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


def label(k: Tensor, *logits: Tensor) -> Tensor:
    """Zeros and a one."""
    one = torch.nn.functional.one_hot(k.detach().long(), len(logits)).to(k.dtype)
    return distributions.OneHotCategorical(torch.stack(logits, -1)).log_prob(one)


def two_logistics(logit: Tensor, loc: Tensor, scale: Tensor) -> td.Distribution:
    """A mixture."""
    each = discrete.DiscretizedLogistic(
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


# --- data that suit the parameters -------------------------------------------------------------------


def about(*given: float) -> list[float]:
    """Values at, beside and far from a location: the last two parameters are that and a scale."""
    loc, scale = given[-2:]
    return [loc, loc + scale / 3, loc - 3 * scale, loc + 40 * scale, 0.0, 1.0, -25.0]


def counts(mean: float, deviation: float) -> list[float]:
    """Whole numbers, few and many, and those that the law expects."""
    likely = [mean, mean + deviation, mean - 2 * deviation, mean + 6 * deviation]
    return sorted({float(round(min(max(k, 0.0), BITS))) for k in (0, 1, 2, 17, 1000, 1e6, BITS, *likely)})


def of_rate(rate: float) -> list[float]:
    """A Poisson's."""
    return counts(rate, rate**0.5)


def of_total(r: float, logit: float) -> list[float]:
    """A negative binomial's."""
    mean = r * math.exp(logit)
    return counts(mean, (mean + mean * mean / r) ** 0.5)


def positives(a: float, b: float) -> list[float]:
    """A Gamma's draws, likely and not; ``smallest`` is the least that it has."""
    mean, deviation = a / b, a**0.5 / b
    return [
        each for each in (1e-31, 1e-8, mean / 30, mean - deviation, mean, mean + deviation, mean + 6 * deviation, 3 * mean) if each >= 1e-31
    ]


def shares(a: float, b: float) -> list[float]:
    """A Beta's draws, likely and not, and the pixels beside black and white."""
    mean = a / (a + b)
    deviation = (mean * (1 - mean) / (a + b + 1)) ** 0.5
    inside = [mean, mean - deviation, mean + deviation, mean + 4 * deviation]
    return [1e-31, 1e-8, 1 / 512, 0.3, 511 / 512, 1 - 2**-23, *(min(max(each, 1e-31), 1 - 2**-23) for each in inside)]


def greys(*_: float) -> list[float]:
    """From black to white."""
    return [0.0, 1 / 255, 0.2, 0.5, 0.75, 1.0]


def levels(*_: float) -> list[float]:
    """From black to white."""
    return [0.0, 1.0, 2.0, 60.0, 128.0, 200.0, 254.0, 255.0]


def bits(*_: float) -> list[float]:
    """Zeros and ones, and a grey."""
    return [0.0, 0.3, 1.0]


def classes(*_: float) -> list[float]:
    """Three."""
    return [0.0, 1.0, 2.0]


def angles(kappa: float) -> list[float]:
    """From the mean direction to the farthest point, and where draws are of a large κ."""
    return [0.0, min(kappa**-0.5, 3.0), min(4 * kappa**-0.5, 3.1), 0.7, 3.1]


# --- the table ---------------------------------------------------------------------------------------

LOGITS = Parameter("l", [*signed(1e-4, 30, 12), 0.0041, -0.0041, 100.0, -100.0, 1e4, -1e4])
LOC = Parameter("loc", [0.0, 0.37, -3.0, 150.0])
SCALE = Parameter("σ", spread(1e-3, 1e3, 13), softplus)
WIDTH = Parameter("σ", [math.exp(each / 2) for each in range(-20, 21, 4)], exponential)
LEVEL_LOC = Parameter("loc", [0.01, 1.0, 77.7, 128.0, 254.99])
LEVEL_SCALE = Parameter("scale", [0.255, 0.5, 1.0, 4.0, 30.0, 300.0, 1e4], softplus)
WEIGHT = Parameter("weight's logit", [-20.0, 0.0, 5.0])
THREE = [Parameter(name, values) for name, values in (("l₀", [0.0]), ("l₁", [-30.0, -1.0, 1e-4, 3.0]), ("l₂", [-100.0, 0.0, 0.5, 30.0]))]
FREEDOM = Parameter("ν", [2.001, *spread(2.1, 1e10, 17)], softplus)
FEW, MORE = spread(1e-2, 1e5, 6), spread(1e-2, 1e5, 10)
KAPPA = Parameter("κ", [1.0, *spread(1.001, 1e5, 12)], softplus)


def concentrations(*names: str, values: Sequence[float] = MORE) -> list[Parameter]:
    """Of those names, with the range of posteriors."""
    return [Parameter(name, values, softplus) for name in names]


def plain(kind: Callable[..., td.Distribution]) -> Callable[..., td.Distribution]:
    """A law of torch's, its arguments not looked at."""
    return lambda *given: kind(*given, validate_args=False)


def of_logits(kind: Callable[..., td.Distribution]) -> Callable[..., td.Distribution]:
    """The same of a law whose last parameter is its logits."""
    return lambda *given: kind(*given[:-1], logits=given[-1], validate_args=False)


def triangle(*, scale: bool = False) -> list[Parameter]:
    """Of a full Gaussian in the plane; with a prior's σ for a KL."""
    few = [math.exp(each) for each in (-10, -3, 0, 4, 10)]
    parts = [Parameter("L₁₁", few, exponential), Parameter("L₂₁", [0.0, 0.5, -20.0]), Parameter("L₂₂", few, exponential)]
    return [*parts, Parameter("σ", [0.1, 1.0, 10.0], exponential)] if scale else parts


LAWS = [
    Law("Bernoulli", [LOGITS], lambda x, logit: bernoulli.Bits(logit[:, None], 1).log_prob(x[:, None]), exact.of_bernoulli, bits),
    Law("Bernoulli, of tables", [LOGITS], scored(of_logits(td.Bernoulli)), exact.of_bernoulli, bits),
    Law(
        "continuous Bernoulli",
        [LOGITS],
        scored(ContinuousBernoulli),
        exact.of_continuous_bernoulli,
        greys,
        scored(of_logits(td.ContinuousBernoulli)),
    ),
    Law("Gaussian, of data", [LOC, SCALE], scored(plain(td.Normal)), exact.of_normal, about),
    Law("Gaussian, of latents", [LOC, WIDTH], scored(plain(td.Normal)), exact.of_normal, about),
    Law("Laplace", [LOC, SCALE], scored(plain(td.Laplace)), exact.of_laplace, about),
    Law(
        "Student-t",
        [FREEDOM, LOC, Parameter("σ", spread(1e-3, 1e3, 5), softplus)],
        scored(plain(double.StudentT)),
        exact.of_student,
        about,
        scored(plain(td.StudentT)),
    ),
    Law(
        "Beta",
        [Parameter(name, spread(1e-3, 1e5, 11), softplus) for name in "ab"],
        scored(plain(distributions.Beta)),
        exact.of_beta,
        shares,
        scored(plain(td.Beta)),
    ),
    Law("categorical", THREE, lambda x, *given: discrete.Numbered(torch.stack(given, -1)).log_prob(x), exact.of_classes, classes),
    Law("a label", THREE, label, exact.of_classes, classes),
    Law("category, of tables", THREE, lambda x, *given: Nominal(torch.stack(given, -1)).log_prob(x), exact.of_classes, classes),
    Law("discretised logistic", [LEVEL_LOC, LEVEL_SCALE], scored(discrete.DiscretizedLogistic), exact.of_logistic, levels),
    Law("mixture of logistics", [WEIGHT, LEVEL_LOC, LEVEL_SCALE], scored(two_logistics), exact.of_two_logistics, levels),
    Law(
        "beta-binomial",
        [Parameter(name, spread(1e-3, 1e10, 14), softplus) for name in "ab"],
        scored(discrete.BetaBinomial),
        exact.of_beta_binomial,
        levels,
        lgammas_beta_binomial,
    ),
    Law(
        "Poisson",
        [Parameter("λ", spread(1e-3, 1e7, 41), softplus)],
        scored(plain(double.Poisson)),
        exact.of_poisson,
        of_rate,
        scored(plain(td.Poisson)),
    ),
    Law(
        "negative binomial",
        [Parameter("r", spread(1e-3, 1e10, 14), softplus), Parameter("l", signed(1e-2, 16, 5))],
        scored(of_logits(double.NegativeBinomial)),
        exact.of_negative_binomial,
        of_total,
        scored(of_logits(td.NegativeBinomial)),
    ),
    Law(
        "negative binomial, of tables",
        [
            Parameter("r", [math.exp(each) for each in range(-10, 18, 3)], exponential),
            Parameter("l", [-27.0, -14.0, -5.0, -1.0, 0.0, 3.0, 10.0, 27.0]),
        ],
        scored(of_logits(double.NegativeBinomial)),
        exact.of_negative_binomial,
        of_total,
        scored(of_logits(td.NegativeBinomial)),
    ),
    Law("Gamma", concentrations("α", "β"), scored(plain(distributions.Gamma)), exact.of_gamma, positives, scored(plain(td.Gamma))),
    Law(
        "full Gaussian",
        triangle(),
        lambda x, *given: pair(*given).log_prob(torch.stack([x, -x / 2], -1)),
        exact.of_pair,
        lambda *given: [0.0, given[0], 2.5],
    ),
    Law(
        "mixture of Gaussians",
        [WEIGHT, Parameter("loc", [0.0, 1.37, -3.0, 20.0]), Parameter("σ", [math.exp(-10), *spread(1e-3, 10, 5)], softplus)],
        two_normals,
        exact.of_two_normals,
        about,
    ),
    *(Law(f"von Mises–Fisher, d = {d}", [KAPPA], on_sphere(d), exact.of_sphere(d), angles) for d in (2, 3, 40)),
    Law(
        "KL of Gaussians",
        [LOC, WIDTH, Parameter("loc'", [0.0, 0.371]), Parameter("σ'", WIDTH.values[::2], exponential)],
        kl_of(td.Normal),
        exact.of_kl_normal,
    ),
    Law("KL of a full Gaussian and a diagonal one", triangle(scale=True), kl_pair, exact.of_kl_pair),
    Law(
        "KL of Gammas",
        concentrations("α", "β", "α'", "β'", values=FEW),
        kl_of(distributions.Gamma),
        exact.of_kl_gamma,
        None,
        kl_of(td.Gamma),
    ),
    Law("KL of Betas", concentrations("a", "b", "a'", "b'", values=FEW), kl_of(distributions.Beta), exact.of_kl_beta, None, kl_of(td.Beta)),
    Law("KL of classes from classes alike", THREE, kl_classes, exact.of_kl_classes),
    *(Law(f"KL of von Mises–Fisher and uniform, d = {d}", [KAPPA], kl_on_sphere(d), exact.of_kl_sphere(d)) for d in (2, 3, 40)),
    Law(
        "entropy of a Gamma",
        concentrations("α", "β"),
        lambda *given: distributions.Gamma(*given, validate_args=False).entropy(),
        exact.of_gamma_entropy,
        None,
        lambda *given: td.Gamma(*given).entropy(),
    ),
    Law(
        "entropy of a Beta",
        concentrations("a", "b"),
        lambda *given: distributions.Beta(*given, validate_args=False).entropy(),
        exact.of_beta_entropy,
        None,
        lambda *given: td.Beta(*given).entropy(),
    ),
]
