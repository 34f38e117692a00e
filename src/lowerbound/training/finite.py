"""Numbers that stop being finite in a training: how it is seen, and which step, row and term are named.

On a CPU the means of a batch are looked at before the weights move by them. Elsewhere a look waits for the device, and so comes each
``LOOK`` steps and at the end. What a step leaves in weights and in the optimizer's memory is looked at as seldom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from lowerbound.data.rows import Rows, first_look
from lowerbound.errors import Diverged
from lowerbound.nn.precision import multiplying
from lowerbound.training.processes import ProcessGroup, Share
from lowerbound.training.steps.plan import Plan
from lowerbound.vae.objectives.base import Objective

LOOK = 50  # steps between two looks at what makes a device wait
TERMS = ("the reconstruction term log p(x|z)", "the KL", "the bound")
LARGE = 1e4  # a value of the data from here on is named: its square is one of the digits that single precision has
ADVICE = "bring the data to numbers of about 1, raise a σ that is given, lower the learning rate, or shorten gradients, fit(…, clip=10)"


class NotFinite(Diverged):
    """Found at a step, in ``what``; ``message`` names it with all that is known of it. A trainer steps back from it."""

    def __init__(self, step: int, what: str, message: str, advice: str):
        super().__init__(f"{message}; {advice}")
        self.step, self.what, self.message = step, what, message


def not_finite(means: Float[Tensor, " 3"]) -> list[str]:
    """Which terms are not, of bound, reconstruction term and KL. Of a posterior that is a point all but the second may be infinite."""
    bound, log_likelihood, kl = means.tolist()
    found = math.isfinite(log_likelihood), not math.isnan(kl), not math.isnan(bound)
    return [] if all(found) else [term for term, good in zip(TERMS, found, strict=True) if not good]


@dataclass
class Watch:
    """What a training has done since it was last looked at."""

    plan: Plan
    steps: list[tuple[int, float, Tensor, Tensor]] = field(default_factory=list)  # step, epoch, rows, means
    looked: int = 0

    def before(self, data: Rows, rows: Int64[Tensor, " B"], objective: Objective, epoch: float, means: Float[Tensor, " 3"]) -> None:
        """Look at the means of a batch, before the weights move. Errors: NotFinite."""
        step = self.plan.state.step
        if means.device.type != "cpu":
            self.steps.append((step, epoch, rows, means))
            if len(self.steps) >= LOOK:
                self._look(data)
        elif bad := not_finite(means):
            fault = self._of_weights() or self._of_rows(data, rows, objective, bad[0])
            message = f"{where(step + 1, int(epoch) + 1, rows)}: {fault}"
            raise NotFinite(step + 1, bad[0], message, f"{ADVICE}; the weights are those before the step")

    def after(self, data: Rows, last: bool) -> None:
        """At the end of an epoch, look at weights and the optimizer's memory, the ``last`` time or some steps after the last look.

        Errors: NotFinite.
        """
        step = self.plan.state.step
        if not last and step - self.looked < LOOK:
            return
        self._look(data)
        self.looked = step
        memory = [slot for slots in self.plan.state.optimizer.state.values() for slot in slots.values() if isinstance(slot, Tensor)]
        if _all_finite([*self.plan.vae.parameters(), *memory]):
            return
        fault = self._of_weights() or f"the optimizer's memory of {self._forgotten()} is not finite, and it will not move any more"
        raise NotFinite(step, "a weight", f"after step {step:,}: {fault}{_largest(data)}", ADVICE)

    def _look(self, data: Rows) -> None:
        """At the means of the steps since. Errors: NotFinite."""
        steps, self.steps = self.steps, []
        for step, epoch, rows, means in steps:
            if bad := not_finite(means):
                because = _because_of(data, rows, self.plan.vae.likelihood.holes)
                message = f"{where(step + 1, int(epoch) + 1, rows)}: {bad[0]} is not finite{because}"
                raise NotFinite(step + 1, bad[0], message, ADVICE)

    def _of_weights(self) -> str | None:
        """The first weight that is not finite, in words."""
        found = (name for name, weight in self.plan.vae.named_parameters() if not torch.isfinite(weight).all())
        name = next(found, None)
        return None if name is None else f"the weight {name} is not finite, for a gradient before was not"

    def _forgotten(self) -> str:
        """The first weight of whose gradients the optimizer remembers something that is not finite."""
        state = self.plan.state.optimizer.state
        bad = (
            name
            for name, weight in self.plan.vae.named_parameters()
            if not _all_finite([slot for slot in state.get(weight, {}).values() if isinstance(slot, Tensor)])
        )
        return next(bad, "a weight")

    def _of_rows(self, data: Rows, rows: Tensor, objective: Objective, term: str) -> str:
        """The term and the rows in which it is not finite, in words."""
        bad = self._again(data, rows, objective, term)
        if not len(bad):
            return f"{term} is not finite{_because_of(data, rows, self.plan.vae.likelihood.holes)}"
        others = "" if len(bad) == 1 else f" and of {len(bad) - 1:,} others"
        whose = "all rows" if len(bad) == len(rows) > 1 else f"row {int(bad[0])}{others}"
        return f"{term} of {whose} is not finite{_because_of(data, bad, self.plan.vae.likelihood.holes)}"

    def _again(self, data: Rows, rows: Tensor, objective: Objective, term: str) -> Tensor:
        """The rows whose own term is not finite, as the batch is taken again, in one process; none where that cannot be known."""
        plan = self.plan
        try:
            noise = ProcessGroup().noise(Share(rows, len(rows)), plan.state.seed, "noise", plan.state.step, device=plan.vae.device)
            with noise, multiplying(plan.products), torch.enable_grad():
                part = plan.loss(plan.vae, data, rows, objective, plan.estimator)
            each = torch.stack([part.bound, part.log_likelihood, part.kl], 1).detach().cpu()
            return rows[torch.tensor([term in not_finite(means) for means in each])]
        except Exception:  # of whatever kind: it is an error already, and its step is known
            return rows[:0]


def _all_finite(tensors: list[Tensor]) -> bool:
    """Whether all numbers of all are; first by one norm, which is finite where they are and not huge."""
    floats = [tensor.detach() for tensor in tensors if tensor.is_floating_point()]
    if not floats or bool(torch.isfinite(nn.utils.get_total_norm(floats))):
        return True
    return all(bool(torch.isfinite(tensor).all()) for tensor in floats)


def where(step: int, epoch: int, rows: Tensor) -> str:
    """A step, both from 1, in words."""
    some = ", ".join(str(int(row)) for row in rows[:3])
    return f"step {step:,} (epoch {epoch}, rows {some}{' …' if len(rows) > 3 else ''} of the training data)"


def _because_of(data: Rows, rows: Tensor, holes: bool) -> str:
    """The first of some rows with a value that is not finite, or the largest value where it is large, in words."""
    values = data[rows].flatten(1)
    wrong = (values.isinf() if holes else ~values.isfinite()).any(1).cpu()
    if bool(wrong.any()):
        return f", and row {int(rows[wrong][0])} has a value that is not"
    return _said(values, rows)


def _largest(data: Rows) -> str:
    """The largest value of the data, in words, where it is large."""
    most = [data[rows].flatten(1).abs().nan_to_num(0.0).amax(1).cpu() for rows in first_look(data)]
    row = torch.cat([*first_look(data)])[torch.cat(most).argmax()][None]
    return _said(data[row].flatten(1), row)


def _said(values: Tensor, rows: Tensor) -> str:
    most = values.abs().nan_to_num(0.0).amax(1).cpu()
    return f", and row {int(rows[most.argmax()])} has the value {float(most.max()):.4g}" if float(most.max()) >= LARGE else ""
