"""Importance sampling: weights w = p(x, z)/r(z) of draws z ~ r, their sums, how many draws they are worth, draws by them.

E_r[w] = p(x), and Σ w f(z) / Σ w → E[f(z)|x]. Weights come as logarithms, and no sum of them leaves the range of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.errors import DataError
from lowerbound.evaluation.proposals import POSTERIOR, PRIOR


class WeightedSums:
    """Σ w, Σ w² and Σ w v over draws for each of B examples, taken in a few draws at a time; only the sums are kept.

    All are relative to e^top, the greatest weight so far.
    """

    def __init__(self, size: int, dtype: torch.dtype = torch.double, device: torch.device | None = None):
        self.n = 0
        self.top = torch.full((size,), -torch.inf, dtype=dtype, device=device)
        self.total = torch.zeros(size, dtype=dtype, device=device)
        self.square = self.total.clone()
        self.sums: dict[str | int, Tensor] = {}

    def add(self, log_w: Float[Tensor, "K B"], values: Mapping[str | int, Float[Tensor, "K B *v"]] | None = None) -> None:
        """Take in K draws: their log w, and what is to be averaged, by name."""
        top = torch.maximum(self.top, log_w.amax(0))
        kept, w = (self.top - top).exp().nan_to_num(nan=0.0), (log_w - top).exp().nan_to_num(nan=0.0)
        self.total = kept * self.total + w.sum(0)
        self.square = kept.square() * self.square + w.square().sum(0)
        for name, value in (values or {}).items():
            added = torch.einsum("kb,kb...->b...", w, value)
            before = self.sums.get(name)
            self.sums[name] = added if before is None else kept.view(-1, *[1] * (added.dim() - 1)) * before + added
        self.top = top
        self.n += len(log_w)

    @property
    def log_total(self) -> Float[Tensor, " B"]:
        """log Σ w."""
        return self.top + self.total.log()

    @property
    def log_square(self) -> Float[Tensor, " B"]:
        """log Σ w²."""
        return 2 * self.top + self.square.log()

    def mean(self, name: str | int) -> Float[Tensor, "B *v"]:
        """Σ w v / Σ w."""
        found = self.sums[name]
        return found / self.total.view(-1, *[1] * (found.dim() - 1))


def normalized(log_w: Float[Tensor, "K *B"]) -> Float[Tensor, "K *B"]:
    """Weights that add up to 1 over the draws, as doubles on the CPU; NaN counts as no weight.

    Errors: DataError for an example of which no draw has any weight.
    """
    log_w = log_w.cpu().double().nan_to_num(nan=-torch.inf, neginf=-torch.inf)
    if log_w.amax(0).isneginf().any():
        raise DataError("no latent explains some of the examples: their values are out of the numbers' range; leave those out")
    return log_w.softmax(0)


def effective(weight: Float[Tensor, "K *B"]) -> Float[Tensor, "*B"]:
    """(Σ w)²/Σ w² of weights that add up to 1: how many draws of p(z|x) itself they are worth.

    Source: Kong, "A Note on Importance Sampling using Standardized Weights", 1992.
    """
    return 1 / weight.square().sum(0)


def resampled(weight: Float[Tensor, " M"], n: int) -> Int64[Tensor, " n"]:
    """Which of M draws n are, each with the probability of its weight; at equal steps of it, so that they repeat as little as can be."""
    steps = (torch.rand(()) + torch.arange(n)) / n
    chosen = torch.searchsorted(weight.cumsum(0), steps.double()).clamp(max=len(weight) - 1)
    return chosen[torch.randperm(n)]


# --- of several sources ------------------------------------------------------------------------------


class SourceSums:
    """Sums over the draws from one of the ``counts`` sources of a mixture r, for B examples, as doubles on the CPU.

    Besides those of w = p(x, z)/r(z): of log p(x|z), of log q − log p, and of p(x, z)/q(z|x), whose estimates of log p(x) by the first
    ``draws`` of q are the curve.
    """

    def __init__(self, size: int, counts: Mapping[str, int], draws: Sequence[int]):
        self.counts, self.draws = counts, draws
        self.weights = WeightedSums(size)
        self.alone = WeightedSums(size)
        self.log_likelihood = torch.zeros(size, dtype=torch.double)
        self.log_ratio = self.log_likelihood.clone()
        self.curve: list[Tensor] = []

    @property
    def n(self) -> int:
        """How many draws are in."""
        return self.weights.n

    def add(self, log_likelihood: Float[Tensor, "K B"], log_laws: Mapping[str, Float[Tensor, "K B"]]) -> None:
        """Take in some draws: log p(x|z), and log p of each source there, by its name."""
        log_likelihood = log_likelihood.cpu().double()
        log_laws = {name: value.cpu().double() for name, value in log_laws.items()}
        log_prior, log_q = log_laws[PRIOR], log_laws[POSTERIOR]
        self._extend_curve(log_likelihood + log_prior - log_q)
        total = sum(self.counts.values())
        parts = [log_laws[name] + math.log(count / total) for name, count in self.counts.items()]
        self.weights.add(log_likelihood + log_prior - torch.stack(parts).logsumexp(0))
        self.log_likelihood = self.log_likelihood + log_likelihood.sum(0)
        self.log_ratio = self.log_ratio + (log_q - log_prior).sum(0)

    def _extend_curve(self, alone: Float[Tensor, "K B"]) -> None:
        done = self.alone.n
        for k in self.draws[len(self.curve) :]:
            if k <= done + len(alone):
                self.alone.add(alone[self.alone.n - done : k - done])
                self.curve.append(self.alone.log_total - math.log(k))
        if self.alone.n < done + len(alone):
            self.alone.add(alone[self.alone.n - done :])


def estimate(sums: Sequence[SourceSums]) -> tuple[Float[Tensor, " B"], Float[Tensor, " B"], Float[Tensor, " B"]]:
    """log p(x), its standard error and the effective sample size; what differs between sources is no error, their numbers are fixed."""
    total = torch.stack([part.weights.log_total for part in sums]).logsumexp(0)
    square = torch.stack([part.weights.log_square for part in sums]).logsumexp(0)
    variance = torch.zeros_like(total)
    for part in sums:
        mean, mean_square = (part.weights.log_total - total).exp() / part.n, (part.weights.log_square - 2 * total).exp() / part.n
        variance += (mean_square - mean**2).clamp(min=0) * part.n**2 / (part.n - 1) if part.n > 1 else math.nan
    return total - math.log(sum(part.n for part in sums)), variance.sqrt(), (2 * total - square).exp()
