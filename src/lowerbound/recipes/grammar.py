"""How a word is read: its name in a table, its numbers as arguments of the row."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lowerbound.errors import RecipeError, nearest

LARGEST = 1_000_000  # for every whole number of a recipe but the seed: more is a slip of the finger


def call(what: str, word: str, table: Mapping[str, Callable[..., Any]], *given: Any) -> Any:
    """What ``word`` makes: ``name:number:number`` calls the row ``name`` with ``given`` and the numbers, or with all the rest as it is.

    Errors: RecipeError for an unknown name, or numbers that it does not take.
    """
    name, *numbers = word.split(":")
    known(what, name, table)
    makes = table[name]
    every = inspect.signature(makes).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in every):
        return makes(*given, *numbers)
    parameters = [p for p in every if p.kind is p.POSITIONAL_OR_KEYWORD][len(given) :]
    if len(numbers) > len(parameters):
        raise RecipeError(f"{what} '{word}' has too many numbers; write {usage(name, parameters)}")
    try:
        values = [_number(p, text) for p, text in zip(parameters, numbers, strict=False)]
    except ValueError as error:
        raise RecipeError(f"{what} '{word}' is not understood; write {usage(name, parameters)}") from error
    return makes(*given, *values)


def usage(name: str, parameters: Sequence[inspect.Parameter]) -> str:
    """How a word is written with its default numbers, e.g. ``iwae:5``."""
    return ":".join([name, *(f"{p.default}" for p in parameters)])


def _number(parameter: inspect.Parameter, text: str) -> int | float:
    value = type(parameter.default)(text)
    if isinstance(value, int) and value < 1:
        raise ValueError(text)
    if isinstance(value, int) and value > LARGEST:
        raise RecipeError(f"{parameter.name} must be at most {LARGEST:,}, not {value:,}")
    return value


def known(what: str, word: str, table: Iterable[str]) -> None:
    """Raise RecipeError with the nearest known word where ``word`` is not in the table."""
    if word not in table:
        raise RecipeError(f"unknown {what} '{word}'{nearest(word, table)}")
