"""A deep exponential family of faces: 463,800 gamma variables, and the gradients that three estimators give for them.

Three layers of sparse gamma variables under a Poisson likelihood for each image, with weights that are gamma variables too:

    z₃ ~ Gamma(0.1, 0.1),  z_l ~ Gamma(α, α / (z_{l+1} w_l)) for l = 2, 1,  x ~ Poisson(z₁ w₀),  w ~ Gamma(0.1, 0.3)

q is a Gamma for each z and w, parametrised by shape and mean. As for any VAE here

    bound = E_q[log p(x|z, w)] − KL(q(z, w) ‖ p(z, w)),

the KL of each variable in closed form given a draw of those above it.

Source: Ranganath et al., "Deep Exponential Families", 2015, https://proceedings.mlr.press/v38/ranganath15.html; the experiment:
Naesseth et al., "Reparameterization Gradients through Acceptance-Rejection Sampling Algorithms", 2017,
https://arxiv.org/abs/1610.05683 (section 6); Ruiz et al., "The Generalized Reparameterization Gradient", 2016,
https://arxiv.org/abs/1610.02287.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import kl_divergence
from torch.nn.functional import softplus

from lowerbound import distributions
from lowerbound.recipes.estimators import ESTIMATORS
from lowerbound.system.seeding import seeded
from lowerbound.vae.estimators import LocalSignals, NodeEstimator
from lowerbound.vae.terms import Node

LAYERS = (100, 40, 15)
SPARSITY = 0.1  # α, the shape of every z
WEIGHTS = (0.1, 0.3)  # shape and rate of every w
FIRST = ((0.5, 0.1), (0.0, 0.1))  # mean and standard deviation of the initial unconstrained shapes and means
LEAST = (1e-3, 1e-4)  # least shape and least mean
HELD_OUT = (8, 9)  # of each person's ten images

Parts = dict[str, Tensor]  # by the names of the variables: z1, z2, z3, w0, w1, w2
Nodes = dict[str, Node]


@dataclass(frozen=True)
class Setting:
    """An estimator of ``words``, its learning rate η, and the draws per step."""

    estimator: str
    rate: float
    draws: int


#: the estimators compared, under their names in the literature
SETTINGS = {
    "implicit": Setting("pathwise", 1.0, 1),
    "g-rep": Setting("g-rep", 1.0, 4),
    "score function": Setting("score", 1.0, 4),
}

#: iteration → bound, in the logs that Naesseth et al. published with their code
PUBLISHED = {
    "rejection sampling": {1: -8.10e7, 10: -1.32e7, 100: -1.03e7, 1_000: -7.33e6, 10_000: -6.76e6},
    "g-rep": {1: -1.67e9, 10: -2.73e8, 100: -8.78e7, 1_000: -7.77e6, 10_000: -6.79e6},
    "score function": {1: -2.99e7, 10: -1.83e7, 100: -1.67e7, 1_000: -1.49e7},
}


@dataclass(frozen=True)
class Step:
    """Before step ``iteration``: the bound estimated from its draws, in nats for all examples together, and the seconds so far."""

    iteration: int
    bound: float
    seconds: float


def is_mark(iteration: int) -> bool:
    """Whether to record this step: 1, 2, … 9, 10, 20, … 90, 100, 200, …"""
    return iteration % 10 ** int(math.log10(iteration)) == 0


def side_by_side(found: Mapping[str, Sequence[Step]]) -> list[dict[str, int | float]]:
    """A row for steps 1, 2, 5, 10, …, the last and the published ones: our bounds and the published ones, NaN where there is none."""
    columns = {name: {step.iteration: step.bound for step in steps} for name, steps in found.items()}
    columns |= {f"{name}, published": bounds for name, bounds in PUBLISHED.items()}
    last = max(steps[-1].iteration for steps in found.values())
    marks = {m * 10**k for k in range(len(str(last))) for m in (1, 2, 5) if m * 10**k <= last}
    shown = sorted(marks | {last} | {i for bounds in PUBLISHED.values() for i in bounds})
    return [{"step": i, **{name: bounds.get(i, math.nan) for name, bounds in columns.items()}} for i in shown]


def training(images: Float[Tensor, "400 *event"]) -> Float[Tensor, "320 D"]:
    """The grey levels, 0–255, of the images that the published experiments train on."""
    kept = [n for n in range(len(images)) if n % 10 not in HELD_OUT]
    return images[kept].flatten(1).mul(255).round().double()


class DeepGamma:
    """The model and its q for counts x ``(N, D)``; ``raw`` are q's parameters: shape and mean of each variable before softplus."""

    def __init__(self, x: Float[Tensor, "N D"], layers: tuple[int, ...]):
        self.x, self.depth = x, len(layers)
        self.log_factorial = (x + 1).lgamma()
        widths = (x.shape[1], *layers)
        shapes = {f"z{level}": (len(x), widths[level]) for level in range(1, self.depth + 1)}
        shapes |= {f"w{level}": (widths[level + 1], widths[level]) for level in range(self.depth)}
        self.raw = {name: _first(shape) for name, shape in shapes.items()}

    def posterior(self) -> dict[str, distributions.Gamma]:
        """q of each variable, one Gamma per entry."""
        found = {}
        for name, raw in self.raw.items():
            shape, mean = softplus(raw)
            found[name] = distributions.Gamma(shape, shape / mean, validate_args=False)
        return found

    def draw(self, estimator: NodeEstimator, draws: int) -> Nodes:
        """Each variable with its p given those above it, broadcastable to its draws ``(K, ·, ·)``: weights first, then z from the top."""
        posterior = self.posterior()
        nodes: Nodes = {}

        def take(name: str, prior: distributions.Gamma) -> None:
            nodes[name] = replace(estimator.draw(posterior[name], prior, draws), name=name)

        for level in range(self.depth):
            take(f"w{level}", _gamma(*WEIGHTS))
        for level in reversed(range(1, self.depth + 1)):
            above = level < self.depth
            rate = SPARSITY / (nodes[f"z{level + 1}"].z @ nodes[f"w{level}"].z) if above else SPARSITY
            take(f"z{level}", _gamma(SPARSITY, rate))
        return nodes

    def terms(self, nodes: Nodes) -> tuple[Float[Tensor, "K N D"], Parts]:
        """log p(x|z, w) of each value, and the KL of each variable, ``(K, ·, ·)`` where it depends on draws, in nats."""
        rate = nodes["z1"].z @ nodes["w0"].z
        log_likelihood = self.x.xlogy(rate) - rate - self.log_factorial
        return log_likelihood, {name: kl_divergence(node.posterior, node.prior) for name, node in nodes.items()}

    def signals(self, log_likelihood: Float[Tensor, "K N D"], kl: Parts) -> Parts:
        """For each variable the terms that depend on its draws: those of the layer below that it enters (Rao–Blackwell)."""
        below = [log_likelihood, *(-kl[f"z{level}"] for level in range(1, self.depth))]
        found = {f"z{level + 1}": each.sum(2, keepdim=True) for level, each in enumerate(below)}
        return found | {f"w{level}": each.sum(1, keepdim=True) for level, each in enumerate(below)}

    def estimate(self, estimator: NodeEstimator, draws: int, local: LocalSignals) -> tuple[Tensor, Tensor]:
        """The bound of all data together, and what to differentiate for its gradient."""
        nodes = self.draw(estimator, draws)
        log_likelihood, kl = self.terms(nodes)
        bound = log_likelihood.mean(0).sum() - sum(each.sum() / (draws if each.dim() > 2 else 1) for each in kl.values())
        return bound, local(bound, list(nodes.values()), self.signals(log_likelihood, kl))


