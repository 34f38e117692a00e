"""A chain of conditionals over one flat event: p(z) = Π p(zᵢ | z₁ … zᵢ₋₁)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Size, Tensor
from torch.distributions import Distribution

from lowerbound.errors import RecipeError

#: z₁ … zᵢ₋₁, side by side ``(*batch, size before)`` → p(zᵢ | them), a batch ``(*batch,)`` over ``(size of zᵢ,)``
Conditional = Callable[[Float[Tensor, "*batch before"]], Distribution]


class Chain(Distribution):
    """z = (z₁, …, z_n) ``(d₁ + … + d_n,)``, each zᵢ given those before it; log p(z) is the sum of the conditionals', nats.

    ``first`` is p(z₁), whose batch is the chain's, ``then`` are the others in order, and ``sizes`` d₁, …, d_n. Errors: RecipeError for
    another number of sizes than of levels.
    """

    arg_constraints = {}  # noqa: RUF012 torch's name and kind

    def __init__(self, first: Distribution, then: Sequence[Conditional], sizes: Sequence[int]):
        if len(then) + 1 != len(sizes):
            raise RecipeError(f"a chain of {len(then) + 1} levels has as many sizes, not {len(sizes)}; give the size of each")
        self.first, self.then, self.sizes = first, tuple(then), tuple(sizes)
        super().__init__(first.batch_shape, Size([sum(sizes)]), validate_args=False)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]  # torch has it as a constant
        """Whether its first has a path; the others are asked when they are there."""
        return self.first.has_rsample

    def expand(self, batch_shape: Any, _instance: Any = None) -> Chain:
        """The same chain over a larger batch."""
        return Chain(self.first.expand(batch_shape), self.then, self.sizes)

    def levels(self, z: Float[Tensor, "*batch d"]) -> Iterator[tuple[Distribution, Float[Tensor, "*batch d_i"]]]:
        """Each conditional given the part of z before it, and z's own part."""
        parts = z.split(self.sizes, -1)
        for law, (place, part) in zip((lambda _: self.first, *self.then), enumerate(parts), strict=True):
            before = z[..., : sum(self.sizes[:place])]
            yield law(before), part

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(z) ``(*batch,)``."""
        return torch.stack([law.log_prob(part) for law, part in self.levels(value)]).sum(0)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws ``(*sample_shape, *batch, d)``, from first to last."""
        with torch.no_grad():
            return self._along(self.first.sample(Size(sample_shape)), lambda law: law.sample())

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """The same, differentiable along the path through every level."""
        return self._along(self.first.rsample(Size(sample_shape)), lambda law: law.rsample())

    @property
    def mean(self) -> Tensor:
        """The chain at its conditionals' means, from first to last: a point that stands for it, its mean where they are linear."""
        return self._along(self.first.mean, lambda law: law.mean)

    def _along(self, z: Tensor, take: Callable[[Distribution], Tensor]) -> Tensor:
        for law in self.then:
            z = torch.cat([z, take(law(z))], -1)
        return z


def paired(q: Distribution, p: Distribution) -> bool:
    """Whether both are chains of the same levels, so that one can be held against the other level by level."""
    return isinstance(q, Chain) and isinstance(p, Chain) and q.sizes == p.sizes
