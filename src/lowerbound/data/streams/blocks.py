"""An array ``(N, *event)`` in files, larger than memory: rows by number, from blocks that are read when they are needed, or before.

Blocks that were read last are in one buffer, so that a batch is one gather. A thread reads those that are expected while steps compute.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int64, Shaped
from torch import Size, Tensor

#: bytes of the blocks among which rows are shuffled
WINDOW = 2**25
#: windows in memory: that of the batch, the one before, of which a batch may still want rows, and the next
KEPT = 3
READERS = 2  # threads: a device answers two questions sooner than one after the other


@runtime_checkable
class Blocks(Protocol):
    """Where the rows of an array are, and what is known of its values without reading them."""

    @property
    def sizes(self) -> Int64[Tensor, " B"]:
        """How many rows each block has."""

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of an example."""

    @property
    def dtype(self) -> torch.dtype:
        """The type of the values."""

    @property
    def low(self) -> float:
        """The least value, as it is stored; missing ones aside."""

    @property
    def high(self) -> float:
        """The greatest."""

    @property
    def holes(self) -> int:
        """How many are missing (NaN)."""

    @property
    def fingerprint(self) -> str:
        """Another one for other values."""

    def read(self, block: int, into: Shaped[Tensor, "rows *event"]) -> None:
        """Write the rows of a block into memory; any thread may. Errors: DataError for files that are gone or damaged."""


@dataclass(frozen=True)
class StreamedRows:
    """The rows of some of the ``blocks``, those with the numbers ``chosen``, in that order; of all in turn if they are all."""

    blocks: Blocks
    chosen: Int64[Tensor, " b"]
    buffer: Buffer

    @classmethod
    def of(cls, blocks: Blocks) -> StreamedRows:
        """All rows."""
        return cls(blocks, torch.arange(len(blocks.sizes)), Buffer(blocks))

    def part(self, some: Int64[Tensor, " s"]) -> StreamedRows:
        """The rows of some of its blocks, by their places among ``chosen``."""
        return StreamedRows(self.blocks, self.chosen[some], self.buffer)

    @cached_property
    def sizes(self) -> Int64[Tensor, " b"]:
        """How many rows each of its blocks has."""
        return self.blocks.sizes[self.chosen]

    @cached_property
    def ends(self) -> Int64[Tensor, " b"]:
        """The row after the last one of each block."""
        return self.sizes.cumsum(0)

    @cached_property
    def starts(self) -> Int64[Tensor, " b"]:
        """The first row of each block."""
        return self.ends - self.sizes

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def shape(self) -> Size:
        """``(N, *event)``."""
        return Size((len(self), *self.blocks.event_shape))

    @property
    def dtype(self) -> torch.dtype:
        """The type of the values."""
        return self.blocks.dtype

    def numel(self) -> int:
        """How many values there are."""
        return self.shape.numel()

    @property
    def fingerprint(self) -> str:
        """Another one for other values of all blocks."""
        return self.blocks.fingerprint

    @property
    def window(self) -> int:
        """How many blocks are shuffled with one another."""
        return self.buffer.window

    @property
    def waited(self) -> float:
        """Seconds that were spent waiting for blocks until now."""
        return self.buffer.waited

    def index_select(self, axis: int, rows: Int64[Tensor, " B"]) -> Shaped[Tensor, "B *event"]:
        """These rows; ``axis`` is 0. Errors: DataError where a file cannot be read."""
        assert axis == 0
        places = torch.searchsorted(self.ends, rows, right=True)
        within = rows - self.starts.index_select(0, places)
        return self.buffer.rows(self.chosen.index_select(0, places), within)

    def expect(self, some: Int64[Tensor, " s"]) -> None:
        """Begin to read some of its blocks, by their places."""
        self.buffer.expect(self.chosen[some].tolist())


def streamed(data: object) -> StreamedRows | None:
    """The array of examples in files, where ``data`` are all of its rows; None for all else."""
    array = getattr(data, "array", None)
    return array if isinstance(array, StreamedRows) and getattr(data, "rows", None) is None else None


@dataclass
class Buffer:
    """Memory for the blocks that were read last: a block that is to be read takes the place of the one that was read first."""

    blocks: Blocks
    waited: float = 0.0
    _held: dict[int, tuple[int, Future[None]]] = field(default_factory=dict)  # slot and reading of each block, in the order of reading

    def __post_init__(self) -> None:
        self.longest = int(self.blocks.sizes.max()) if len(self.blocks.sizes) else 1
        size = max(1, self.longest * Size(self.blocks.event_shape).numel() * self.blocks.dtype.itemsize)
        self.window = max(2, WINDOW // size)
        self.most = min(len(self.blocks.sizes), KEPT * self.window)
        #: where each block is in memory, −1 until it has been read
        self.slots, self._free = torch.full((len(self.blocks.sizes),), -1), list(range(self.most))

    @cached_property
    def memory(self) -> Tensor:
        """``(slots × rows of the longest block, *event)``; a page that was never written takes no memory."""
        return torch.empty((self.most * self.longest, *self.blocks.event_shape), dtype=self.blocks.dtype)

    @cached_property
    def readers(self) -> ThreadPoolExecutor:
        """The threads that read."""
        return ThreadPoolExecutor(READERS, "lowerbound-blocks")

    def rows(self, blocks: Int64[Tensor, " B"], within: Int64[Tensor, " B"]) -> Tensor:
        """The rows ``within`` their blocks. Errors: DataError."""
        slots = self.slots.index_select(0, blocks)
        if (slots >= 0).all():  # nearly always, and then this is all that a batch asks
            return self._gathered(slots, within)
        needed = blocks.unique()
        if len(needed) <= self.most:
            self._bring(needed.tolist())
            return self._gathered(self.slots[blocks], within)
        found = self.memory.new_empty((len(blocks), *self.blocks.event_shape))
        for some in needed.split(self.most):
            here = torch.isin(blocks, some).nonzero()[:, 0]
            self._bring(some.tolist())
            found[here] = self._gathered(self.slots[blocks[here]], within[here])
        return found

    def _gathered(self, slots: Tensor, within: Tensor) -> Tensor:
        return self.memory.index_select(0, slots.mul_(self.longest).add_(within))

    def expect(self, blocks: list[int]) -> None:
        """Begin to read those that are not there."""
        for block in blocks:
            if block not in self._held:
                slot = self._free_slot()
                into = self.memory[slot * self.longest :][: int(self.blocks.sizes[block])]
                self._held[block] = slot, self.readers.submit(self.blocks.read, block, into)

    def _bring(self, blocks: list[int]) -> None:
        """Have these blocks in memory, at most as many as there are places."""
        if not all(block in self._held for block in blocks):
            for block in blocks:  # what is wanted is as good as read last, so that nothing of it leaves
                if block in self._held:
                    self._held[block] = self._held.pop(block)
            self.expect(blocks)
        started = time.perf_counter()
        for block in blocks:
            self._await(block)
        self.waited += time.perf_counter() - started

    def _await(self, block: int) -> None:
        """Wait for the end of its reading. Errors: DataError, and it is as if nobody had asked for it."""
        slot, reading = self._held[block]
        try:
            reading.result()
            self.slots[block] = slot
        except BaseException:
            self._leave(block)
            raise

    def _leave(self, block: int) -> None:
        slot, _ = self._held.pop(block)
        self._free.append(slot)
        self.slots[block] = -1

    def _free_slot(self) -> int:
        """A place in memory, which the block that was read first leaves where all are taken."""
        if not self._free:
            oldest, (_, reading) = next(iter(self._held.items()))
            wait([reading])
            self._leave(oldest)
        return self._free.pop()
