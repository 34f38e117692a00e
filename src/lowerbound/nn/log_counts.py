"""What an encoder is shown of counts: their logarithms, so that the largest of them is not all that it sees."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class LogCounts(nn.Module):
    """A network of log(1 + ``steps`` x), so that the largest counts are not all that an encoder sees.

    ``(N, *event)`` → the network's output; ``steps`` is what value 1 stands for: 1 for counts. A missing value (NaN) stays one.

    >>> import torch
    >>> import lowerbound as lb
    >>> seen = lb.nn.LogCounts(torch.nn.Identity())(torch.tensor([[0.0, 9.0, 999.0]]))
    >>> [round(value, 1) for value in seen[0].tolist()]
    [0.0, 2.3, 6.9]
    """

    def __init__(self, network: nn.Module, steps: int = 1):
        super().__init__()
        self.network = network
        self.steps = steps

    def forward(self, x: Float[Tensor, "N *event"], *context: Tensor) -> Tensor:
        """The network's output for counts; a missing one (NaN) stays one."""
        output: Tensor = self.network((x if self.steps == 1 else self.steps * x).log1p(), *context)
        return output
