"""Words as rows of data: a row says what its word makes, and how the word is written, ``name:number:number``.

What a row makes is imported when it is made, so that the tables alone, for ``--help``, cost nothing.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lowerbound.errors import RecipeError, nearest

LARGEST = 1_000_000  # for every whole number of a recipe but the seed: more is a slip of the finger

Number = int | float


@dataclass(frozen=True)
class At:
    """Where something of this package is, ``folder.file:name``."""

    place: str

    def find(self) -> Any:
        """What is there, imported now."""
        module, _, name = self.place.partition(":")
        return getattr(importlib.import_module(f"lowerbound.{module}"), name)


@dataclass(frozen=True)
class Word:
    """A row of a table: the class or function that its word calls, what the word is, and the numbers that it may carry.

    ``numbers`` are arguments and what they are where nothing is written; a whole number stays whole, and is 1 or more. ``fixed`` are
    further arguments, where ``At`` stands for what is there and another ``Word`` for what it makes. ``text`` is the argument that takes
    all that is written after the name, as it is. ``own`` are words of a recipe that only this one has, with their defaults.
    """

    at: str
    help: str
    numbers: Mapping[str, Number] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None
    own: Mapping[str, Any] = field(default_factory=dict)

    def find(self) -> Any:
        """The class or function itself."""
        return At(self.at).find()

    def arguments(self, written: Mapping[str, Any], offered: Mapping[str, Any]) -> dict[str, Any]:
        """What it is called with: of what is ``offered`` that which it asks for by name, its fixed arguments, and its numbers."""
        asked = inspect.signature(self.find()).parameters
        taken = {name: value for name, value in offered.items() if name in asked}
        return {**taken, **{name: _settled(value) for name, value in self.fixed.items()}, **self.numbers, **written}

    def make(self, written: Mapping[str, Any] | None = None, **offered: Any) -> Any:
        """What it makes of numbers that were ``written``, the others being its defaults."""
        return self.find()(**self.arguments(written or {}, offered))

    def usage(self, name: str) -> str:
        """How it is written with its usual numbers, e.g. ``iwae:5``."""
        return ":".join([name, *(f"{value:g}" for value in self.numbers.values())])

    def pattern(self, name: str) -> str:
        """How it is written, each number by its name: ``iwae:SAMPLES``."""
        rest = [] if self.text is None else [self.text]
        return ":".join([name, *(argument.upper().replace("_", "-") for argument in [*self.numbers, *rest])])


def make(what: str, text: str, table: Mapping[str, Word], **offered: Any) -> Any:
    """What a word as it is written, ``name:number:number``, makes by the row ``name``. Errors: those of ``read``."""
    row, written = read(what, text, table)
    return row.make(written, **offered)


def read(what: str, text: str, table: Mapping[str, Word]) -> tuple[Word, dict[str, Any]]:
    """The row of a word, and the arguments that are written in it.

    Errors: RecipeError for an unknown name, or numbers that it does not take.
    """
    name, *numbers = text.split(":")
    known(what, name, table)
    row = table[name]
    if row.text is not None:
        return row, {row.text: ":".join(numbers)}
    if len(numbers) > len(row.numbers):
        raise RecipeError(f"{what} '{text}' has too many numbers; write {row.usage(name)}")
    try:
        return row, {argument: _number(argument, row.numbers[argument], one) for argument, one in zip(row.numbers, numbers, strict=False)}
    except ValueError as error:
        raise RecipeError(f"{what} '{text}' is not understood; write {row.usage(name)}") from error


def _number(argument: str, default: Number, text: str) -> Number:
    value = type(default)(text)
    if isinstance(value, int) and value < 1:
        raise ValueError(text)
    if isinstance(value, int) and value > LARGEST:
        raise RecipeError(f"{argument} must be at most {LARGEST:,}, not {value:,}")
    return value


def _settled(value: Any) -> Any:
    return value.find() if isinstance(value, At) else value.make() if isinstance(value, Word) else value


def known(what: str, word: str, table: Iterable[str]) -> None:
    """Raise RecipeError with the nearest known word where ``word`` is not in the table."""
    if word not in table:
        raise RecipeError(f"unknown {what} '{word}'{nearest(word, table)}")
