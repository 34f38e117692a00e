"""What a training step is made for, and what each kind of step is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.parameter import is_lazy

from lowerbound.data.rows import Rows
from lowerbound.errors import UsageError
from lowerbound.system.arguments import number_above, one_of
from lowerbound.training.batches import fewest
from lowerbound.training.processes import ProcessGroup
from lowerbound.training.state import State
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.loss import LossFunction
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.base import Objective
from lowerbound.vae.schedules import Schedule


@dataclass(frozen=True)
class Plan:
    """All that the steps of a training depend on but the examples; networks multiply in the type ``products``, see ``nn.precision``."""

    vae: Model
    objective: Objective
    estimator: Estimator
    loss: LossFunction
    state: State
    products: torch.dtype
    rate: Schedule | None = None
    clip: float | None = None
    skip: float | None = None
    group: ProcessGroup = field(default_factory=ProcessGroup)

    def must_make_sense(self) -> None:
        """Raise UsageError for an objective that is none, say, and for an optimizer that has none of the model's weights."""
        one_of("objective", self.objective, Objective, "lb.objectives.ELBO()")
        one_of("estimator", self.estimator, Estimator, "lb.estimators.Pathwise()")
        one_of("products", self.products, torch.dtype, "torch.float32")
        one_of("loss", self.loss, Callable, "a function of model, data, rows, objective and estimator")
        one_of("group", self.group, ProcessGroup, "that of training.processes.joined")
        if self.rate is not None:
            one_of("rate", self.rate, Callable, "lb.schedules.Cosine(…), a factor at each epoch")
        if self.clip is not None:
            number_above("clip", self.clip)
        if self.skip is not None:
            number_above("skip", self.skip)
        self._must_be_trainable()
        if not self.group.takes_all and fewest(self.vae) > 1:
            raise UsageError(
                "batch norm looks at a batch as a whole, of which each process or microbatch has a share; do without, or take "
                "torch.nn.GroupNorm"
            )

    def _must_be_trainable(self) -> None:
        """Raise UsageError where the optimizer has none of the model's weights, or remembers another type, or they cannot be trained."""
        weights, optimizer = set(self.vae.parameters()), self.state.optimizer
        if not any(weight in weights for group in optimizer.param_groups for weight in group["params"]):
            raise UsageError("the optimizer of this state has no weight of this model, as after a copy of it; give lb.State.new(vae, seed)")
        if torch.is_inference_mode_enabled() or any(weight.is_inference() for weight in weights if not is_lazy(weight)):
            raise UsageError("what is made or done within torch.inference_mode() cannot be trained; make the model and train it outside")
        for weight in weights & optimizer.state.keys() if isinstance(optimizer, torch.optim.Adam) else ():
            kind = optimizer.state[weight].get("exp_avg", weight).dtype
            if kind != weight.dtype:
                raise UsageError(f"the optimizer remembers {kind} of weights that are {weight.dtype} now; give lb.State.new(vae, seed)")


#: who is to know that a weight's gradient is there, while others are still to come
Ready = Callable[[Tensor], None]


def nobody(weight: Tensor) -> None:
    """Nobody is."""


class Step(ABC):
    """One way to compute the gradient of a loss, for the plans and the state of the model that it ``takes``."""

    #: whether threads meet but once a step, so that several always pay
    is_one_loop = False
    #: whether all random numbers that it draws come by row, none from torch's generators
    draws_by_row = False

    def __init__(self, plan: Plan, ready: Ready = nobody):
        self.plan, self.ready = plan, ready

    @classmethod
    @abstractmethod
    def takes(cls, plan: Plan) -> bool:
        """Whether it gives the gradient of autograd for this plan, the model being as it is now."""

    @abstractmethod
    def gradient(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """Leave the gradient of these rows' loss in the weights; return the means of bound, reconstruction term and KL, in nats.

        Errors: DataError where the decoder gives another number of values than the data have.
        """

    def give_back(self) -> None:
        """Leave gradients in the type of their weights, as other code expects them."""
        for weight in self.plan.vae.parameters():
            if weight.grad is not None and weight.grad.dtype != weight.dtype:
                gradient, weight.grad = weight.grad, None
                weight.grad_dtype = weight.dtype
                weight.grad = gradient.to(weight.dtype)
