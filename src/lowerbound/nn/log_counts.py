"""What an encoder is shown of counts: their logarithms, so that the largest of them is not all that it sees."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class LogCounts(nn.Module):
    """A network of log(1 + ``steps`` x), steps being what value 1 stands for: 1 of counts."""

    def __init__(self, network: nn.Module, steps: int = 1):
        super().__init__()
        self.network = network
        self.steps = steps

    def forward(self, x: Float[Tensor, "N *event"], *context: Tensor) -> Tensor:
        """The network's output for counts; a missing one (NaN) stays one."""
        output: Tensor = self.network((x if self.steps == 1 else self.steps * x).log1p(), *context)
        return output
