"""What each gradient estimator costs: bias, variance, seconds, and variance × seconds.

Both experiments maximise the ELBO with the sampled KL, and look at the gradient in the encoder's parameters.
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
from lowerbound.nn.mode import in_evaluation
from lowerbound.recipes.estimators import ESTIMATORS, OF_CLASSES
from lowerbound.system.seeding import seeded
from lowerbound.vae.estimators.base import NodeEstimator
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.loss import loss
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import SampledKL
from lowerbound.vae.posteriors import DiagonalGaussian
from lowerbound.vae.terms import Terms

DIMENSIONS = (1, 2, 5, 10, 20)
DRAWS = (1, 10)
STEPS = (0, 10, 30, 100, 300, 1_000)  # of training, after which the one-dimensional toy is measured
RATE = 0.02  # the learning rate of that training
WARM_UP = 3  # gradients not counted: a running baseline needs some first
SHARPER = 100  # draws of each gradient whose mean stands in for the exact one of a run


@dataclass(frozen=True)
class Row:
    """One estimator with K = ``draws`` after ``steps`` of training: ``repeats`` independent estimates of its gradient.

    ``bias`` is ‖mean − truth‖ and ``bias_in_errors`` that divided by its standard error, about 1 without bias;
    ``variance`` is summed over the parameters; ``seconds`` is the time of one gradient; ``cost`` is variance × seconds.
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
    """An estimator that cannot be used with the model, and why."""

    estimator: str
    dimensions: int
    draws: int
    reason: str


@dataclass(frozen=True)
class Costs:
    """All rows after a number of training steps, and the estimators skipped; for the toy also rows along its training."""

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    training: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Moments:
    """Mean ``(P,)`` and total variance of ``repeats`` estimates of a gradient, and the seconds for one."""

    mean: Float[Tensor, " P"]
    variance: float
    repeats: int
    seconds: float = 0.0


Measure = Callable[[NodeEstimator, int], Moments]  # of an estimator and K


def _compare(measure: Measure, truth: Moments, dimensions: int, draws: Sequence[int], steps: int = 0) -> Costs:
    rows, skipped = [], []
    for k in draws:
        for name, word in ESTIMATORS.items():
            if name in OF_CLASSES:
                continue
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
    """p(z) = N(0, I), p(x|z) = N(Wz, σ²I) with one example x, and q(z) = N(μ, diag v): the ELBO's gradient in (μ, log v) is known.

    E_q‖x − Wz‖² = ‖x − Wμ‖² + Σ_ij W_ij² v_j. The columns of W shrink with d, so that the variance of x does not depend on d.
    """

    def __init__(self, dimensions: int, size: int = 5, scale: float = 0.7):
        generator = torch.Generator().manual_seed(dimensions)
        self.dimensions, self.scale = dimensions, scale
        self.weight = torch.randn(size, dimensions, generator=generator) / dimensions**0.5
        self.x = torch.randn(size, generator=generator)
        self.parameters = torch.cat([torch.full((dimensions,), 0.4), torch.full((dimensions,), -0.7)])

    def train(self, steps: int) -> None:
        """Steps of Adam along the exact gradient; with one dimension q converges to the exact posterior."""
        parameters = self.parameters.requires_grad_()
        optimiser = torch.optim.Adam([parameters], RATE, maximize=True)
        for _ in range(steps):
            parameters.grad = self.exact()
            optimiser.step()
        self.parameters = parameters.detach()

    def posterior(self, parameters: Float[Tensor, "B P"]) -> Distribution:
        """q(z), one distribution for each row of parameters (μ, log v)."""
        return DiagonalGaussian(torch.nn.Identity())(parameters)

    def prior(self) -> Distribution:
        """The prior N(0, I)."""
        zeros = torch.zeros(self.dimensions)
        return Independent(Normal(zeros, torch.ones_like(zeros)), 1)

    def log_likelihood(self, z: Float[Tensor, "K B d"]) -> Float[Tensor, "K B"]:
        """log p(x|z), up to its constant."""
        return -(self.x - z @ self.weight.T).square().sum(-1) / (2 * self.scale**2)

    def exact(self) -> Float[Tensor, " P"]:
        """The exact gradient of the ELBO in (μ, log v)."""
        parameters = self.parameters.detach().double().requires_grad_()
        weight, (mean, log_variance) = self.weight.double(), parameters.chunk(2)
        error = (self.x - weight @ mean).square().sum() + (weight.square() * log_variance.exp()).sum()
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum() / 2
        return torch.autograd.grad(-error / (2 * self.scale**2) - divergence, parameters)[0].float()

    def measure(self, estimator: NodeEstimator, draws: int, repeats: int) -> Moments:
        """``repeats`` gradients at once, each for its own row of parameters."""
        parameters = self.parameters.repeat(repeats, 1).requires_grad_()
        for _ in range(WARM_UP):
            started = time.perf_counter()
            node = estimator.draw(self.posterior(parameters), self.prior(), draws)
            terms = Terms(self.log_likelihood(node.z), (node,))
            surrogate = estimator.surrogate(ELBO(SampledKL(), draws), terms)
            found = torch.autograd.grad(surrogate.sum(), parameters)[0]
            seconds = time.perf_counter() - started
        return Moments(found.mean(0), float(found.var(0).sum()), repeats, seconds / repeats)


