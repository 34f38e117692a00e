"""Captured calls that read a batch: examples of some rows, bits drawn of greys, noise for latents, and which values are not zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.nn.precision import LARGE
from lowerbound.system import noise, philox_numbers
from lowerbound.system.devices import loops
from lowerbound.training.steps.captured_gradient import Sizes
from lowerbound.vae.objectives.base import Objective

#: a gradient's calls, by what its first layer takes, the examples, and the noise of each latent
Maker = Callable[[Any, Float[Tensor, "B D"], Sequence[Float[Tensor, "K B d"]]], Callable[[Objective], Float[Tensor, " 3"]]]


class Batch:
    """The calls for batches of one size, of bytes divided by a ``unit`` or of numbers, whose bits may be drawn.

    ``first`` is the weight that takes them, ``latents`` how many dimensions each latent has. How the gradient that ``make`` captures
    begins, by ``sums`` over what is not zero or by a product, is known once they have been read.
    """

    def __init__(
        self,
        first: Float[Tensor, "h D"],
        latents: Sequence[int],
        sizes: Sizes,
        unit: float | None,
        binarize: bool,
        make: Maker,
        sums: bool = True,
    ):
        compiled = loops()
        assert compiled is not None
        self.latents, self.sizes, self.compiled, self.calls, self.make = latents, sizes, compiled, compiled.CapturedCalls(), make
        n, size = sizes.n, first.shape[1]
        self.suits = sums and first.numel() >= LARGE and compiled.Sparse.suits(first) and compiled.share_of_sums() > 0
        self.sparse, self.greys = compiled.Sparse(n, size), self.compiled.floats(n, size)
        self.x = self.compiled.floats(n, size) if binarize else self.greys
        self.keys = self._keys() if binarize else None
        self.bytes = None if unit is None else self._bytes(unit)
        if self.keys is not None and unit is None:
            self.calls.loop(compiled.bernoulli.drawn, self.x.numel(), n, size, *self.keys[1:], self.greys, self.x)
        if self.suits and (unit is None or not binarize):
            self.calls.loop(compiled.sparse.loops.nonzeros, *self.sparse.reading(self.x))
        self.normals, self.noise = zip(*map(self._normals, latents), strict=True)
        self.gradients: dict[bool, Callable[[Objective], Float[Tensor, " 3"]]] = {}

    def __call__(self, array: Tensor, rows: Int64[Tensor, " B"], objective: Objective) -> Float[Tensor, " 3"]:
        """Leave the gradient of these rows of an array in the weights; return the means."""
        if self.bytes is None:
            torch.index_select(array.flatten(1), 0, rows, out=self.greys)
        else:
            self.bytes.change(rows=rows, array=array)
        if self.keys is not None:
            self._draw(self.keys[0])
        for normals, latent in zip(self.normals, self.latents, strict=True):
            self._draw(normals, self.sizes.k, latent)
        self.calls.replay()
        few = self.suits and self.sparse.share() <= self.compiled.share_of_sums()
        if few not in self.gradients:
            self.gradients[few] = self.make(self.sparse if few else self.x, self.x, self.noise)
        return self.gradients[few](objective)

    def _keys(self) -> tuple[Any, int, Tensor]:
        """A key for each example, whose bits are drawn: the call that draws them, how far apart they are, and where."""
        keys = torch.empty(self.sizes.n, philox_numbers.whole(2), dtype=torch.int32, device="cpu")
        drawn = self.calls.loop(self.compiled.random.random_words, keys.numel(), *keys.shape, torch.empty(0), 0, 0, keys)
        return drawn, keys.shape[1] // 2, keys

    def _bytes(self, unit: float) -> Any:
        """The call that reads bytes of rows of an array, and draws bits of them where there are keys."""
        greys, nothing = self.greys, torch.empty(0)  # rows and the array are said before each call
        if self.keys is None:
            return self.calls.loop(self.compiled.pixels.gathered, greys.numel(), *greys.shape, nothing, unit, nothing, greys)
        where = self.x, self.sparse.places, self.sparse.values, self.sparse.counts
        _, stride, keys = self.keys
        return self.calls.loop(self.compiled.bernoulli.read_bits, greys.numel(), *greys.shape, stride, nothing, unit, keys, nothing, *where)

    def _normals(self, d: int) -> tuple[Any, Float[Tensor, "K B d"]]:
        """Noise for a latent of so many dimensions: the call that draws it, and where it is."""
        (n, k, _), random = self.sizes, self.compiled.random
        drawn, found = self.compiled.floats(n, philox_numbers.whole(k * d)), self.compiled.floats(k, n, d)
        draw = self.calls.loop(random.random_normals, drawn.numel(), *drawn.shape, torch.empty(0), 0, 0, drawn)
        self.calls.loop(random.placed, found.numel(), n, drawn.shape[1], k, d, drawn, found)
        return draw, found

    def _draw(self, loop: Any, draws: int = 1, size: int = 1) -> None:
        """Have a loop make the next draw of this step."""
        draw = noise.call((draws, self.sizes.n, size), 1)
        assert draw is not None
        loop.change(rows=draw.rows.contiguous(), key=draw.key, call=draw.number)
