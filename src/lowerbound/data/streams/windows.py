"""An order of the rows of an array that is read block by block: its blocks in any order, and the rows of a few blocks, a window, in any.

So each block is read once, and two rows that were far apart may follow each other. The order is a function of the words that it is given:
whoever stands at a place of it needs nothing else to go on from there.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate

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
        self.ends = list(accumulate(int(array.sizes[some].sum()) for some in self.blocks))
        self.window = lru_cache(maxsize=2)(self._window)

    def __getitem__(self, places: slice) -> Int64[Tensor, " n"]:
        """The row numbers at these places of the order."""
        parts, (place, stop, _) = [], places.indices(self.ends[-1])
        while place < stop:
            number = bisect_right(self.ends, place)
            order, end = self.window(number), self.ends[number]
            parts.append(order[place - end + len(order) : stop - end + len(order) if stop < end else None])
            place = end
        if len(parts) == 1:
            return parts[0]
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.long)

    def _window(self, number: int) -> Tensor:
        """The rows of a window in their order; its blocks and those of the next are expected."""
        for blocks in self.blocks[number : number + 2]:
            self.array.expect(blocks)
        starts, ends = self.array.starts, self.array.ends
        rows = torch.cat([torch.arange(int(starts[block]), int(ends[block])) for block in self.blocks[number].tolist()])
        return rows[permutation(len(rows), *self.words, number)]
