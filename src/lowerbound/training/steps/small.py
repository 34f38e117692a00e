"""Steps so small that one thread does them as fast as several, which wait for one another at each of many products.

Where other work leaves a thread without a processor they wait for milliseconds, so that one is many times as fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from itertools import takewhile

import torch
from torch import nn

from lowerbound.data.dataset import Dataset
from lowerbound.nn.networks import mlp
from lowerbound.system import threads
from lowerbound.system.machine import ROWS, Question, Ways, known, numbers
from lowerbound.system.noise import by_row
from lowerbound.training.adam import Adam
from lowerbound.training.state import State
from lowerbound.training.steps.captured import ByCapture
from lowerbound.training.steps.fused import ByHand
from lowerbound.training.steps.plan import Plan, Step
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.likelihoods import Bernoulli
from lowerbound.vae.loss import of_rows
from lowerbound.vae.model import VAE, Model
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.posteriors import DiagonalGaussian
from lowerbound.vae.priors import StandardNormal

#: multiplications of a forward pass, as powers of two, and how much slower one thread may be
SIZES, SLOWER = (20, 22, 23, 24, 25, 26), 1.1


def is_small(step: Step, each: int | None, rows: int) -> bool:
    """Whether a batch is, of so many multiplications an example and a draw (``multiplied``)."""
    return not step.is_one_loop and each is not None and rows * step.plan.objective.samples * each <= float(known(THREADS).answer)


def multiplied(vae: Model) -> int | None:
    """Multiplications of an example and a draw in linear layers; None where others have matrices, which may be used many times."""
    layers = [layer for layer in vae.modules() if any(weight.dim() > 1 for weight in layer.parameters(recurse=False))]
    linear = [layer.weight.numel() for layer in layers if isinstance(layer, nn.Linear)]
    return sum(linear) if vae.device.type == "cpu" and len(linear) == len(layers) else None


# --- measured, where somebody asks on an idle machine --------------------------------------------------------


def _of_threads() -> Ways:
    """A step of a network of one hidden layer, as wide as its examples, by one thread and by all."""
    return {_named(size, one): _step(math.isqrt(2**size // (2 * ROWS)), one) for size in SIZES for one in (True, False)}


def _named(size: int, one: bool) -> str:
    return f"2^{size} by {'one' if one else 'all'}"


def _step(width: int, one: bool) -> Callable[[], None]:
    vae = VAE(StandardNormal(2), Bernoulli(mlp(2, width, width)), DiagonalGaussian(mlp(width, width, 4)))
    state = State(Adam(vae.parameters(), 1e-3), 0)
    plan = Plan(vae, ELBO(), Pathwise(), of_rows, state, torch.float32)
    data, all_rows = Dataset((numbers(ROWS, width) > 0.9).float()), torch.arange(ROWS)
    step = ByCapture(plan) if ByCapture.takes(plan) else ByHand(plan)

    def way() -> None:
        with threads.at_most(1) if one else nullcontext(), by_row(0, all_rows):
            step.gradient(data, all_rows, plan.objective)
            state.optimizer.step()

    return way


def _up_to(milliseconds: Mapping[str, float]) -> float:
    """The multiplications up to which one thread is as fast, at most those measured."""
    as_fast = takewhile(lambda size: milliseconds[_named(size, True)] <= SLOWER * milliseconds[_named(size, False)], SIZES)
    return 2.0 ** max(as_fast, default=0)


THREADS = Question(
    "threads-of-a-step", "multiplications of a small step, for one thread", _of_threads, _up_to, lambda: 2.0**24, one_thread=False
)