def of_toy(dimensions: Sequence[int] = DIMENSIONS, draws: Sequence[int] = DRAWS, repeats: int = 5_000, seed: int = 0) -> Costs:
    """Every estimator on ``Toy`` for each number of latent dimensions and K, and along training; the true gradient is exact."""

    def compared(dimensions: int, draws: Sequence[int], steps: int = 0) -> Costs:
        toy = Toy(dimensions)
        toy.train(steps)
        return _compare(partial(toy.measure, repeats=repeats), Moments(toy.exact(), 0.0, 1), dimensions, draws, steps)

    with seeded(seed, "gradients"):
        found = [compared(d, draws) for d in dimensions]
        training = [compared(1, (max(draws),), steps) for steps in STEPS]
    rows, skipped = ([row for costs in found for row in getattr(costs, part)] for part in ("rows", "skipped"))
    return Costs(tuple(rows), tuple(skipped), tuple(row for costs in training for row in costs.rows))


# --- a model and a batch -----------------------------------------------------------------------


def of_model(
    vae: Model,
    values: Float[Tensor, "B *event"],
    latent: int,
    draws: Sequence[int] = DRAWS,
    repeats: int = 100,
    seed: int = 0,
    steps: int = 0,
) -> Costs:
    """Every estimator on one batch, binarized once, for a model after ``steps`` of training.

    The true gradient is taken as the mean over many pathwise draws. Errors: RecipeError where the posterior has no pathwise gradient,
    because the bias could not be measured.
    """
    vae = in_evaluation(vae)
    with seeded(seed, "gradients", device=vae.device):
        x = vae.likelihood.observe(values.to(vae.device))
        truth = _moments(vae, x, repeats, Pathwise(), SHARPER)
        return _compare(partial(_moments, vae, x, repeats), truth, latent, draws, steps)


def _moments(vae: Model, x: Tensor, repeats: int, estimator: NodeEstimator, draws: int) -> Moments:
    """Running mean and variance, in double precision: a gradient may have a million entries, too many to keep all."""
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


def _gradient(vae: Model, x: Tensor, estimator: NodeEstimator, draws: int) -> Float[Tensor, " P"]:
    """The gradient of the batch's mean bound in the encoder's parameters."""
    value = -loss(vae, x, ELBO(SampledKL(), draws), estimator.to(x.device)).value
    found = torch.autograd.grad(value, list(vae.posterior.parameters()))
    return torch.cat([part.flatten() for part in found]).cpu().double()
