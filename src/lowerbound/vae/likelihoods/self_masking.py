"""Which cells of a table are missing, where that depends on their own value: π of each column, learned beside the decoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from lowerbound.data.column import OF_CLASSES, Column
from lowerbound.distributions.masking import LOGISTIC, PROBIT, Link, Masking, OfClasses, OfCounts, OfNumbers, OfTruths
from lowerbound.distributions.mixed import Mixed, Nominal
from lowerbound.distributions.self_masked import SelfMasked
from lowerbound.nn.marginal_map import spikes_of

GAIN = 3.0  # of what is learned: π has a few numbers a column, and a step of Adam moves each as little as a weight of many


def ignored(columns: Sequence[Column]) -> None:
    """No law: whether a cell is missing is taken to depend on what is there, not on itself (missing at random)."""


def logistic(columns: Sequence[Column]) -> SelfMasking:
    """π(v) = 1/(1 + e⁻ᵗ)."""
    return SelfMasking(columns, LOGISTIC)


def probit(columns: Sequence[Column]) -> SelfMasking:
    """π(v) = Φ(t)."""
    return SelfMasking(columns, PROBIT)


class SelfMasking(nn.Module):
    """π(v) = link(t₀ + a + b u(v)), the probability that a value v is missing, of each column for itself.

    u is the value as the encoder sees it: standardized, after the map of its marginal law if it has one; of counts the standardized
    log(1 + k), of booleans −1 and 1. Each class of a category has an a, each spike one to add. t₀ is that of the share that is missing
    (``meet``); a and b begin at 0, where cells are missing completely at random.

    Source: Ipsen, Mattei and Frellsen, "not-MIWAE: Deep Generative Modelling with Missing not at Random Data", 2021,
    https://arxiv.org/abs/2006.12871.
    """

    rate: Tensor

    def __init__(self, columns: Sequence[Column], link: Link):
        super().__init__()
        self.link = link
        self.intercept, self.slope = (nn.Parameter(torch.zeros(len(columns))) for _ in range(2))
        self.classes = nn.Parameter(torch.zeros(sum(column.classes for column in columns)))
        spikes = [spikes_of(column) for column in columns]
        self.spikes = nn.Parameter(torch.zeros(sum(map(bool, spikes)), max(map(len, spikes))))
        self.register_buffer("rate", torch.full((len(columns),), 0.5))
        self.standards: Tensor
        self.register_buffer("standards", torch.tensor([(column.loc, column.scale) for column in columns]), persistent=False)

    @torch.no_grad()
    def meet(self, batches: Iterable[Tensor]) -> None:
        """Take from all batches ``(B, D)`` of data which share of each column is missing, one cell half missing beside them."""
        missing, n = torch.zeros_like(self.rate), 0
        for values in batches:
            missing += values.isnan().sum(0).to(self.rate)
            n += len(values)
        self.rate.copy_((missing + 0.5) / (n + 1))

    def over(self, law: Mixed, kinds: Sequence[str]) -> SelfMasked:
        """The law of values and holes; ``kinds`` are those of the parts of ``law``."""
        start = self.link.inverse(self.rate) + GAIN * self.intercept
        widths = [part.logits.shape[-1] for part in law.parts if isinstance(part, Nominal)]
        classes = iter(self.classes.split(widths))

        def of(kind: str, places: list[int]) -> Masking:
            if kind in OF_CLASSES:
                return OfClasses(self.link, start[places] + GAIN * next(classes))
            own = self.link, start[places], GAIN * self.slope[places]
            if kind == "boolean":
                return OfTruths(*own)
            return OfCounts(*own, *self.standards[places].unbind(-1)) if kind == "count" else OfNumbers(*own, GAIN * self.spikes)

        return SelfMasked(law, [of(kind, list(places)) for kind, places in zip(kinds, law.places, strict=True)])
