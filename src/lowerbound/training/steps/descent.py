"""What comes between a gradient and the weights: the learning rate, and the length of the gradient."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn


class LearningRates:
    """An optimizer's learning rates times a factor that changes.

    A rate that somebody else has set since is the one of the last factor: the next is the same but for the change of the factor.
    """

    def __init__(self) -> None:
        self._set: dict[int, tuple[dict[str, Any], float]] = {}
        self._factor = 1.0

    def set(self, optimizer: torch.optim.Optimizer, factor: float) -> None:
        """Set each group's rate to its initial one times ``factor``."""
        for group in optimizer.param_groups:
            initial = group.setdefault("initial_lr", group["lr"])
            known, rate = self._set.get(id(group), (None, 0.0))
            if known is group and rate != group["lr"]:
                initial = group["initial_lr"] = group["lr"] / (self._factor or 1.0)
            group["lr"] = initial * factor
            self._set[id(group)] = group, group["lr"]
        self._factor = factor


def shortened(model: nn.Module, clip: float | None, skip: float | None) -> bool:
    """Scale gradients with a norm above ``clip`` down to it; whether the norm is above ``skip``, so that the step is to be left out.

    If the norm is not finite they are unchanged, and the step is to be taken, so that it can be traced.
    """
    if clip is None and skip is None:
        return False
    norm = nn.utils.get_total_norm([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    if clip is not None and torch.isfinite(norm):
        nn.utils.clip_grads_with_norm_(model.parameters(), clip, norm)
    return skip is not None and skip < float(norm) < math.inf
