"""The training step for any model and loss, by autograd."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data.rows import Rows
from lowerbound.training.steps.fused import Step
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.loss import LossFunction
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.base import Objective


def by_autograd(vae: Model, estimator: Estimator, loss: LossFunction, products: torch.dtype) -> Step:
    """The step that computes the gradient of any loss by autograd."""

    def step(data: Rows, rows: Tensor, objective: Objective) -> Float[Tensor, " 3"]:
        with vae.multiplying(products):
            part = loss(vae, data, rows, objective, estimator)
        vae.zero_grad()
        part.value.backward()
        return torch.stack([part.bound, part.log_likelihood, part.kl]).detach().mean(1)

    return step
