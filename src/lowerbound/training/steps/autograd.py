"""The training step for any model and loss, by autograd."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.rows import Rows
from lowerbound.errors import UsageError
from lowerbound.nn.precision import multiplying
from lowerbound.training.steps.plan import Plan, Step
from lowerbound.vae.objectives.base import Objective


class ByAutograd(Step):
    """The gradient of any loss, by autograd."""

    @classmethod
    def takes(cls, plan: Plan) -> bool:
        """Any plan."""
        return True

    @torch.enable_grad()
    def gradient(self, data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        """The forward and backward pass for a batch. Errors: UsageError where all weights are frozen; those of the loss."""
        plan = self.plan
        with multiplying(plan.products):
            part = plan.loss(plan.vae, data, rows, objective, plan.estimator)
        if not part.value.requires_grad:
            raise UsageError("no weight of the model is to be trained: all are frozen")
        plan.vae.zero_grad()
        part.value.backward()
        return torch.stack([part.bound, part.log_likelihood, part.kl]).detach().mean(1)
