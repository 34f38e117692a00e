"""Which cells of a table are missing, where that depends on their own value: π of each column, learned beside the decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from lowerbound.data.column import OF_CLASSES, Column
from lowerbound.distributions.masking import LOGISTIC, PROBIT, Link, Masking, OfClasses, OfCounts, OfNumbers, OfTruths
from lowerbound.distributions.mixed import Mixed, Nominal
from lowerbound.distributions.selection import Selection
from lowerbound.distributions.self_masked import SelfMasked
from lowerbound.errors import RecipeError
from lowerbound.nn.marginal_map import spikes_of

#: which values are missing more often, and the sign of the slope that says it
DIRECTIONS = {"": 0, "high": 1, "low": -1}
LEAST = 0.1  # where a slope of a known sign begins, at least: softplus(r) has a gradient there
GAIN = 3.0  # of what is learned: π has a few numbers a column, and a step of Adam moves each as little as a weight of many


def ignored(columns: Sequence[Column]) -> None:
    """No law: whether a cell is missing is taken to depend on what is there, not on itself (missing at random)."""


def logistic(columns: Sequence[Column], direction: str = "") -> SelfMasking:
    """π(v) = 1/(1 + e⁻ᵗ)."""
    return SelfMasking(columns, LOGISTIC, sign_of(direction))


def probit(columns: Sequence[Column], direction: str = "") -> SelfMasking:
    """π(v) = Φ(t)."""
    return SelfMasking(columns, PROBIT, sign_of(direction))


def sign_of(direction: str) -> int:
    """That of a slope. Errors: RecipeError for a word that is none."""
    if direction not in DIRECTIONS:
        raise RecipeError(f"unknown direction '{direction}'; write self:high where high values are missing, self:low where low ones are")
    return DIRECTIONS[direction]


class SelfMasking(nn.Module):
    """π(v) = link(t₀ + a + b u(v)), the probability that a value v is missing, of each column for itself.

    u is the value as the encoder sees it: standardized, after the map of its marginal law if it has one; of counts the standardized
    log(1 + k), of booleans −1 and 1. Each class of a category has an a, each spike one to add. With a ``sign`` of 1 or −1 all slopes have
    it: softplus(r), or −softplus(r), is learned. ``begin`` says where a and b are before that; without it a + t₀ is that of the share
    that is missing, and b is 0, where cells are missing completely at random.

    Source: Ipsen, Mattei and Frellsen, "not-MIWAE: Deep Generative Modelling with Missing not at Random Data", 2021,
    https://arxiv.org/abs/2006.12871.
    """

    def __init__(self, columns: Sequence[Column], link: Link, sign: int = 0):
        super().__init__()
        self.link, self.sign = link, sign
        self.intercept, self.slope = (nn.Parameter(torch.zeros(len(columns))) for _ in range(2))
        self.classes = nn.Parameter(torch.zeros(sum(column.classes for column in columns)))
        spikes = [spikes_of(column) for column in columns]
        self.spikes = nn.Parameter(torch.zeros(sum(map(bool, spikes)), max(map(len, spikes))))
        self.rate: Tensor
        self.start: Tensor
        self.register_buffer("rate", torch.full((len(columns),), 0.5))
        self.register_buffer("start", torch.zeros(2, len(columns)))
        self.standards: Tensor
        self.register_buffer("standards", torch.tensor([(column.loc, column.scale) for column in columns]), persistent=False)

    @property
    def has_begun(self) -> bool:
        """Whether ``begin`` was called: t₀ is not 0 then, but where half of each column is missing."""
        return bool(self.start.any())

    @torch.no_grad()
    def begin(self, rate: Float[Tensor, " D"], found: dict[int, Selection]) -> None:
        """Begin at the shares that are missing of each column, or, of columns by their place, at the curves that were found."""
        self.rate.copy_(rate)
        self.start[0] = self.link.inverse(rate)
        self.start[1] = 0
        for place, each in found.items():
            self.start[:, place] = torch.tensor([each.intercept, each.slope])

    def curves(self) -> tuple[Float[Tensor, " D"], Float[Tensor, " D"]]:
        """t₀ + a and b."""
        first = self.start[1]
        if self.sign:
            slope = self.sign * softplus(first.abs().clamp(min=LEAST).expm1().log() + GAIN * self.slope)
        else:
            slope = first + GAIN * self.slope
        return self.start[0] + GAIN * self.intercept, slope

    def over(self, law: Mixed, kinds: Sequence[str]) -> SelfMasked:
        """The law of values and holes; ``kinds`` are those of the parts of ``law``."""
        intercept, slope = self.curves()
        widths = [part.logits.shape[-1] for part in law.parts if isinstance(part, Nominal)]
        classes = iter(self.classes.split(widths))

        def of(kind: str, places: list[int]) -> Masking:
            if kind in OF_CLASSES:
                return OfClasses(self.link, intercept[places] + GAIN * next(classes))
            own = self.link, intercept[places], slope[places]
            if kind == "boolean":
                return OfTruths(*own)
            return OfCounts(*own, *self.standards[places].unbind(-1)) if kind == "count" else OfNumbers(*own, GAIN * self.spikes)

        return SelfMasked(law, [of(kind, list(places)) for kind, places in zip(kinds, law.places, strict=True)])
