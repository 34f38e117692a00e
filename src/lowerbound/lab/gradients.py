"""What each gradient estimator costs: bias, variance, seconds, and variance × seconds.

Both experiments maximise the ELBO with the sampled KL, and look at the gradient that the encoder gets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from lowerbound.errors import RecipeError
from lowerbound.recipes.estimators import ESTIMATORS
from lowerbound.system.seeding import seeded
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.loss import loss
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import SampledKL
from lowerbound.vae.posteriors import DiagonalGaussian
from lowerbound.vae.terms import Terms

DIMENSIONS = (1, 2, 5, 10, 20)
DRAWS = (1, 10)
STEPS = (0, 10, 30, 100, 300, 1_000)  # of training, at which the toy of one dimension is looked at
RATE = 0.02  # of that training
WARM_UP = 3  # gradients not counted: a running baseline has to have something to say
SHARPER = 100  # draws of each gradient of which the mean stands for the exact one of a run


@dataclass(frozen=True)
class Row:
    """One estimator with K = ``draws`` after ``steps`` of training: its gradient over ``repeats`` independent estimates.

    ``bias`` is ‖mean − truth‖ and ``bias_in_errors`` that over its standard error, about 1 where there is no bias;
    ``variance`` is summed over the parameters; ``seconds`` are those of one gradient; ``cost`` is variance × seconds.
    """

    estimator: str
    dimensions: int
    draws: int
    steps: int
    repeats: int
    bias: float
    bias_in_errors: float
    variance: float
    seconds: float
    cost: float


@dataclass(frozen=True)
class Skipped:
    """An estimator that cannot be crossed with the model, and why."""

    estimator: str
    dimensions: int
    draws: int
    reason: str


@dataclass(frozen=True)
class Costs:
    """All rows at one moment of training, and those that cannot be; of the toy also rows along its training."""

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    training: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Moments:
    """Mean ``(P,)`` and total variance of ``repeats`` estimates of a gradient, and the seconds of one."""

    mean: Float[Tensor, " P"]
    variance: float
    repeats: int
    seconds: float = 0.0


Measure = Callable[[Estimator, int], Moments]  # of an estimator with K draws


def _compare(measure: Measure, truth: Moments, dimensions: int, draws: Sequence[int], steps: int = 0) -> Costs:
    rows, skipped = [], []
    for k in draws:
        for name, word in ESTIMATORS.items():
            try:
                rows.append(_row(name, dimensions, k, steps, measure(word.make(), k), truth))
            except RecipeError as error:
                skipped.append(Skipped(name, dimensions, k, str(error)))
    return Costs(tuple(rows), tuple(skipped))


def _row(name: str, dimensions: int, draws: int, steps: int, found: Moments, truth: Moments) -> Row:
    bias = float((found.mean - truth.mean).norm())
    error = (found.variance / found.repeats + truth.variance / truth.repeats) ** 0.5
    cost = found.variance * found.seconds
    return Row(name, dimensions, draws, steps, found.repeats, bias, bias / error, found.variance, found.seconds, cost)


# --- a toy whose gradient is known ---------------------------------------------------------------------


class Toy:
    """p(z) = N(0, I), p(x|z) = N(Wz, σ²I) with one datum x, and q(z) = N(μ, diag v): the ELBO's gradient in (μ, log v) is known.

    E_q‖x − Wz‖² = ‖x − Wμ‖² + Σ_ij W_ij² v_j. The columns of W shrink with d, so that x varies as much whatever d is.
    """

    def __init__(self, dimensions: int, size: int = 5, scale: float = 0.7):
        generator = torch.Generator().manual_seed(dimensions)
        self.dimensions, self.scale = dimensions, scale
        self.weight = torch.randn(size, dimensions, generator=generator) / dimensions**0.5
        self.x = torch.randn(size, generator=generator)
        self.parameters = torch.cat([torch.full((dimensions,), 0.4), torch.full((dimensions,), -0.7)])

    def train(self, steps: int) -> None:
        """Adam along the exact gradient; with one dimension q then becomes the exact posterior."""
        parameters = self.parameters.requires_grad_()
        optimiser = torch.optim.Adam([parameters], RATE, maximize=True)
        for _ in range(steps):
            parameters.grad = self.exact()
            optimiser.step()
        self.parameters = parameters.detach()

    def posterior(self, parameters: Float[Tensor, "B P"]) -> Distribution:
        """q, one for each row of parameters."""
        return DiagonalGaussian(torch.nn.Identity())(parameters)

    def prior(self) -> Distribution:
        """N(0, I)."""
        zeros = torch.zeros(self.dimensions)
        return Independent(Normal(zeros, torch.ones_like(zeros)), 1)

    def log_likelihood(self, z: Float[Tensor, "K B d"]) -> Float[Tensor, "K B"]:
        """log p(x|z), up to its constant."""
        return -(self.x - z @ self.weight.T).square().sum(-1) / (2 * self.scale**2)

    def exact(self) -> Float[Tensor, " P"]:
        """The gradient of the ELBO."""
        parameters = self.parameters.detach().double().requires_grad_()
        weight, (mean, log_variance) = self.weight.double(), parameters.chunk(2)
        error = (self.x - weight @ mean).square().sum() + (weight.square() * log_variance.exp()).sum()
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum() / 2
        return torch.autograd.grad(-error / (2 * self.scale**2) - divergence, parameters)[0].float()

    def measure(self, estimator: Estimator, draws: int, repeats: int) -> Moments:
        """``repeats`` gradients at once, each that of a row of its own."""
        parameters = self.parameters.repeat(repeats, 1).requires_grad_()
        for _ in range(WARM_UP):
            started = time.perf_counter()
            draw = estimator.draw(self.posterior(parameters), draws)
            terms = Terms(self.log_likelihood(draw.z), draw.z, self.prior(), draw.posterior)
            surrogate = estimator.surrogate(ELBO(SampledKL(), draws), terms, draw)
            found = torch.autograd.grad(surrogate.sum(), parameters)[0]
            seconds = time.perf_counter() - started
        return Moments(found.mean(0), float(found.var(0).sum()), repeats, seconds / repeats)


def of_toy(dimensions: Sequence[int] = DIMENSIONS, draws: Sequence[int] = DRAWS, repeats: int = 5_000, seed: int = 0) -> Costs:
    """Every estimator on ``Toy``, against the number of latent dimensions and K, and along training; the truth is exact."""

    def compared(dimensions: int, draws: Sequence[int], steps: int = 0) -> Costs:
        toy = Toy(dimensions)
        toy.train(steps)
        return _compare(partial(toy.measure, repeats=repeats), Moments(toy.exact(), 0.0, 1), dimensions, draws, steps)

    with seeded(seed, "gradients"):
        found = [compared(d, draws) for d in dimensions]
        training = [compared(1, (max(draws),), steps) for steps in STEPS]
    rows, skipped = ([row for costs in found for row in getattr(costs, part)] for part in ("rows", "skipped"))
    return Costs(tuple(rows), tuple(skipped), tuple(row for costs in training for row in costs.rows))


# --- a model and a batch of data -----------------------------------------------------------------------


def of_model(
    vae: Model,
    values: Float[Tensor, "B *event"],
    latent: int,
    draws: Sequence[int] = DRAWS,
    repeats: int = 100,
    seed: int = 0,
    steps: int = 0,
) -> Costs:
    """Every estimator on one batch, whose zeros and ones are drawn once, of a model after ``steps`` of training.

    The truth is the mean of very many pathwise draws. Where the posterior has no pathwise gradient RecipeError is raised:
    nothing would be known of the bias.
    """
    with seeded(seed, "gradients", device=vae.device), vae.evaluating():
        x = vae.likelihood.observe(values.to(vae.device))
        truth = _moments(vae, x, repeats, Pathwise(), SHARPER)
        return _compare(partial(_moments, vae, x, repeats), truth, latent, draws, steps)


def _moments(vae: Model, x: Tensor, repeats: int, estimator: Estimator, draws: int) -> Moments:
    """Mean and variance as they come, in doubles: a gradient may have a million entries."""
    for _ in range(WARM_UP):
        _gradient(vae, x, estimator, draws)
    mean, squares, seconds = torch.zeros(()), torch.zeros(()), 0.0
    for n in range(1, repeats + 1):
        started = time.perf_counter()
        gradient = _gradient(vae, x, estimator, draws)
        seconds += time.perf_counter() - started
        away = gradient - mean
        mean = mean + away / n
        squares = squares + (away * (gradient - mean)).sum()
    return Moments(mean, float(squares) / (repeats - 1), repeats, seconds / repeats)


def _gradient(vae: Model, x: Tensor, estimator: Estimator, draws: int) -> Float[Tensor, " P"]:
    """Of the batch's mean bound in the encoder's parameters."""
    value = -loss(vae, x, ELBO(SampledKL(), draws), estimator.to(x.device)).value
    found = torch.autograd.grad(value, list(vae.posterior.parameters()))
    return torch.cat([part.flatten() for part in found]).cpu().double()
