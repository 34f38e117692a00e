"""The training loop: draw a batch, descend the loss, yield a record. Nothing here prints or writes.

Logging, checkpoints and early stopping are the body of the caller's ``for``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.python import Source
from lowerbound.data.rows import Rows, first_look
from lowerbound.errors import DataError
from lowerbound.system import markup
from lowerbound.system.arguments import one_of, whole
from lowerbound.system.devices import fastest
from lowerbound.training.batches import batches_of, fewest, steps_an_epoch
from lowerbound.training.processes import ProcessGroup
from lowerbound.training.settling import settle
from lowerbound.training.state import State
from lowerbound.training.steps.choose import choose
from lowerbound.training.steps.plan import Plan
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.estimators.pathwise import Pathwise
from lowerbound.vae.likelihoods.base import Meets
from lowerbound.vae.loss import LossFunction, of_rows
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.observation import must_admit, must_fit
from lowerbound.vae.parts import must_be_model
from lowerbound.vae.schedules import Schedule


@dataclass(frozen=True)
class Record:
    """One step: its number, its epoch (both from 1), whether it ends the epoch, its number of examples, and its means in nats.

    ``skipped`` says that its gradient was too long, and the weights stayed as they were.
    The means stay on the device until they are read, so that only a caller that reads them waits.
    """

    step: int
    epoch: int
    ends_epoch: bool
    rows: int
    means: Float[Tensor, " 3"]
    skipped: bool = False

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

    def _repr_html_(self) -> str:
        of_batch = {"bound": self.bound, "E[log p(x|z)]": self.log_likelihood, "KL": self.kl, "examples": self.rows}
        return markup.table(f"Step {self.step:,}, epoch {self.epoch:,}; nats per example", of_batch)


def fit(
    vae: Model,
    data: Source,
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
    skip: float | None = None,
    group: ProcessGroup | None = None,
) -> Iterator[Record]:
    """Train ``vae`` in place for ``epochs`` passes over ``data``, yielding a ``Record`` after each step.

    ``data`` are examples in memory: a ``Dataset``, an array, a frame, one of torch's data sets or loaders (``lb.data.dataset_of``).
    What is maximised is the mean over a batch of ``objective``, by default the ELBO, by the gradient of ``estimator``, by default the path.
    Without ``state`` it starts with a new one of ``seed``; with one it continues from there, and keeps it up to date, so that it can be
    saved between two records. ``loss`` is that of a step where it is more than that of its examples, as in ``semi_supervised``. Networks
    multiply in the type ``products`` (by default ``devices.fastest``; ``torch.float32`` rounds nothing). ``rate`` is a factor on the
    learning rate at each epoch; longer gradients are shortened to ``clip``, and a step whose
    gradient is longer than ``skip`` leaves the weights as they are. The processes of a ``group`` share each step. ``epochs``
    includes those that ``state`` has completed. A last batch of one example is a part of the one before where the model has batch norm. The
    model is put in training mode at the start; what the caller changes meanwhile holds from the next step on (docs/guide/training.md).

    Errors, when the first record is asked for: UsageError for an argument that makes no sense; DataError where there are no examples,
    values that the likelihood has not, or examples that encoder and decoder cannot take; RecipeError where the parts of the model do not
    fit one another. Diverged where a number stops being finite: it names the step, the row and the term.

    >>> import lowerbound as lb
    >>> digits = lb.data.load("digits")
    >>> vae = lb.build(lb.Recipe(network="mlp:64", latent=2), (1, 8, 8)).vae
    >>> ends = [record for record in lb.fit(vae, digits.train, epochs=3) if record.ends_epoch]
    >>> [record.step for record in ends], ends[-1].bound > ends[0].bound  # the bound of the last batch, nats per example
    ([13, 26, 39], True)
    """
    must_be_model(vae, Model)
    epochs, batch = whole("epochs", epochs, 0), whole("batch", batch, 1)
    state = State.new(vae, seed) if state is None else one_of("state", state, State, "lb.State.new(vae, seed)")
    objective, estimator, group = objective or ELBO(), estimator or Pathwise(), group or ProcessGroup()
    plan = Plan(vae, objective, estimator, loss, state, products or fastest(vae.device), rate, clip, skip, group)
    plan.must_make_sense()
    data, least = _checked(vae, data), fewest(vae)
    steps = steps_an_epoch(len(data), batch, least)
    vae.train(), estimator.train()
    with choose(plan) as step:
        while (position := divmod(state.step, steps))[0] < epochs:
            epoch, done = position
            batches = batches_of(data, batch, state.seed, epoch, least)
            for number in range(done + 1, steps + 1):
                rows = batches[number - 1]
                means = step(data, rows, state.step / steps)
                if number == steps:
                    step.watch.after(data, last=epoch + 1 == epochs)
                    settle(vae, data, state.seed)
                yield Record(state.step, epoch + 1, number == steps, len(rows), means, step.skipped)


def _checked(vae: Model, source: Source) -> Rows:
    """The source as rows, the model tried on the first and the likelihood on all of them, once for all steps."""
    found = vae.examples(source)
    data = found.rows
    if not len(data):
        raise DataError("there are no examples to train on")
    if found.alone:
        raise DataError("this is one example without a batch axis, and training wants several; give them as (N, …)")
    must_fit(vae, data)
    must_admit(vae, data)
    if isinstance(vae.likelihood, Meets):
        vae.likelihood.meet(data[rows] for rows in first_look(data))
    return data
