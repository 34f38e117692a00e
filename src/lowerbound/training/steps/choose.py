"""The choice of training step."""

from __future__ import annotations

import torch

from lowerbound.training.steps.autograd import by_autograd
from lowerbound.training.steps.fused import Step, step_of
from lowerbound.vae.estimators.base import Estimator
from lowerbound.vae.loss import LossFunction
from lowerbound.vae.model import Model
from lowerbound.vae.objectives.base import Objective


def leave_gradients_whole(vae: Model) -> None:
    """Convert gradients to the type of their weights, as other code expects."""
    for weight in vae.parameters():
        if weight.grad is not None and weight.grad.dtype != weight.dtype:
            gradient, weight.grad = weight.grad, None
            weight.grad_dtype = weight.dtype
            weight.grad = gradient.to(weight.dtype)


def choose(vae: Model, objective: Objective, estimator: Estimator, loss: LossFunction, products: torch.dtype, rounded: bool) -> Step:
    """The step by hand if it applies, else the step by autograd."""
    return step_of(vae, objective, estimator, loss, products, rounded) or by_autograd(vae, estimator, loss, products)
