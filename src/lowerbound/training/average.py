"""The moving average of a model's weights, which is scored and kept in place of the last ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]

#: steps for which the average is mostly of the steps so far
WARM_UP = 10


def decay_at(step: int, decay: float) -> float:
    """How much of the average stays, after so many steps: ``min(decay, (1 + step) / (10 + step))``, as the first weights are untrained."""
    return min(decay, (1 + step) / (WARM_UP + step))


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of the model that averages its weights: ``w̄ ← d w̄ + (1 - d) w`` with ``d`` of ``decay_at``, at each ``update_parameters``."""

    @torch.no_grad()
    def averaged(kept: Tensors, now: Tensors, steps: Tensor | int) -> None:
        torch._foreach_lerp_(kept, now, 1 - decay_at(int(steps), decay))

    return AveragedModel(model, multi_avg_fn=averaged)
