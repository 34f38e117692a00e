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
from laws_data import about, angles, bits, classes, greys, levels, of_cell, of_rate, of_total, positives, shares
from laws_of_columns import MARGINALS, SPIKED, inside, numbers, of_numbers, of_ordinal, ordinal
from laws_single import (
    image,
    kl_classes,
    kl_of,
    kl_on_sphere,
    kl_pair,
    label,
    lgammas_beta_binomial,
    of_logits,
    on_sphere,
    ordered_logistic,
    pair,
    plain,
    scored,
    two_logistics,
    two_normals,
)
from torch import Tensor
from torch import distributions as td

from lowerbound import distributions
from lowerbound.distributions import bernoulli, counts, discrete, double
from lowerbound.distributions.continuous_bernoulli import ContinuousBernoulli
from lowerbound.distributions.mixed import Nominal
from lowerbound.distributions.ordinal import DiscretizedLogistic
from lowerbound.distributions.student import RawStudentT

Point = tuple[float, ...]


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
    """A log p or a KL: in single precision, exactly, and torch's where that is another; of x, where there is one, and of parameters.

    ``path`` where x is a latent, through which gradients go as well.
    """

    name: str
    parameters: Sequence[Parameter]
    found: Callable[..., Tensor]
    exact: Callable[..., Any]
    data: Callable[..., Sequence[float]] | None = None
    torchs: Callable[..., Tensor] | None = None
    path: bool = False
    admitted: str = ""
    names: tuple[str, ...] = field(init=False)
    by: tuple[bool, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = [each.name for each in self.parameters]
        object.__setattr__(self, "names", tuple(["x", *names] if self.data else names))
        object.__setattr__(self, "by", tuple([self.path, *[True] * len(names)] if self.data else [True] * len(names)))

    def points(self) -> Iterator[Point]:
        """All of the grid: each x of each choice of parameters, in single precision."""
        for given in itertools.product(*(each.values for each in self.parameters)):
            given = tuple(float(np.float32(value)) for value in given)
            for x in self.data(*given) if self.data else [None]:
                yield given if x is None else (float(np.float32(x)), *given)

    def slopes(self, point: Point) -> list[float]:
        """How fast each number of the point moves with what a network gives; 0 of x that is data, 1 of a latent."""
        given = point[-len(self.parameters) :]
        return [float(self.path)] * (len(point) - len(given)) + [
            each.slope(value) for each, value in zip(self.parameters, given, strict=True)
        ]


def spread(low: float, high: float, n: int) -> list[float]:
    """n numbers from low to high, each as many times the one before."""
    return np.geomspace(low, high, n).tolist()


def signed(low: float, high: float, n: int) -> list[float]:
    """The same of both signs, and 0."""
    return sorted({0.0, *spread(low, high, n), *(-each for each in spread(low, high, n))})


# --- the table ---------------------------------------------------------------------------------------

LOGITS = Parameter("l", [*signed(1e-4, 30, 12), 0.0041, -0.0041, 100.0, -100.0, 1e4, -1e4])
LOC = Parameter("loc", [0.0, 0.37, -3.0, 150.0])
SCALE = Parameter("σ", spread(1e-3, 1e3, 13), softplus)
WIDTH = Parameter("σ", [math.exp(each / 2) for each in range(-20, 21, 4)], exponential)
OF_NUMBER = [Parameter("loc", [0.0, 0.37, -3.0]), Parameter("s", [-20.0, -2.0, 0.0, 3.0, 20.0]), Parameter("f", [-20.0, 0.0, 30.0, 1e6])]
OF_SPIKES = [Parameter("l₁", [-30.0, 0.5]), Parameter("l₂", [-1.0, 30.0])]
OF_ORDER = [Parameter("loc", [0.0, 0.37, -3.0, 150.0, -1e4]), Parameter("log scale", [-7.0, -2.0, 0.0, 2.0, 7.0])]
LEVEL_LOC = Parameter("loc", [0.01, 1.0, 77.7, 128.0, 254.99])
LEVEL_SCALE = Parameter("scale", [0.255, 0.5, 1.0, 4.0, 30.0, 300.0, 1e4], softplus)
PIECE_LOC = Parameter("loc", [-6.0, -0.1, 1.5, 2.5, 3.2, 6.0])
PIECE_SCALE = Parameter("scale", [math.exp(-7), 0.01, 0.1, 1.0, 30.0, math.exp(7)], exponential)
WEIGHT = Parameter("weight's logit", [-20.0, 0.0, 5.0])
THREE = [Parameter(name, values) for name, values in (("l₀", [0.0]), ("l₁", [-30.0, -1.0, 1e-4, 3.0]), ("l₂", [-100.0, 0.0, 0.5, 30.0]))]
FREEDOM = Parameter("ν", [2.001, *spread(2.1, 1e10, 17)], softplus)
FEW, MORE = spread(1e-2, 1e5, 6), spread(1e-2, 1e5, 10)
CELLS = [Parameter("log μ", [-18.0, -7.0, -1.0, 0.0, 2.5, 5.0, 7.0, 8.5]), Parameter("log θ", [*np.linspace(-9.2, 18.4, 9).tolist()])]
KAPPA = Parameter("κ", [1.0, *spread(1.001, 1e5, 12)], softplus)


def concentrations(*names: str, values: Sequence[float] = MORE) -> list[Parameter]:
    """Of those names, with the range of posteriors."""
    return [Parameter(name, values, softplus) for name in names]


def triangle(*, scale: bool = False) -> list[Parameter]:
    """Of a full Gaussian in the plane; with a prior's σ for a KL."""
    few = [math.exp(each) for each in (-10, -3, 0, 4, 10)]
    parts = [Parameter("L₁₁", few, exponential), Parameter("L₂₁", [0.0, 0.5, -20.0]), Parameter("L₂₂", few, exponential)]
    return [*parts, Parameter("σ", [0.1, 1.0, 10.0], exponential)] if scale else parts


LAWS = [
    Law("Bernoulli", [LOGITS], lambda x, logit: bernoulli.Bits(logit[:, None], 1).log_prob(x[:, None]), exact.of_bernoulli, bits),
    Law("Bernoulli, of 784 pixels", [LOGITS], image, exact.of_image),
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
    Law("Gaussian, of latents", [LOC, WIDTH], scored(plain(td.Normal)), exact.of_normal, about, path=True),
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
        "Student-t, of tables",
        [LOC, Parameter("s", [-20.0, -7.0, -2.0, 0.0, 3.0, 20.0, 1e3]), Parameter("f", [-20.0, -2.0, 0.0, 2.0, 30.0, 1e3, 1e6, 1e10])],
        lambda x, *given: RawStudentT(torch.stack(given, -1), 1e-3).log_prob(x[..., None])[..., 0],
        exact.of_raw_student,
        lambda loc, *_: about(loc, 1.0),
    ),
    *(Law(f"number, of tables, by {law}", OF_NUMBER, numbers(each), of_numbers(each), inside) for law, each in MARGINALS.items()),
    Law("number, of tables, with spikes", [*OF_NUMBER, *OF_SPIKES], numbers(SPIKED), of_numbers(SPIKED), inside),
    Law("ordinal, of tables", OF_ORDER, ordinal, of_ordinal, lambda *_: [0.0, 1.0, 2.0, 3.0]),
    Law(
        "Beta",
        [Parameter(name, spread(1e-3, 1e5, 11), softplus) for name in "ab"],
        scored(plain(distributions.Beta)),
        exact.of_beta,
        shares,
        scored(plain(td.Beta)),
        path=True,
    ),
    Law("categorical", THREE, lambda x, *given: discrete.Numbered(torch.stack(given, -1)).log_prob(x), exact.of_classes, classes),
    Law("a label", THREE, label, exact.of_classes, classes),
    Law("category, of tables", THREE, lambda x, *given: Nominal(torch.stack(given, -1)).log_prob(x), exact.of_classes, classes),
    Law("discretised logistic", [LEVEL_LOC, LEVEL_SCALE], scored(DiscretizedLogistic), exact.of_logistic, levels),
    Law("ordered logistic", [PIECE_LOC, PIECE_SCALE], scored(ordered_logistic), exact.of_ordered_logistic, levels),
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
    Law("negative binomial, of cells", CELLS, scored(counts.NegativeBinomial), exact.of_cells, of_cell),
    Law(
        "the same with more zeros",
        [*CELLS, Parameter("zeros' logit", [-20.0, 0.0, 3.0])],
        scored(lambda mean, dispersion, logit: counts.ZeroInflated(counts.NegativeBinomial(mean, dispersion), logit)),
        exact.of_more_zeros,
        of_cell,
    ),
    Law(
        "Gamma", concentrations("α", "β"), scored(plain(distributions.Gamma)), exact.of_gamma, positives, scored(plain(td.Gamma)), path=True
    ),
    Law(
        "full Gaussian",
        triangle(),
        lambda x, *given: pair(*given).log_prob(torch.stack([x, -x / 2], -1)),
        exact.of_pair,
        lambda *given: [0.0, given[0], 2.5],
        path=True,
    ),
    Law(
        "mixture of Gaussians",
        [WEIGHT, Parameter("loc", [0.0, 1.37, -3.0, 20.0]), Parameter("σ", [math.exp(-10), *spread(1e-3, 10, 5)], softplus)],
        two_normals,
        exact.of_two_normals,
        about,
        path=True,
    ),
    *(Law(f"von Mises–Fisher, d = {d}", [KAPPA], on_sphere(d), exact.of_sphere(d), angles) for d in (2, 3, 40, 500)),
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
    *(Law(f"KL of von Mises–Fisher and uniform, d = {d}", [KAPPA], kl_on_sphere(d), exact.of_kl_sphere(d)) for d in (2, 3, 40, 500)),
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
