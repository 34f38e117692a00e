"""The loop: draw a batch, descend the loss, yield what happened. Nothing here prints or writes.

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
    """Where a training stands, besides the weights; with both it goes on to the same bits.

    The order of the data and the noise of each step follow from ``seed`` and ``step`` alone.
    """

    optimizer: torch.optim.Optimizer
    seed: int = 0
    step: int = 0


@dataclass(frozen=True)
class Record:
    """One step: its number, its epoch (both from 1), whether it ends the epoch, and its means in nats.

    The means stay on the device until asked for, so that nobody waits who does not look.
    """

    step: int
    epoch: int
    ends_epoch: bool
    rows: int
    means: Float[Tensor, " 3"]

    @property
    def bound(self) -> float:
        """Mean bound of the batch, nats a datum."""
        return float(self.means[0])

    @property
    def log_likelihood(self) -> float:
        """Mean reconstruction term E_q[log p(x|z)] of the batch, nats a datum."""
        return float(self.means[1])

    @property
    def kl(self) -> float:
        """Mean KL(q(z|x) ‖ p(z)) of the batch, nats a datum."""
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

    Without ``state`` it starts anew with ``Adam`` and ``seed``; with one it goes on from where that
    stands (``seed`` is then the state's), and the state is kept up to date, so that between two records
    it can be saved. By default the objective is ``ELBO()`` and the estimator ``Pathwise()``. ``loss`` says what a step descends
    where it is more than that of its rows, as in ``semi``.
    Networks multiply in the type ``products`` (by default ``devices.fastest``; ``torch.float32`` for no rounding), see ``nn.rounding``.
    ``rate`` is the share of the optimiser's own learning rate at each epoch (by default all of it); gradients whose norm is above ``clip``
    are shortened to it. Where ``group`` has several processes each makes its share of every step (of losses that are sums over rows).
    ``epochs`` counts those that ``state`` has behind it. The model is left in training mode; a ``VAE`` answers in
    evaluation mode all the same. Errors: DataError where there are no data, or the likelihood cannot be a law of them.
    """
    _check(vae, data)
    vae.train()
    state = state or State(Adam(vae.parameters()), seed)
    objective, estimator = objective or ELBO(), estimator or Pathwise()
    steps = steps_an_epoch(len(data), batch)
    estimator.train()
    group = group or ProcessGroup()
    device = vae.device
    rounded = ROUNDED and isinstance(state.optimizer, Adam) and group.size == 1 and clip is None  # others add gradients up
    descend = choose(vae, objective, estimator, loss, products or fastest(device), rounded)
    while (position := divmod(state.step, steps))[0] < epochs:
        epoch, done = position
        batches = batches_of(len(data), batch, state.seed, epoch)
        for number, rows in enumerate(batches[done:], start=done + 1):
            now = objective.at(state.step / steps)
            with group.noise(rows, now.samples, state.seed, "noise", state.step, device=device):
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
    """The gradient of a batch, of which this process descends its share; and the means."""
    mine = rows[group.share(rows)]
    if len(mine):
        return group.all_reduce(vae, descend(data, mine, objective), len(mine) / len(rows))
    vae.zero_grad()
    return group.all_reduce(vae, torch.zeros(3, device=vae.device), 0.0)


def _shorten(vae: Model, clip: float) -> None:
    """Gradients of a norm above ``clip`` to that norm. One that is not finite is left as it is, so that it can be said whose it was."""
    gradients = [parameter.grad for parameter in vae.parameters() if parameter.grad is not None]
    norm = nn.utils.get_total_norm(gradients)
    if torch.isfinite(norm):
        nn.utils.clip_grads_with_norm_(vae.parameters(), clip, norm)


def _set_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * share


def _check(vae: Model, data: Rows) -> None:
    if not len(data):
        raise DataError("there are no data to train on")
    for rows in torch.arange(len(data)).split(rows_at_once(data)):
        vae.likelihood.admit(data[rows])
