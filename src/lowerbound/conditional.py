"""Context → law: what prior, likelihood and posterior have in common.

A conditional law is a network that turns a context into the parameters of a distribution. The
network sees ``(N, *context)`` whatever number of batch axes there are, so that any module will do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

# One bound for every log-variance that a network gives: σ between 4.5e-5 and 2.2e4. It is wide
# enough never to matter in a healthy run and keeps exp() finite in a sick one; outside it the gradient is 0.
LOG_VARIANCE = (-20.0, 20.0)


class ConditionalLaw(nn.Module, ABC):
    """``forward(context) -> Distribution``: a network and what its output means."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, context: Float[Tensor, "..."]) -> Distribution:
        """The law of the variable given ``context``, a batch of laws over the context's batch axes."""
        return self.law(self.output(context), self.batch_axes(context))

    def output(self, context: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The network's output for ``context``, its batch axes those of the context: what ``law`` takes."""
        lead = context.shape[: self.batch_axes(context)]
        output = self.network(context.reshape(-1, *context.shape[len(lead) :]))
        return output.reshape(*lead, *output.shape[1:])

    @abstractmethod
    def batch_axes(self, context: Tensor) -> int:
        """How many of the context's first axes count draws and data rather than describe one of them."""

    @abstractmethod
    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """The network's output, its first ``axes`` axes those of the batch, read as a law's parameters."""
