"""The cells of one column, each text kept once: what is decided of a text, or read from it, is worked out once and not for each row."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol, overload, runtime_checkable

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
#: of the types of columns that a file may state: texts, and those that are not supported
TEXT, OTHER = "text", "other"
#: from so many cells on, it takes less time to import pyarrow than it saves
MANY = 10_000


@runtime_checkable
class Reader(Hashable, Protocol):
    """Reads numbers from texts."""

    def __call__(self, texts: Sequence[str], /) -> Numbers:
        """The number of each text, NaN for one that has none."""


class Texts(Sequence["str | None"]):
    """The texts of N cells, None where one is missing.

    ``distinct`` are the texts in the order of their first rows, ``codes`` ``(N,)`` the place of each cell's text among them, −1 where it
    is missing. ``line`` gives the line of the file on which a row begins, where there is such a file; ``typed`` are cells of a file
    that has types and says that they are no texts: numbers among them are written as programs do.
    """

    def __init__(
        self, distinct: Sequence[str], codes: npt.NDArray[np.int32], line: Callable[[int], int] | None = None, typed: bool = False
    ):
        self.distinct, self.codes, self.line, self.typed = list(distinct), codes, line, typed
        self._read: dict[Reader, Numbers] = {}
        self._without: dict[frozenset[str], Texts] = {}

    @classmethod
    def of(cls, cells: Sequence[str | None], line: Callable[[int], int] | None = None) -> Texts:
        """Those of any sequence."""
        if isinstance(cells, Texts):
            return cells
        if len(cells) > MANY:
            import pyarrow

            found = pyarrow.array(cells, pyarrow.large_string()).dictionary_encode()
            return cls(found.dictionary.to_pylist(), codes_of(found), line)
        distinct = [text for text in dict.fromkeys(cells) if text is not None]
        place: dict[str | None, int] = {None: -1, **{text: place for place, text in enumerate(distinct)}}
        return cls(distinct, np.array([place[text] for text in cells], np.int32), line)

    @classmethod
    def coded(
        cls, texts: Sequence[str], codes: npt.NDArray[np.int32], line: Callable[[int], int] | None = None, typed: bool = False
    ) -> Texts:
        """Those of cells by the place of each cell's text, −1 where it is missing; texts may be equal."""
        fewer = cls.of(texts)
        return cls(fewer.distinct, np.append(fewer.codes, np.int32(-1))[codes], line, typed)

    def changed(self, new: Sequence[str]) -> Texts:
        """The same cells with another text in place of each distinct one."""
        return self if list(new) == self.distinct else Texts.coded(new, self.codes, self.line, self.typed)

    def having(self, texts: Iterable[str]) -> frozenset[str]:
        """Those of the texts that some cells have."""
        return self._set.intersection(texts)

    @cached_property
    def _set(self) -> frozenset[str]:
        return frozenset(self.distinct)

    def without(self, missing: frozenset[str]) -> Texts:
        """The same with the cells of these texts missing."""
        if not missing:
            return self
        if missing not in self._without:
            there = np.array([text not in missing for text in self.distinct], dtype=bool)
            codes = np.append(np.where(there, np.cumsum(there) - 1, -1), -1).astype(np.int32)
            kept = [text for text in self.distinct if text not in missing]
            self._without[missing] = Texts(kept, codes[self.codes], self.line, self.typed)
        return self._without[missing]

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str | None]:
        return iter(np.array([*self.distinct, None], dtype=object)[self.codes])

    @overload
    def __getitem__(self, row: int) -> str | None: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[str | None]: ...
    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return [self.distinct[code] if code >= 0 else None for code in self.codes[row]]
        code = self.codes[row]
        return self.distinct[code] if code >= 0 else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def there(self) -> int:
        """How many cells are not missing."""
        return int((self.codes >= 0).sum())

    def numbers(self, read: Reader) -> Numbers:
        """A number for each cell, NaN where it is missing or has none; texts are read once by each reader."""
        if read not in self._read:
            self._read[read] = read(self.distinct)
        return self.spread(self._read[read])

    def spread(self, values: Numbers) -> Numbers:
        """A number for each cell, of one for each distinct text."""
        return np.append(values, np.nan)[self.codes]

    def counts(self) -> npt.NDArray[np.int64]:
        """How many cells have each distinct text."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.distinct))

    def first(self, wanted: npt.NDArray[np.bool_]) -> int | None:
        """The first row that is not missing and of which this holds."""
        found = wanted & (self.codes >= 0)
        return int(found.argmax()) if found.any() else None

    def where(self, name: str, row: int) -> str:
        """How a message names a cell of column ``name``: by its row, the first being 1, and the line of its file."""
        line = "" if self.line is None else f"line {self.line(row):,}, "
        return f"{line}column '{name}', row {row + 1}"


def codes_of(encoded: Any) -> npt.NDArray[np.int32]:
    """The codes of an array of pyarrow's that keeps each value once, −1 for null."""
    codes: npt.NDArray[np.int32] = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes
