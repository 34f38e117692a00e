"""Parent → law: what prior, likelihood and posterior have in common.

A conditional law is a network that turns another variable, its parent, into the parameters of a distribution: z into those
of x, x into those of z. The network sees ``(N, *parent)`` whatever number of batch axes there are, so that any module will do.
A law that was given a context c as well calls its network with both, ``(N, *parent)`` and ``(N, *context)``.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol, TypeVar, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from lowerbound.nn.conditioned import Conditioned
from lowerbound.nn.precision import rounding
from lowerbound.system.arguments import number_above
from lowerbound.vae.misfits import NETWORK, must_be_network, of_layer, one_tensor

# One bound for every log-variance that a network gives: σ between 4.5e-5 and 2.2e4. It is wide
# enough never to matter in a healthy run and keeps exp() finite in a sick one; outside it the gradient is 0.
LOG_VARIANCE = (-20.0, 20.0)


Law = TypeVar("Law", bound="ConditionalLaw")


def floor_of(given: float) -> float:
    """The least σ of a normal of latents, 0 for none. Errors: UsageError for what is no such number."""
    return number_above("the floor of σ", given, zero=True)


def deviation(log_variance: Float[Tensor, "*shape"], floor: float = 0.0) -> Float[Tensor, "*shape"]:
    """σ = eˡᐟ² + floor of l, which is bounded to ``LOG_VARIANCE``: near the floor l still has a gradient.

    Source: Vahdat and Kautz, "NVAE: A Deep Hierarchical Variational Autoencoder", 2020, https://arxiv.org/abs/2007.03898.
    """
    scale = (log_variance.clamp(*LOG_VARIANCE) / 2).exp()
    return scale + floor if floor else scale


def diagonal_gaussian(output: Float[Tensor, "*batch parameters"], axis: int, floor: float = 0.0) -> Distribution:
    """N(μ, diag σ²) ``(*batch,)`` over ``(d,)``, of μ and log σ², but for a ``floor``, side by side along ``axis``."""
    mean, log_variance = output.chunk(2, dim=axis)
    return Independent(Normal(mean, deviation(log_variance, floor), validate_args=False), 1, validate_args=False)


@runtime_checkable
class WithContext(Protocol):
    """What has another distribution for each context c."""

    def given(self, context: Float[Tensor, "B *context"]) -> Any:
        """The same, its weights shared, with c at hand."""


class ConditionalLaw(nn.Module, ABC):
    """``forward(parent) -> Distribution``: a network and what its output means."""

    #: c ``(B, *context)``, one for each example, ``(1, *context)`` for all, or ``(K B, *context)``, K for each; or None
    context: Tensor | None = None
    #: whether three digits of its parameters are enough in training
    rough: bool = False
    #: what its network is called
    part: str = NETWORK

    def __init__(self, network: nn.Module):
        super().__init__()
        must_be_network(self.part, network)
        self.network = network

    def given(self: Law, context: Float[Tensor, "B *context"]) -> Law:
        """The same law, its weights shared, with c at hand."""
        bound = copy.copy(self)
        bound.context = context
        return bound

    def forward(self, parent: Float[Tensor, "..."]) -> Distribution:
        """The law of the variable given ``parent``, a batch of laws over the parent's batch axes."""
        return self.law(self.output(parent), self.batch_axes(parent))

    def output(self, parent: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The network's output for ``parent``, its batch axes those of the parent: what ``law`` takes.

        Errors: DataError, RecipeError where one of its layers cannot take what it is given.
        """
        lead = parent.shape[: self.batch_axes(parent)]
        try:
            with rounding(self.network, parent.device, self.rough) if self.training else nullcontext():
                output = one_tensor(self.part, self.network(*self.inputs(parent))).to(parent.dtype)
        except (RuntimeError, ValueError) as error:  # the second of norms of batches
            said = of_layer(self.part, parent.flatten(0, len(lead) - 1) if lead else parent[None], error)
            if said is None:
                raise
            raise said from None
        return output if self.several(lead) else output.reshape(*lead, *output.shape[1:])

    def inputs(self, parent: Float[Tensor, "..."]) -> tuple[Tensor, ...]:
        """What the network is called with: the parent, and c where there is one, with one batch axis each."""
        lead, event = parent.shape[: self.batch_axes(parent)], parent.shape[self.batch_axes(parent) :]
        if self.context is None:
            return (parent.reshape(-1, *event),)
        shape = self.context.shape[1:]
        context = self.context.to(parent.dtype)  # zeros and ones, say, of a model of another precision
        alone = self.several(lead) or isinstance(self.network, Conditioned)  # then it is the network that brings them together
        contexts = context if alone else context.expand(*lead, *shape)
        return parent.reshape(-1, *event), contexts.reshape(-1, *shape)

    def several(self, lead: Sequence[int]) -> bool:
        """Whether there are several contexts for each parent, so that the laws are as many as those."""
        return self.context is not None and len(lead) == 1 and self.context.shape[0] > lead[0]

    @abstractmethod
    def batch_axes(self, parent: Tensor) -> int:
        """How many of the parent's first axes count draws and data rather than describe one of them."""

    @abstractmethod
    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """The network's output, its first ``axes`` axes those of the batch, read as a law's parameters."""


class Level(ConditionalLaw):
    """N(μ, diag σ²) of one latent given others ``(*batch, d)``; the network, ``(N, d) → (N, 2 dᵢ)``, gives μ, then log σ².

    No σ is below ``floor``.
    """

    def __init__(self, network: nn.Module, floor: float = 0.0):
        super().__init__(network)
        self.floor = floor_of(floor)

    def batch_axes(self, parent: Tensor) -> int:
        """All axes but the last."""
        return parent.dim() - 1

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """A batch of them over ``(dᵢ,)``."""
        return diagonal_gaussian(output, axes, self.floor)
