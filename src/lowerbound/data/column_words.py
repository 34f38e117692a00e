"""What a user says of the columns of a table: ``ColumnWords`` has a field for each key of a TOML file, ``KEYS`` how its value is read."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lowerbound.data.cells import Marks
from lowerbound.data.column import MODELLED
from lowerbound.data.reading import Reading
from lowerbound.data.spellings import Spelling
from lowerbound.errors import DataError, nearest, reason

#: kinds that can be specified
TYPES = (*MODELLED, "ignore")
DATE = "date:"
NUMBER = "number"
ORDINAL = "ordinal"
#: keys that may stand above all columns, for each of them
OF_ALL = ("missing", "keep")
#: maps that can be specified
LAWS = ("linear", "soft", "log", "asinh")


@dataclass(frozen=True)
class ColumnWords:
    """Of one column: its ``kind``, or ``date:`` and a format; texts of missing cells besides the usual ones; usual ones that are values;
    the levels of an ordinal, the least first; how its numbers are written; of numbers the bounds, whether all are above 0, values that many
    rows share, and the map to a normal. What is not said is inferred.
    """

    kind: str | None = None
    missing: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    ordinal: tuple[str, ...] = ()
    spelling: str = ""
    min: float | None = None
    max: float | None = None
    positive: bool = False
    spike: tuple[float, ...] | None = None
    law: str | None = None

    @property
    def least(self) -> float | None:
        """The least value that there may be."""
        return 0.0 if self.positive and self.min is None else self.min

    @property
    def of_law(self) -> bool:
        """Whether anything is said of its law, which numbers alone have."""
        return self.positive or any(word is not None for word in (self.min, self.max, self.spike, self.law))


@dataclass(frozen=True)
class TableWords:
    """Of a table: the words of ``columns`` by name, and the texts that are missing, or values, in all of its columns."""

    columns: Mapping[str, ColumnWords] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    def marks(self, name: str) -> Marks:
        """Which texts of a column mean that a cell is missing."""
        words = self.of(name)
        return Marks(words.missing, words.keep)

    def without(self, name: str) -> TableWords:
        """The same, but that no model includes this column."""
        return replace(self, columns={**self.columns, name: replace(self.of(name), kind="ignore")})

    def of(self, name: str) -> ColumnWords:
        """The words of a column, those of the table among them."""
        own = self.columns.get(name, ColumnWords())
        return replace(own, missing=(*own.missing, *self.missing), keep=(*own.keep, *self.keep))


def of(how: Reading) -> TableWords:
    """What is said of a table that is read so: in its types, a file or a mapping, and as marks of missing cells. Errors: DataError."""
    match how.types:
        case None:
            words = TableWords()
        case str() | Path():
            words = read(Path(how.types))
        case Mapping():
            words = _words("types", how.types)
        case _:
            raise DataError(f"types are the path of a TOML file, or a dictionary such as {{'age': 'count'}}, not {how.types!r}")
    typed = [] if how.missing_as is None else [mark.strip() for mark in how.missing_as.split(",")]
    return replace(words, missing=(*words.missing, *typed))


def read(path: Path) -> TableWords:
    """The words of a TOML file: ``age = "count"``, ``age = {kind = "count", missing = ["-999"]}``, ``missing = ["?"]`` for all columns.

    Errors: DataError.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f'{path} is not a TOML file of types, with lines such as age = "count": {error}') from error
    return _words(str(path), said)


def _words(source: str, said: Mapping[str, Any]) -> TableWords:
    """Those of a file or a mapping, which is named in errors. Errors: DataError."""
    of_all = {key: _value(f"{source}: {key} ", key, said[key]) for key in OF_ALL if key in said and not _is_of_column(said[key])}
    return TableWords({str(name): _column(source, name, value) for name, value in said.items() if name not in of_all}, **of_all)


def _is_of_column(value: Any) -> bool:
    """Whether it is what a column may be, which can have the name of a key."""
    return isinstance(value, dict) or (isinstance(value, str) and value.partition(":")[0] in TYPES)


def _column(source: str, name: str, value: Any) -> ColumnWords:
    where = f"{source}: column '{name}' "
    words = value if isinstance(value, dict) else {"kind": value}
    unknown = next((key for key in words if key not in KEYS), None)
    if unknown is not None:
        raise DataError(f"{where}cannot have the key '{unknown}'{nearest(unknown, KEYS)}")
    if "log" in words and "law" in words:
        raise DataError(f'{where}has both law and log, which is short for law = "log"; leave out one of them')
    found = ColumnWords(**{KEPT.get(key, key): _value(where, key, each) for key, each in words.items()})
    if found.ordinal:
        if found.kind not in (None, ORDINAL) or found.of_law:
            raise DataError(f"{where}has levels in an order and is specified as other than ordinal; leave out one of them")
        return replace(found, kind=ORDINAL)
    if not found.of_law:
        return found
    if found.kind not in (None, NUMBER):
        raise DataError(f"{where}is a {found.kind}, and a law, bounds and spikes are of numbers; leave them out, or its kind")
    return replace(found, kind=NUMBER)


def _value(where: str, key: str, value: Any) -> Any:
    try:
        return KEYS[key](value)
    except ValueError as error:
        raise DataError(f"{where}{error}") from None


def _kind(value: Any) -> str:
    if not isinstance(value, str) or value.partition(":")[0] not in TYPES or (":" in value and not value.startswith(DATE)):
        raise ValueError(f"cannot be {value!r}{nearest(str(value), TYPES)}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(type(each) in (str, int, float) for each in value):
        raise ValueError(f'needs a list of texts, such as ["?", "-999"], not {value!r}')
    return tuple(str(each).strip() for each in value)


def _levels(value: Any) -> tuple[str, ...]:
    levels = _texts(value)
    if len(levels) < 2 or len(set(levels)) < len(levels):
        raise ValueError(f"needs two levels or more, each once and the least first, not {value!r}")
    return levels


def _spelling(value: Any) -> str:
    return Spelling.of(str(value)).example


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"needs a number, not {value!r}")
    return float(value)


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError(f"needs true or false, not {value!r}")
    return value


def _spikes(value: Any) -> tuple[float, ...]:
    return tuple(sorted({_number(each) for each in (value if isinstance(value, list) else [value])}))


def _law(value: Any) -> str:
    if value not in LAWS:
        raise ValueError(f"cannot have the law {value!r}{nearest(str(value), LAWS)}")
    return str(value)


def _log(value: Any) -> str:
    return "log" if _truth(value) else "linear"


#: how the value of each key is read; a ValueError says what it cannot be
KEYS: Mapping[str, Callable[[Any], Any]] = {
    "kind": _kind,
    "missing": _texts,
    "keep": _texts,
    "ordinal": _levels,
    "spelling": _spelling,
    "min": _number,
    "max": _number,
    "positive": _truth,
    "spike": _spikes,
    "law": _law,
    "log": _log,
}
#: keys that are short for a value of another
KEPT = {"log": "law"}