def _first(shape: tuple[int, int]) -> Tensor:
    raw = torch.stack([centre + spread * torch.randn(shape, dtype=torch.float64) for centre, spread in FIRST])
    return raw.requires_grad_()


def _gamma(shape: float, rate: float | Tensor) -> distributions.Gamma:
    rates = torch.as_tensor(rate, dtype=torch.float64)
    return distributions.Gamma(torch.tensor(shape, dtype=torch.float64).expand_as(rates), rates, validate_args=False)


class Ascent:
    """Gradient ascent with steps of size η n^(−½) / (1 + √s), s a running mean of the squared gradient, n counted from 2."""

    def __init__(self, parameters: Parts, rate: float):
        self.parameters, self.rate, self.n = parameters, rate, 1
        self.squares = {name: torch.zeros_like(value) for name, value in parameters.items()}

    @torch.no_grad()
    def step(self, gradients: Parts) -> None:
        """One step up the gradients; shapes and means below their least values are set to these."""
        self.n += 1
        for name, gradient in gradients.items():
            square = self.squares[name].mul_(0.9).addcmul_(gradient, gradient, value=0.1)
            value = self.parameters[name].addcdiv_(gradient, 1 + square.sqrt(), value=self.rate * self.n**-0.5)
            for row, least in zip(value, LEAST, strict=True):
                row.clamp_(min=math.log(math.expm1(least)))


def climb(x: Float[Tensor, "N D"], setting: Setting, seed: int = 0, layers: tuple[int, ...] = LAYERS) -> Iterator[Step]:
    """The bound before each step, without end: the caller stops.

    Where the estimator has a score term, that of each variable is weighted by its own terms minus their running mean.
    """
    estimator: NodeEstimator = ESTIMATORS[setting.estimator].make()
    with seeded(seed, "faces", "start"):
        model = DeepGamma(x, layers)
    ascent, local = Ascent(model.raw, setting.rate), LocalSignals()
    started = time.perf_counter()
    for iteration in itertools.count(1):
        with seeded(seed, "faces", iteration):
            bound, surrogate = model.estimate(estimator, setting.draws, local)
        yield Step(iteration, float(bound.detach()), time.perf_counter() - started)
        found = torch.autograd.grad(surrogate, list(model.raw.values()))
        ascent.step(dict(zip(model.raw, found, strict=True)))
