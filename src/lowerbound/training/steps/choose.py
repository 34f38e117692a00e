"""The choice of a kind of step, before each step anew; and what all kinds have in common: shares, noise, rate, clipping, optimizer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.data.dataset import Dataset
from lowerbound.data.rows import Rows
from lowerbound.system import threads
from lowerbound.system.interrupts import uninterrupted
from lowerbound.training.adam import descend
from lowerbound.training.finite import Watch
from lowerbound.training.gradient_sum import GradientSum
from lowerbound.training.processes import Share
from lowerbound.training.steps.autograd import ByAutograd
from lowerbound.training.steps.captured import ByCapture
from lowerbound.training.steps.captured_levels import LevelsByCapture
from lowerbound.training.steps.changes import Changes, Weights
from lowerbound.training.steps.descent import LearningRates, shortened
from lowerbound.training.steps.fused import ByHand
from lowerbound.training.steps.plan import Plan, Step, nobody
from lowerbound.training.steps.small import is_small, multiplied
from lowerbound.training.steps.tables import InOneLoop
from lowerbound.vae.objectives.base import Objective

#: the first that takes a plan is chosen
KINDS: tuple[type[Step], ...] = (InOneLoop, ByCapture, LevelsByCapture, ByHand, ByAutograd)


@contextmanager
def choose(plan: Plan) -> Iterator[Descent]:
    """The steps of a plan; when the block ends, in whatever way, gradients have the types of their weights."""
    descent = Descent(plan)
    try:
        yield descent
    finally:
        if not sys.is_finalizing():  # else nobody is there to read them, and torch 2.13 would abort the process
            descent.give_back()


class Descent:
    """Step after step down the loss, each of the kind whose case the model is by then."""

    def __init__(self, plan: Plan):
        self.plan, self.device = plan, plan.vae.device
        self.changes, self.weights, self.rates = Changes(plan), Weights(plan), LearningRates()
        self.step: Step = ByAutograd(plan)
        self.sum: GradientSum | None = None  # over shares, where a batch has several
        self.watch = Watch(plan)
        self.each: int | None = None  # multiplications of an example
        self.skipped = False  # the last step, whose gradient was too long

    def __call__(self, data: Rows, rows: Int64[Tensor, " B"], epoch: float) -> Float[Tensor, " 3"]:
        """One step of the optimizer for a batch, ``epoch`` passes after the start; return the batch's means, as ``Step.gradient``.

        The state counts it as the weights move, and no Ctrl-C comes between the two. Errors: UsageError where the model was changed so
        that no step is possible; NotFinite; those of the loss.
        """
        step = self._chosen()
        with threads.at_most(1) if is_small(step, self.each, len(rows)) else nullcontext():
            return self._taken(step, data, rows, epoch)

    def _taken(self, step: Step, data: Rows, rows: Tensor, epoch: float) -> Float[Tensor, " 3"]:
        plan, state = self.plan, self.plan.state
        objective = plan.objective.at(epoch)
        means = self._shared(step, data, rows, objective)
        self.watch.before(data, rows, objective, epoch, means)
        if plan.rate is not None:
            self.rates.set(state.optimizer, plan.rate(epoch))
        self.skipped = shortened(plan.vae, plan.clip, plan.skip)
        with uninterrupted():
            if not self.skipped:
                descend(state.optimizer)
            state.step += 1
        return means

    def give_back(self) -> None:
        """Leave gradients in the types of their weights."""
        self.step.give_back()

    def _chosen(self) -> Step:
        """The step that takes the plan as the model is now. Errors: UsageError where the optimizer's memory does not fit a weight."""
        if self.changes.any():
            self.weights.admit()
            self.give_back()
            self.plan.vae.zero_grad()
            self.sum = GradientSum.of(self.plan.group, self.plan.vae)
            ready = nobody if self.sum is None else self.sum.ready
            self.each = multiplied(self.plan.vae)
            self.step = next(kind for kind in KINDS if kind.takes(self.plan))(self.plan, ready)
        return self.step

    def _shared(self, step: Step, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """Leave the gradient of a batch in the weights, summed over the shares of all processes; return the means."""
        group, total = self.plan.group, self.sum
        if total is None:
            return self._of_share(step, data, Share(rows, len(rows)), objective)
        shares = group.shares(rows)
        total.begin(len(rows))
        for share in shares:
            total.share(share, last=share is shares[-1])
            total.end_share(self._of_share(step, data, share, group.of_share(objective, share.weight / len(rows))))
        return total.finish()

    def _of_share(self, step: Step, data: Rows, share: Share, objective: Objective) -> Float[Tensor, " 3"]:
        """Leave the gradient of a share in the weights, by the random numbers of this step; return its means."""
        state, by_row = self.plan.state, step.draws_by_row and type(data) in (Dataset, Tensor)  # others may draw what they give
        with self.plan.group.noise(share, state.seed, "noise", state.step, device=self.device, all_by_row=by_row):
            return step.gradient(data, share.rows, objective)
