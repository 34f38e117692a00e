"""One law for values of several kinds: numbers beside classes beside counts, each independent of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch import distributions as td
from torch.distributions import constraints

from lowerbound.system.operations import is_written


class Mixed(td.Distribution):
    """D laws side by side, ``(*batch, D)`` of them over single numbers: ``parts`` are laws of some places each, ``(*batch, n)``.

    ``places`` says of each part which of the D values its laws are of. ``log_prob`` is that of each value, in nats. A ``Nominal`` part has
    no mean to speak of: what stands for it is its most likely class, and 1 − p of that class for its variance.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 torch's name and kind

    def __init__(self, parts: Sequence[td.Distribution], places: Sequence[Sequence[int]]):
        self.parts, self.places = tuple(parts), tuple(tuple(each) for each in places)
        order = [place for each in self.places for place in each]
        self._back = None if order == sorted(order) else sorted(range(len(order)), key=order.__getitem__)
        batch = parts[0].batch_shape[:-1]
        super().__init__(torch.Size([*batch, len(order)]), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        """Numbers."""
        return constraints.real

    def parted(self, value: Tensor) -> list[Tensor]:
        """Of values ``(…, D)`` those of each part."""
        alone = len(self.places) == 1 and self._back is None
        return [value if alone else value[..., list(places)] for places in self.places]

    def joined(self, each: Sequence[Tensor]) -> Tensor:
        """What the parts give, side by side in the order of the values."""
        joined = torch.cat(list(each), -1) if len(each) > 1 else each[0]
        return joined if self._back is None else joined.index_select(-1, torch.tensor(self._back, device=joined.device))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Mixed:
        """The same laws over more batches."""
        lead = torch.Size(batch_shape)[:-1]
        return Mixed([part.expand(torch.Size([*lead, part.batch_shape[-1]])) for part in self.parts], self.places)

    def log_prob(self, value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log p of each value."""
        return self.joined([part.log_prob(some) for part, some in zip(self.parts, self.parted(value), strict=True)])

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Values, whole numbers as floats."""
        return self.joined([part.sample(sample_shape) for part in self.parts])

    @property
    def mean(self) -> Tensor:
        """The mean of each value; of a class the most likely one."""
        return self.joined([part.mean for part in self.parts])

    @property
    def variance(self) -> Tensor:
        """The variance of each value; of a class the probability that it is another than the most likely."""
        return self.joined([part.variance for part in self.parts])

    @property
    def classes(self) -> dict[int, Float[Tensor, "*batch classes"]]:
        """For each place that holds a class the probabilities of all of them."""
        return {place[0]: part.probs[..., 0, :] for part, place in zip(self.parts, self.places, strict=True) if isinstance(part, Nominal)}

    @property
    def truths(self) -> list[int]:
        """The places that hold a boolean, 0 or 1."""
        return [place for part, places in zip(self.parts, self.places, strict=True) if isinstance(part, td.Bernoulli) for place in places]


class Nominal(td.Categorical):
    """A categorical law of the classes 0 … C − 1, numbers that are names only.

    A number below 0 stands for a class that is none of them. It has the probability of the least likely one, so that no example becomes
    more likely by a class that was never seen.
    """

    def __init__(self, logits: Float[Tensor, "*batch C"]):
        super().__init__(logits=logits, validate_args=False)

    @property
    def mean(self) -> Tensor:
        """The most likely class."""
        return self.logits.argmax(-1).to(self.logits.dtype)

    @property
    def variance(self) -> Tensor:
        """The probability of all others."""
        return 1 - self.probs.amax(-1)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Nominal:
        """The same law over more batches."""
        return Nominal(self.logits.expand(*batch_shape, self.logits.shape[-1]))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Classes, as floats."""
        drawn: Tensor = super().sample(sample_shape)  # type: ignore[no-untyped-call]
        return drawn.to(self.logits.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p of the class."""
        unseen = value < 0
        found: Tensor = super().log_prob(value.long().clamp(min=0))  # type: ignore[no-untyped-call]
        if value.is_cpu and not is_written() and not bool(unseen.any()):  # an accelerator would have to wait for the answer
            return found
        return self.logits.amin(-1).where(unseen, found)
