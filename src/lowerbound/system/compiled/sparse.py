"""Examples by what is not zero in them, and a layer's products with them: sums over a few numbers in place of all.

Of a binarized image some eighth is not zero. Sums over it have a fraction of the multiplications, though none of a product's tiles; from
which share on they are slower is measured (system/machine.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from lowerbound.system.compiled.layout import TILE
from lowerbound.system.compiled.loops import Loops
from lowerbound.system.machine import INPUTS, OUTPUTS, ROWS, Question, Ways, choice, numbers
from lowerbound.system.products import fastest, product

loops = Loops("sparse")
EACH = 2**16  # numbers that a tile is worth, where threads are shared out


class Sparse:
    """Examples ``(B, D)`` in single precision: the places and the values of what is not zero in each, in rows as long as an example.

    Another batch of the same shape may be ``read`` into the same memory.
    """

    dtype = torch.float32

    @staticmethod
    def suits(weight: Float[Tensor, "H D"]) -> bool:
        """Whether a layer has as many outputs as are summed at once."""
        return len(weight) >= TILE

    def __init__(self, rows: int, size: int):
        self.rows, self.size = self.shape = rows, size
        self.places: Int32[Tensor, "B D"] = torch.empty(rows, size, dtype=torch.int32, device="cpu")
        self.values: Float[Tensor, "B D"] = torch.empty(rows, size, dtype=self.dtype, device="cpu")
        self.counts: Int32[Tensor, " B"] = torch.empty(rows, dtype=torch.int32, device="cpu")
        self._counted = self.counts.numpy()  # whose sum takes a fifth of torch's time
        self.room = torch.empty(0, dtype=self.dtype, device="cpu")

    def read(self, x: Float[Tensor, "B D"]) -> float:
        """Those of x; the share of its numbers that are not zero."""
        loops.nonzeros(*self.reading(x))
        return self.share()

    def times(self, weight: Float[Tensor, "H D"], found: Float[Tensor, "B H"]) -> Float[Tensor, "B H"]:
        """x Wᵀ, into ``found``."""
        loops.times_weights(*self.timing(weight, found))
        return found

    def of_weight(self, gradient: Float[Tensor, "B H"], found: Float[Tensor, "H D"]) -> None:
        """Σ over examples of gradient × x, into ``found``."""
        loops.of_weights(*self.summing(gradient, found))

    def share(self) -> float:
        """The share of numbers that are not zero in what was read last."""
        return float(self._counted.sum()) / max(1, self.rows * self.size)

    # --- what each loop is given ---------------------------------------------------------------------------

    def reading(self, x: Float[Tensor, "B D"]) -> tuple[Any, ...]:
        """That of ``nonzeros``."""
        return x.numel(), self.rows, self.size, x, self.places, self.values, self.counts

    def timing(self, weight: Float[Tensor, "H D"], found: Float[Tensor, "B H"]) -> tuple[Any, ...]:
        """That of ``times_weights``."""
        return *self._sizes(weight), weight, *self._given(weight), found

    def summing(self, gradient: Float[Tensor, "B H"], found: Float[Tensor, "H D"]) -> tuple[Any, ...]:
        """That of ``of_weights``."""
        return *self._sizes(found), gradient, *self._given(found), found

    def _sizes(self, weight: Tensor) -> tuple[int, ...]:
        tiles = -(-len(weight) // TILE)
        return tiles * EACH, tiles, self.rows, self.size, len(weight)

    def _given(self, weight: Tensor) -> tuple[Tensor, ...]:
        """What both loops read, and room for a tile of each thread."""
        needed = (len(weight) + TILE) * self.size
        if len(self.room) < needed:
            self.room = torch.empty(needed, dtype=self.dtype, device="cpu")
        return self.places, self.values, self.counts, self.room


# --- from which share on a product is faster ---------------------------------------------------------------

PRODUCT, EIGHTH, QUARTER = "products", "sums, an eighth not zero", "sums, a quarter"


def share_of_sums() -> float:
    """The share of numbers that are not zero up to which sums over them are faster than products, of a layer's output and its gradient."""
    return float(choice(SUMS).answer)


def _of_sums() -> Ways:
    weight, of_weight = numbers(OUTPUTS, INPUTS), numbers(OUTPUTS, INPUTS)
    gradient, found = numbers(ROWS, OUTPUTS), numbers(ROWS, OUTPUTS)

    def sums(one_of: int) -> Callable[[], None]:
        """The way by sums over inputs of which one in so many is not zero."""
        x = (torch.arange(ROWS * INPUTS, device="cpu") * 7919 % INPUTS % one_of == 0).float().view(ROWS, INPUTS)
        sparse = Sparse(ROWS, INPUTS)

        def way() -> None:
            sparse.read(x)
            sparse.times(weight, found)
            sparse.of_weight(gradient, of_weight)

        return way

    kind = fastest()
    forth, back = product(ROWS, INPUTS, OUTPUTS, kind), product(OUTPUTS, ROWS, INPUTS, kind)
    return {PRODUCT: lambda: (forth(), back()), EIGHTH: sums(8), QUARTER: sums(4)}


def _share(milliseconds: Mapping[str, float]) -> float:
    """Where the line through both sums meets the product, at most a half."""
    product, eighth, quarter = (milliseconds[way] for way in (PRODUCT, EIGHTH, QUARTER))
    return round(min(max(1 / 8 + (product - eighth) / (8 * max(quarter - eighth, 1e-6)), 0.0), 0.5), 3)


SUMS = Question("sums", "share of a layer's inputs that are not zero up to which they are summed", _of_sums, _share, lambda: 0.25)
