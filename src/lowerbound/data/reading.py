"""How a source is to be read: what a user, or the model that wants the data, says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lowerbound.data.meaning import Range
from lowerbound.data.schema import Schema


@dataclass(frozen=True)
class Reading:
    """The options for reading a source, with their defaults; ``data.load`` describes each."""

    size: int | None = None
    color: str = "auto"
    skip_unreadable: bool = False
    holes: bool = False
    types: str | Path | Mapping[str, Any] | None = None
    #: texts that mean that a cell of a table is missing, with commas between them
    missing_as: str | None = None
    schema: Schema | None = None
    #: the numbers that are black and white; whether whole numbers are counts; what is 1, and what was white, in the data of a model
    limits: Range | None = None
    counts: bool = False
    unit: int | None = None
    white: float | None = None
    #: of one example, channels first
    shape: tuple[int, ...] | None = None
    #: which column is the labels; whether the first line of a CSV is a row
    label_column: str | None = None
    header: bool = True
    #: whether black and white are exchanged once all is read
    invert: bool = False
    #: for a run that is there: a label column is taken where there is one, and how to say another is not proposed
    of_run: bool = False
    #: whether the values stay on disk; by their size where it is not said
    stream: bool | None = None
    #: the names of a run's variables, its genes, in their order
    variables: tuple[str, ...] = ()

    @property
    def of_table(self) -> bool:
        """Whether what is said is about the columns of a table."""
        return self.schema is not None or self.types is not None or self.missing_as is not None

    @property
    def given(self) -> frozenset[str]:
        """The names of the options that differ from the default."""
        return frozenset(field.name for field in fields(self) if getattr(self, field.name) != field.default)
