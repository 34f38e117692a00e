"""The training step for any model and loss, by autograd."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.rows import Rows
from lowerbound.errors import UsageError
from lowerbound.nn.precision import multiplying
from lowerbound.training.steps.plan import Plan, Step, nobody
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
        with self._heard():
            part.value.backward()
        return torch.stack([part.bound, part.log_likelihood, part.kl]).detach().mean(1)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Within the block who is to know of gradients hears of each as autograd leaves it. Hooks that stayed would be a change."""
        weights = [] if self.ready is nobody else [weight for weight in self.plan.vae.parameters() if weight.requires_grad]
        hooks = [weight.register_post_accumulate_grad_hook(self.ready) for weight in weights]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
