"""Random numbers that belong to rows: a function of a key, of the row, and of how many draws came before, whichever rows are with it.

Within ``by_row`` the functions here give, for rows that are a share of a batch, that share of the numbers of the batch; outside they are
torch's. Each call takes the next number of its block, so that calls come in the same order wherever the numbers are to be the same.
Threads do not meet: the block is the thread's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from lowerbound.system import philox, philox_numbers

#: the row of what belongs to none
NO_ROW = philox_numbers.WORD
CPU = torch.device("cpu")


@dataclass
class Noise:
    """The numbers of some ``rows`` ``(B,)``, each below 2^32 − 1, under a ``key`` of 64 bits.

    ``alone`` says that there are no other rows elsewhere, ``of_no_row`` that numbers belong to none at present.
    """

    key: int
    rows: Int64[Tensor, " B"]
    alone: bool = True
    of_no_row: bool = False
    calls: int = 0
    copies: dict[torch.device, Tensor] = field(default_factory=dict)

    def rows_on(self, device: torch.device) -> Int64[Tensor, " B"]:
        """The rows in the memory of a device."""
        if self.rows.device == device:
            return self.rows
        if device not in self.copies:
            self.copies[device] = self.rows.to(device)
        return self.copies[device]


@dataclass(slots=True)
class Call:
    """One draw of ``shape``, ``(outer, rows, inner)`` in that order: its number, and the rows on its device."""

    key: int
    number: int
    rows: Int64[Tensor, " B"]
    outer: int
    inner: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers a row gets."""
        return self.outer * self.inner

    def placed(self, drawn: Tensor) -> Tensor:
        """Numbers ``(B, size)`` as one tensor of the shape of the draw."""
        if self.outer == 1:
            return drawn.contiguous().view(self.shape)
        return drawn.reshape(len(self.rows), self.outer, self.inner).transpose(0, 1).contiguous().view(self.shape)

    def words(self, size: int) -> Int64[Tensor, "B size"]:
        """So many words of 32 random bits for each row."""
        return philox.words(self.key, self.rows, size, self.number)

    def keys(self) -> Int64[Tensor, "B size"]:
        """64 random bits for each number of the draw."""
        return philox.keys(self.key, self.rows, self.size, self.number)

    def uniforms(self) -> Float[Tensor, "B size"]:
        """A uniform number for each of the draw, in single precision."""
        return philox.uniforms(self.key, self.rows, self.size, self.number)

    def normals(self) -> Float[Tensor, "B size"]:
        """A standard normal number for each of the draw, in single precision."""
        return philox.normals(self.key, self.rows, self.size, self.number)

    def blocks(self, at: Int64[Tensor, " n"], lane: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Four words for each of some numbers of the draw, counted as in its memory; other words in each ``lane``."""
        inner, row = at % self.inner, at // self.inner % len(self.rows)
        place = at // (self.inner * len(self.rows)) * self.inner + inner
        return philox.blocks(self.key, self.rows[row], place, self.number, lane)


_current: ContextVar[Noise | None] = ContextVar("noise", default=None)


@contextmanager
def by_row(key: int, rows: Int64[Tensor, " B"], alone: bool = True) -> Iterator[None]:
    """Within the block, numbers follow from ``key`` and the rows. ``alone`` says that these rows are the whole batch."""
    before = _current.set(Noise(key, rows.long(), alone))
    try:
        yield
    finally:
        _current.reset(before)


@contextmanager
def of_no_row() -> Iterator[None]:
    """Within the block, numbers belong to no row: all shares of a batch get the same ones, whatever their rows."""
    noise = _current.get()
    if noise is None:
        yield
        return
    before, noise.of_no_row = noise.of_no_row, True
    try:
        yield
    finally:
        noise.of_no_row = before


@contextmanager
def one_call() -> Iterator[None]:
    """Within the block as many draws as it takes, together one call to what comes after: for loops that end when all rows are content."""
    noise = _current.get()
    if noise is None:
        yield
        return
    key = Call(noise.key, noise.calls, torch.tensor([NO_ROW]), 1, 1, (1,)).keys()
    noise.calls += 1
    inner = Noise(int(key) % 2**64, noise.rows, noise.alone, noise.of_no_row, copies=noise.copies)
    before = _current.set(inner)
    try:
        yield
    finally:
        _current.reset(before)


def is_on() -> bool:
    """Whether this is within a block, so that numbers come by row."""
    return _current.get() is not None


def is_of_a_share() -> bool:
    """Whether numbers are drawn for a share of a batch, other rows being elsewhere."""
    noise = _current.get()
    return noise is not None and not noise.alone


def is_of_rows(number: int) -> bool:
    """Whether numbers come by row, and of so many rows."""
    noise = _current.get()
    return noise is not None and not noise.of_no_row and 0 < number == noise.rows.shape[0]


def last(axes: int, after: int = 0) -> int | None:
    """The last of so many axes, ``after`` of them left out; None where there is none left."""
    return axes - 1 - after if axes > after else None


def call(shape: Sequence[int], axis: int | None, device: torch.device | None = None) -> Call | None:
    """The next draw of the block, of this shape, ``axis`` counting rows; None outside a block.

    An axis may count the rows several times over, all of them and then all again. Where it does not, and where it is None, the numbers
    belong to no row: all shares of a batch get the same.
    """
    noise = _current.get()
    if noise is None:
        return None
    shape, n, device = tuple(shape), noise.rows.shape[0], device or CPU
    noise.calls += 1
    if axis is None or noise.of_no_row or n == 0 or shape[axis] % n:
        rows, outer, inner = torch.tensor([NO_ROW], device=device), 1, math.prod(shape)
    else:
        outer, inner = math.prod(shape[:axis]) * (shape[axis] // n), math.prod(shape[axis + 1 :])
        rows = noise.rows_on(device)
    return Call(noise.key, noise.calls - 1, rows, outer, inner, shape)


def uniform(shape: Sequence[int], axis: int | None, dtype: torch.dtype = torch.float32, device: torch.device | None = None) -> Tensor:
    """Numbers uniform on (0, 1), outside a block on [0, 1)."""
    if (draw := call(shape, axis, device)) is None:
        return torch.rand(*shape, dtype=dtype, device=device)
    if dtype != torch.float64:
        return draw.placed(draw.uniforms()).to(dtype)
    return draw.placed(_doubles(draw, draw.size))


def normal(shape: Sequence[int], axis: int | None, dtype: torch.dtype = torch.float32, device: torch.device | None = None) -> Tensor:
    """Standard normal numbers."""
    if (draw := call(shape, axis, device)) is None:
        return torch.randn(*shape, dtype=dtype, device=device)
    if dtype != torch.float64:
        return draw.placed(draw.normals()).to(dtype)
    u, v = _doubles(draw, 2 * draw.size).chunk(2, 1)
    return draw.placed(philox.box_muller(u, v))


def exponential(shape: Sequence[int], axis: int | None, dtype: torch.dtype = torch.float32, device: torch.device | None = None) -> Tensor:
    """Numbers of density e^−x, above 0."""
    if _current.get() is None:
        return torch.empty(*shape, dtype=dtype, device=device).exponential_()
    return -uniform(shape, axis, dtype, device).log()


def keys(rows: int, device: torch.device | None = None) -> Int64[Tensor, " B"]:
    """64 random bits for each of so many rows."""
    if (draw := call((rows,), 0, device)) is None:
        return torch.empty(rows, dtype=torch.int64, device=device).random_(-(2**63), None)
    return draw.placed(draw.keys())


def _doubles(draw: Call, size: int) -> Tensor:
    bits = draw.words(2 * size)
    return philox.doubles(bits[:, ::2], bits[:, 1::2])
