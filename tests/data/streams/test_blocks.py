"""Rows of an array that is read block by block are those of the same array in memory, in whatever order they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lowerbound.data.streams import blocks as blocks_file
from lowerbound.data.streams.blocks import Buffer, StreamedRows
from lowerbound.data.streams.windows import Windows
from lowerbound.errors import DataError

WIDTH = 3


@dataclass
class InMemory:
    """Blocks of an array that is in memory; counts how often each is read, and cannot read those that it ``fails`` at."""

    sizes: Tensor
    event_shape: tuple[int, ...] = (WIDTH,)
    dtype: torch.dtype = torch.float32
    low: float = 0.0
    high: float = 1.0
    holes: int = 0
    fingerprint: str = "one"
    reads: list[int] = field(default_factory=list)
    fails: set[int] = field(default_factory=set)

    @property
    def array(self) -> Tensor:
        return torch.rand(int(self.sizes.sum()), WIDTH, generator=torch.Generator().manual_seed(0))

    def read(self, block: int, into: Tensor) -> None:
        self.reads.append(block)
        if block in self.fails:
            raise DataError(f"block {block} is gone")
        end = int(self.sizes[: block + 1].sum())
        into.copy_(self.array[end - int(self.sizes[block]) : end])


def rows_of(sizes: list[int], window: int) -> StreamedRows:
    """An array of which a window has this many blocks, and memory three windows."""
    blocks = InMemory(torch.tensor(sizes))
    found = StreamedRows.of(blocks)
    found.buffer.window, found.buffer.most = window, min(len(sizes), blocks_file.KEPT * window)
    found.buffer._free = list(range(found.buffer.most))
    return found


SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 4), st.integers(0, 10**6))
def test_rows_are_those_in_memory(sizes: list[int], window: int, seed: int) -> None:
    array, chance = rows_of(sizes, window), torch.Generator().manual_seed(seed)
    for n in (1, 5, 40):
        rows = torch.randint(len(array), (n,), generator=chance)
        array.expect(torch.randint(len(sizes), (2,), generator=chance))
        assert torch.equal(array.index_select(0, rows), array.blocks.array[rows])
    assert len(array.buffer._held) <= array.buffer.most


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(0, 10**6))
def test_some_of_its_blocks_are_an_array_too(sizes: list[int], seed: int) -> None:
    array, chance = rows_of(sizes, 2), torch.Generator().manual_seed(seed)
    some = torch.randperm(len(sizes), generator=chance)[: 1 + len(sizes) // 2]
    part, parts = array.part(some), array.blocks.array.split(sizes)
    assert torch.equal(part.index_select(0, torch.arange(len(part))), torch.cat([parts[block] for block in some.tolist()]))
    assert part.shape == (len(part), WIDTH)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.integers(1, 4), st.integers(0, 100))
def test_an_order_has_each_row_once_and_is_the_same_from_any_place(sizes: list[int], window: int, seed: int) -> None:
    array = rows_of(sizes, window)
    whole = Windows(array, seed, "order", 0)[0 : len(array)]
    assert sorted(whole.tolist()) == list(range(len(array)))
    start, stop = sorted(torch.randint(len(array) + 1, (2,), generator=torch.Generator().manual_seed(seed)).tolist())
    assert torch.equal(Windows(array, seed, "order", 0)[start:stop], whole[start:stop])
    if len(array) > 20:
        assert not torch.equal(Windows(array, seed, "order", 1)[0 : len(array)], whole)


def test_an_epoch_reads_each_block_once_and_the_next_window_ahead() -> None:
    array = rows_of([5] * 40, 4)
    order = Windows(array, 0)
    for start in range(0, len(array), 7):
        array.index_select(0, order[start : start + 7])
        if start == 0:
            ahead = {*order.blocks[0].tolist(), *order.blocks[1].tolist()}
            assert {*array.buffer._held} == ahead
    assert sorted(array.blocks.reads) == list(range(40))


def test_rows_far_apart_come_to_the_same_window() -> None:
    """Of windows of 8 blocks in 64 the rows of one are from all over the array, not neighbours."""
    array = rows_of([10] * 64, 8)
    first = Windows(array, 0)[0:80].sort().values
    assert len((first // 10).unique()) == 8
    assert int(first[-1] - first[0]) > 320


def test_a_block_that_cannot_be_read_is_an_error_and_may_be_read_again() -> None:
    array = rows_of([4] * 6, 2)
    array.blocks.fails = {3}
    for _ in range(2 * array.buffer.most):
        with pytest.raises(DataError, match="block 3 is gone"):
            array.index_select(0, torch.arange(10, 14))
    array.blocks.fails = set()
    assert torch.equal(array.index_select(0, torch.arange(24)), array.blocks.array)


def test_memory_is_as_large_as_it_must_be() -> None:
    blocks = InMemory(torch.full((1000,), 10))
    buffer = Buffer(blocks)
    assert buffer.most == 1000  # a small array is kept
    large = InMemory(torch.full((1000,), 2**20 // (4 * WIDTH)))
    assert Buffer(large).window == pytest.approx(blocks_file.WINDOW / 2**20, abs=1)
    assert Buffer(large).most == blocks_file.KEPT * Buffer(large).window


def test_waiting_is_counted_and_what_is_there_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that stands still but while a block is read, which takes 3 seconds of it."""
    array, seconds = rows_of([5] * 4, 4), [0.0]
    read = array.blocks.read
    monkeypatch.setattr(blocks_file.time, "perf_counter", lambda: seconds[0])

    def slow(block: int, into: Tensor) -> None:
        begun.wait()
        seconds[0] += 3.0
        read(block, into)

    begun, array.blocks.read = Event(), slow
    waits = array.buffer._await

    def waited(block: int) -> None:  # reading begins once somebody waits for it
        begun.set()
        waits(block)

    array.buffer._await = waited
    for _ in range(2):
        array.index_select(0, torch.arange(5))
        assert array.waited == 3.0
