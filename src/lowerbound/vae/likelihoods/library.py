"""Likelihoods of the counts of a whole that is shared out, as a cell's molecules are over genes: μ = library size × softmax."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, constraints

from lowerbound.distributions.counts import NegativeBinomial, ZeroInflated
from lowerbound.distributions.discrete import OverSteps
from lowerbound.distributions.widths import widened
from lowerbound.vae.likelihoods.base import Likelihood

#: of θ, 10⁻⁴ to 10⁸: from a count that is 0 but once in a while to what no data tell from a Poisson
LOG_DISPERSION = (math.log(1e-4), math.log(1e8))


class OfLibrary(Likelihood, ABC):
    """Counts with mean μ = L ρ(z), ρ the softmax of the decoder's numbers over all values, and a dispersion θ of each value, learned.

    L, the library size, is the sum of the example's counts, and not learned: what is scored is log p(x | z, L). Where there is no example,
    in a sample from the prior, it is ``library``, the geometric mean of those that the model was trained on (``meet``; before, as many as
    there are values). Where a part of the values is missing, or not looked at, L = (Σ x + ρ_missing)/(ρ_there + ρ_missing/library), ρ being
    the shares that z gives to both parts: what is there over its share, and ``library`` beside it as if it were known by one count.

    ``event_shape`` is the shape of an example, ``steps`` what value 1 stands for: 1 for counts. Encoders see log(1 + x) best
    (``nn.LogCounts``).
    Source: Lopez et al., "Deep generative modeling for single-cell transcriptomics", 2018, https://doi.org/10.1038/s41592-018-0229-2.
    """

    note = (
        "The probability of the counts, given their sum in each example (the library size): −bound/log 2 is a code length in bits, once "
        "the sum is known."
    )
    low = 0.0
    steps: int
    library: Tensor

    def __init__(self, network: nn.Module, event_shape: Sequence[int], steps: int = 1, holes: bool = False):
        super().__init__(network, holes)
        self.steps = steps
        self.log_dispersion = nn.Parameter(torch.zeros(tuple(event_shape)))
        self.register_buffer("library", torch.tensor(float(math.prod(event_shape))))

    def observe(self, values: Float[Tensor, "B *event"]) -> Float[Tensor, "B *event"]:
        """The values as they are."""
        return values

    @torch.no_grad()
    def meet(self, batches: Iterable[Tensor]) -> None:
        """Take ``library`` from all batches ``(B, *event)`` of data, as ``fit`` does first; examples without a count say nothing."""
        totals = torch.cat([(values * self.steps).flatten(1).nansum(1) for values in batches])
        if bool((totals > 0).any()):
            self.library.copy_(totals[totals > 0].double().log().mean().exp())

    def law(self, output: Float[Tensor, "..."], axes: int) -> Distribution:
        """Counts that share ``library``, until they are given an example (``of``)."""
        logits, dropout = self.parted(output, axes)
        log_share = logits.flatten(axes).log_softmax(-1).view_as(logits)
        log_library = self.library.log().to(logits.dtype).expand(*logits.shape[:axes], *[1] * (logits.dim() - axes))
        law = SharedCounts(log_share, log_library, self.log_dispersion.clamp(*LOG_DISPERSION), dropout, self.steps)
        return Independent(law, logits.dim() - axes, validate_args=False)

    @abstractmethod
    def parted(self, output: Float[Tensor, "..."], axes: int) -> tuple[Tensor, Tensor | None]:
        """What the softmax takes, and the logits of further zeros where there are such."""


class NB(OfLibrary):
    """Counts that share their sum, L: p(x|z, L) = Π NB(xᵢ; L ρᵢ(z), θᵢ); the network ``(N, d) → (N, *event)`` gives what ρ is the softmax
    of.

    θ ``(*event,)`` are dispersions, learned: the variance of a count is μ + μ²/θ. L is the sum of an example's counts, or in a sample from
    the prior ``library``, the geometric mean of those that were learned from. ``event_shape`` is the shape of an example.
    Source: Lopez et al., "Deep generative modeling for single-cell transcriptomics", 2018, https://doi.org/10.1038/s41592-018-0229-2.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.NB(torch.nn.Identity(), (4,))
    >>> likelihood.meet([torch.tensor([[30.0, 10.0, 0.0, 0.0]])])  # 40 counts in all
    >>> [round(mean) for mean in likelihood(torch.zeros(1, 4)).mean[0].tolist()]  # each value's share is a quarter
    [10, 10, 10, 10]
    """

    @classmethod
    def shape(cls, event: Sequence[int], **arguments: Any) -> tuple[tuple[int, ...], int]:
        """The shape of the data, and 1: a number for each value."""
        return tuple(event), 1

    def parted(self, output: Float[Tensor, "..."], axes: int) -> tuple[Tensor, None]:
        """All of it, and no further zeros."""
        return output, None


class ZINB(OfLibrary):
    """``NB`` with more zeros, a value being 0 with probability πᵢ(z) whatever μ: the network gives two numbers, π's logit the second.

    Its output is ``(N, 2, *event)``; the mean of a count is (1 − π) L ρ.
    Source: as for ``NB``.

    >>> import torch
    >>> import lowerbound as lb
    >>> likelihood = lb.likelihoods.ZINB(torch.nn.Unflatten(1, (2, 4)), (4,))
    >>> likelihood.meet([torch.tensor([[30.0, 10.0, 0.0, 0.0]])])
    >>> [round(mean) for mean in likelihood(torch.zeros(1, 8)).mean[0].tolist()]  # π = ½ of a mean of 10
    [5, 5, 5, 5]
    """

    @classmethod
    def shape(cls, event: Sequence[int], **arguments: Any) -> tuple[tuple[int, ...], int]:
        """The shape of the data, and 2: two numbers for each value."""
        return tuple(event), 2

    def parted(self, output: Float[Tensor, "..."], axes: int) -> tuple[Tensor, Tensor]:
        """What ρ is the softmax of, and the logits of π."""
        logits, dropout = output.unbind(axes)
        return logits, dropout


class SharedCounts(OverSteps):
    """Laws of single values whose means are shares of a total, L ρ; ``of`` gives those of the total of an example at hand.

    ``log_share`` ``(*batch, *event)`` is log ρ, ``log_library`` ``(*batch, 1, …)`` log L, ``log_dispersion`` log θ, and ``dropout``, where
    zeros are inflated, the logit of π. ``steps`` is what value 1 stands for.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 - torch's own annotation
    support = constraints.nonnegative

    def __init__(self, log_share: Tensor, log_library: Tensor, log_dispersion: Tensor, dropout: Tensor | None = None, steps: int = 1):
        self.log_share, self.log_library, self.log_dispersion = log_share, log_library, log_dispersion
        self.dropout, self.steps = dropout, steps
        super().__init__(log_share.shape, validate_args=False)

    @property
    def counts(self) -> NegativeBinomial | ZeroInflated:
        """The law of each count, steps × value."""
        plain = NegativeBinomial(self.log_share + self.log_library, self.log_dispersion)
        return plain if self.dropout is None else ZeroInflated(plain, self.dropout)

    def of(self, x: Float[Tensor, "B *event"], observed: Bool[Tensor, "B *event"] | None = None) -> SharedCounts:
        """The same for the totals of these examples, or for what can be known of them by what is ``observed``."""
        axes = tuple(range(-self.log_dispersion.dim(), 0))
        counts = self._counted(x)
        if observed is None:
            library = counts.sum(axes, keepdim=True)
        else:
            total, share = counts.where(observed, 0.0).sum(axes, keepdim=True), self.log_share.exp()
            there, missing = (share.where(part, 0.0).sum(axes, keepdim=True) for part in (observed, ~observed))
            library = (total + missing) / (there + missing / self.log_library.exp())
        return SharedCounts(self.log_share, library.log(), self.log_dispersion, self.dropout, self.steps)

    def expand(self, batch_shape: Any, _instance: Any = None) -> SharedCounts:
        """The same laws over more batches."""
        dropout = None if self.dropout is None else self.dropout.expand(batch_shape)
        return SharedCounts(self.log_share.expand(batch_shape), self.log_library, self.log_dispersion, dropout, self.steps)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of the count, nats."""
        return self.counts.log_prob(self._counted(value))

    def _counted(self, value: Tensor) -> Tensor:
        """Values as counts; those that are counts are not looked at again, which is a fifth of a step."""
        return value if self.steps == 1 else (value * self.steps).round()


@widened.register
def _(law: SharedCounts, factor: float) -> Distribution:
    return SharedCounts(law.log_share, law.log_library, law.log_dispersion - 2 * math.log(factor), law.dropout, law.steps)
