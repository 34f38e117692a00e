"""A network whose stages follow one another, and of which each one's output is wanted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Stages(nn.Module):
    """``(N, *in)`` → the outputs of all stages ``(N, f₁ + f₂ + …)``, that of the last stage first; stage i+1 reads that of stage i.

    >>> import torch
    >>> from torch import nn
    >>> from lowerbound.nn.stages import Stages
    >>> Stages([nn.Linear(8, 4), nn.Linear(4, 2)])(torch.zeros(3, 8)).shape
    torch.Size([3, 6])
    """

    def __init__(self, stages: Sequence[nn.Module]):
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, *given: Tensor) -> Float[Tensor, "N features"]:
        """Of the input, and where the first stage is given a context, of that."""
        first, *then = self.stages
        outputs = [first(*given)]
        for stage in then:
            outputs.append(stage(outputs[-1]))
        return torch.cat(outputs[::-1], 1)
