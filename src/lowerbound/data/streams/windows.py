"""An order of the rows of an array that is read block by block: its blocks in any order, and the rows of a few blocks, a window, in any.

So each block is read once, and two rows that were far apart may follow each other. The order is a function of the words that it is given:
whoever stands at a place of it needs nothing else to go on from there.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Int64
from torch import Tensor

from lowerbound.data.streams.blocks import StreamedRows
from lowerbound.system.seeding import permutation


class Windows:
    """All rows of an ``array``, each once, by ``words``. The window after that of the rows that are asked for is read ahead."""

    def __init__(self, array: StreamedRows, *words: int | str) -> None:
        self.array, self.words = array, words
        self.blocks = permutation(len(array.sizes), *words).split(array.window)
        self.ends = torch.tensor([int(array.sizes[some].sum()) for some in self.blocks]).cumsum(0)
        self.window = lru_cache(maxsize=2)(self._window)

    def __getitem__(self, places: slice) -> Int64[Tensor, " n"]:
        """The row numbers at these places of the order."""
        parts, (place, stop, _) = [], places.indices(int(self.ends[-1]))
        while place < stop:
            number = int(torch.searchsorted(self.ends, place, right=True))
            order, end = self.window(number), int(self.ends[number])
            parts.append(order[place - end + len(order) : stop - end + len(order) if stop < end else None])
            place = end
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.long)

    def _window(self, number: int) -> Tensor:
        """The rows of a window in their order; its blocks and those of the next are expected."""
        for blocks in self.blocks[number : number + 2]:
            self.array.expect(blocks)
        ends, sizes = self.array.ends, self.array.sizes
        rows = torch.cat([torch.arange(int(ends[block] - sizes[block]), int(ends[block])) for block in self.blocks[number].tolist()])
        return rows[permutation(len(rows), *self.words, number)]
