"""The one number in which runs differ, β say: a page of several shows them by a slider of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lowerbound.recipes.grammar import read
from lowerbound.recipes.objectives import OBJECTIVES

#: names as they are read
SIGNS = {"beta": "β", "alpha": "α"}
NO_AMOUNT = frozenset({"seed"})
Number = int | float


def varied(recipes: Sequence[Mapping[str, Any]]) -> tuple[str, list[Number]] | None:
    """The name of the number and its value in each recipe, given as words; None where more differs, or less, or nothing is known."""
    if not all(recipes):
        return None
    each = [_apart(recipe) for recipe in recipes]
    others = [name for name in {name for words in each for name in words} if len({words.get(name) for words in each}) > 1]
    if len(others) != 1 or others[0] in NO_AMOUNT:
        return None
    (name,) = others
    values = [words.get(name) for words in each]
    if len(set(values)) < len(values) or not all(type(value) in (int, float) for value in values):
        return None
    return SIGNS.get(name, name.replace("_", " ")), values  # type: ignore[return-value]


def _apart(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The words, and the numbers in that of the objective under names of their own; the ELBO is one of β = 1."""
    row, written = read("objective", recipe["objective"], OBJECTIVES)
    numbers: dict[str, Any] = {**row.numbers, **written}
    name = recipe["objective"].partition(":")[0]
    if name == "elbo":
        name, numbers = "beta", {"beta": 1.0} | numbers
    return {**recipe, **numbers, "objective": name}
