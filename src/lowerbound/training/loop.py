"""The training loop: draw a batch, descend the loss, yield a record. Nothing here prints or writes.

Logging, checkpoints and early stopping are the body of the caller's ``for``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lowerbound.data.rows import Rows, rows_at_once
from lowerbound.errors import DataError
from lowerbound.system.devices import fastest
from lowerbound.training.adam import ROUNDED, Adam
from lowerbound.training.batches import batches_of, steps_an_epoch
from lowerbound.training.processes import ProcessGroup
from lowerbound.training.steps.choose import choose, leave_gradients_whole
from lowerbound.training.steps.fused import Step
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.loss import LossFunction, of_rows
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.schedules import Schedule


@dataclass
class State:
    """The state of a training besides the weights; from both it continues with the same bits.

    The order of the examples and the noise of each step follow from ``seed`` and ``step`` alone.
    """

    optimizer: torch.optim.Optimizer
    seed: int = 0
    step: int = 0


@dataclass(frozen=True)
class Record:
    """One step: its number, its epoch (both from 1), whether it ends the epoch, its number of examples, and its means in nats.

    The means stay on the device until they are read, so that only a caller that reads them waits.
    """

    step: int
    epoch: int
    ends_epoch: bool
    rows: int
    means: Float[Tensor, " 3"]

    @property
    def bound(self) -> float:
        """Mean bound of the batch, nats per example."""
        return float(self.means[0])

    @property
    def log_likelihood(self) -> float:
        """Mean reconstruction term E_q[log p(x|z)] of the batch, nats per example."""
        return float(self.means[1])

    @property
    def kl(self) -> float:
        """Mean KL(q(z|x) ‖ p(z)) of the batch, nats per example."""
        return float(self.means[2])


def fit(
    vae: Model,
    data: Rows,
    *,
    epochs: int,
    batch: int = 128,
    objective: Objective | None = None,
    estimator: Estimator | None = None,
    loss: LossFunction = of_rows,
    seed: int = 0,
    state: State | None = None,
    products: torch.dtype | None = None,
    rate: Schedule | None = None,
    clip: float | None = None,
    group: ProcessGroup | None = None,
) -> Iterator[Record]:
    """Train ``vae`` in place for ``epochs`` passes over ``data``, yielding a ``Record`` after each step.

    Without ``state`` it starts with a new ``Adam`` and ``seed``; with one it continues from there
    (``seed`` is then the state's), and the state is kept up to date, so that it can be saved between two
    records. By default the objective is ``ELBO()`` and the estimator ``Pathwise()``. ``loss`` is the loss of a step
    where it is more than that of its examples, as in ``semi``.
    Networks multiply in the type ``products`` (by default ``devices.fastest``; ``torch.float32`` for no rounding), see ``nn.precision``.
    ``rate`` is the factor on the optimiser's learning rate at each epoch (by default 1); gradients with a norm above ``clip``
    are scaled down to it. If ``group`` has several processes, each computes its share of every step (for losses that are sums over
    examples). ``epochs`` includes those that ``state`` has completed. The model is left in training mode; the methods of a ``VAE`` use
    evaluation mode nevertheless. Errors: DataError where there are no examples, or the likelihood is not defined for their values.
    """
    _check(vae, data)
    vae.train()
    state = state or State(Adam(vae.parameters()), seed)
    objective, estimator = objective or ELBO(), estimator or Pathwise()
    steps = steps_an_epoch(len(data), batch)
    estimator.train()
    group = group or ProcessGroup()
    device = vae.device
    rounded = ROUNDED and isinstance(state.optimizer, Adam) and group.size == 1 and clip is None  # other cases sum gradients
    descend = choose(vae, objective, estimator, loss, products or fastest(device), rounded)
    while (position := divmod(state.step, steps))[0] < epochs:
        epoch, done = position
        batches = batches_of(len(data), batch, state.seed, epoch)
        for number, rows in enumerate(batches[done:], start=done + 1):
            now = objective.at(state.step / steps)
            with group.noise(rows, state.seed, "noise", state.step, device=device):
                means = _shared(group, vae, descend, data, rows, now)
            if rate is not None:
                _set_rate(state.optimizer, rate(state.step / steps))
            if clip is not None:
                _shorten(vae, clip)
            state.optimizer.step()
            state.step += 1
            yield Record(state.step, epoch + 1, number == len(batches), len(rows), means)
    leave_gradients_whole(vae)


def _shared(group: ProcessGroup, vae: Model, descend: Step, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
    """Leave the gradient of a batch in the weights, summed over the shares of all processes; return the means."""
    mine, weight = group.mine(rows)
    return group.all_reduce(vae, descend(data, mine, group.of_share(objective, weight)), weight)


def _shorten(vae: Model, clip: float) -> None:
    """Scale gradients with a norm above ``clip`` down to it. If the norm is not finite they are unchanged, so that it can be traced."""
    gradients = [parameter.grad for parameter in vae.parameters() if parameter.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if torch.isfinite(norm):
        nn.utils.clip_grads_with_norm_(vae.parameters(), clip, norm)


def _set_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * share


def _check(vae: Model, data: Rows) -> None:
    if not len(data):
        raise DataError("there are no examples to train on")
    for rows in torch.arange(len(data)).split(rows_at_once(data)):
        vae.likelihood.admit(data[rows])
