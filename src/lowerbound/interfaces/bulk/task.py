"""What a verb does in pieces: a ``Task`` says it in words that can be sent anywhere, and whoever does a piece begins it there, once."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any

from lowerbound.data.dataset import Dataset
from lowerbound.errors import DataError, UsageError
from lowerbound.runs import layout
from lowerbound.runs import pieces as data_pieces
from lowerbound.runs import run as runs
from lowerbound.runs.pieces import Part, Pieces
from lowerbound.runs.run import Run

#: what is said of a piece, tables of pyarrow's by what their folder's name ends in: "" for the answer itself, which is last
Tables = Mapping[str, Any]
#: rows of a piece, bytes of its values, draws of latents for it: at most, and a whole number of batches all the same
ROWS, BYTES, DRAWS = 16_000, 2**26, 2**22


@dataclass(frozen=True)
class Begun:
    """A task where its pieces are done: ``rows`` in all, in pieces of ``size``, and what is said of those from a row to before another."""

    rows: int
    size: int
    tables: Callable[[int, int], Tables]
    identity: Any
    device: str
    notes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()  # what the names of further folders end in


class Task(ABC):
    """A verb with its options, of which the answer is made."""

    @property
    @abstractmethod
    def words(self) -> dict[str, Any]:
        """What the answer depends on besides the data, as JSON has it."""

    @abstractmethod
    def begin(self) -> Begun:
        """Read what it needs. Errors: RunError, DataError, UsageError."""


@dataclass(frozen=True)
class Asked:
    """The examples of which something is said for a run: a source, by default its own, the part of it, the first ``rows``."""

    run: str
    device: str
    part: Part
    data: str | None = None
    data_dir: str | None = None
    rows: int | None = None

    def open(self) -> tuple[Run, Pieces]:
        """The run, and the data. Errors: RunError, DataError."""
        run = runs.load(self.run, self.device)
        found = data_pieces.pieces(run, self.data, self.data_dir, self.part)
        if not len(found):
            raise DataError("there are no examples in these data")
        return run, found

    def begun(
        self, run: Run, data: Pieces, batches: Sequence[int], most: int, said: Callable[[Dataset], Tables], beside: tuple[str, ...] = ()
    ) -> Begun:
        """What is said of the rows, ``batches`` at once; at most ``most`` in a piece, if that is one batch or more."""
        rows = len(data) if self.rows is None else self.rows
        if rows > len(data):
            raise UsageError(f"there are only {len(data):,} examples, and {rows:,} were asked for; ask for fewer")
        size = whole_batches(batches, most, data.read(0, 1)[0].numel() * 4)
        return Begun(rows, size, lambda first, end: said(data.read(first, end)), data.identity, str(run.vae.device), data.notes, beside)


def whole_batches(batches: Sequence[int], most: int, bytes_a_row: int) -> int:
    """The rows of a piece: a multiple of all ``batches``, so that no batch is cut, and every number to the bit what it is in the whole."""
    each = lcm(*batches)
    return max(each, min(ROWS, most, BYTES // max(1, bytes_a_row)) // each * each)


def weights(run: str) -> str:
    """SHA-256 of a run's weights and recipe, by which it is known wherever it lies. Errors: OSError."""
    digest = hashlib.sha256()
    folder = runs.load(run, "cpu").folder
    for name in (layout.RECIPE, layout.WEIGHTS):
        digest.update((Path(folder) / name).read_bytes())
    return digest.hexdigest()
