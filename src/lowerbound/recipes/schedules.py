"""The words of the learning rate over the epochs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes.grammar import call

if TYPE_CHECKING:
    from lowerbound.vae.schedules import Schedule


LEAST = 0.01  # of an epoch, between steps


def _constant() -> Schedule:
    from lowerbound.vae.schedules import Constant

    return Constant()


def _cosine(epochs: float = 20.0, warm_up: float = 0.0) -> Schedule:
    from lowerbound.vae.schedules import Cosine

    if not 0 <= warm_up < epochs < math.inf:
        raise RecipeError("a cosine's warm-up must be shorter than its epochs; write cosine:EPOCHS:WARM-UP")
    return Cosine(epochs, warm_up)


def _exponential(factor: float = 0.95) -> Schedule:
    from lowerbound.vae.schedules import Exponential

    return Exponential(_share(factor))


def _steps(epochs: float = 10.0, factor: float = 0.1) -> Schedule:
    from lowerbound.vae.schedules import Steps

    if not LEAST <= epochs < math.inf:
        raise RecipeError(f"steps must be some epochs apart, at least {LEAST:g}; write steps:EPOCHS:FACTOR")
    return Steps(epochs, _share(factor))


def _share(factor: float) -> float:
    if not 0 < factor <= 1:
        raise RecipeError(f"a learning rate falls by a factor above 0 and at most 1, not {factor:g}")
    return factor


CONSTANT, COSINE = "constant", "cosine"
SCHEDULES: dict[str, Callable[..., Schedule]] = {
    CONSTANT: _constant,
    COSINE: _cosine,
    "exponential": _exponential,
    "steps": _steps,
}


def schedule(word: str) -> Schedule:
    """What that word makes. Errors: RecipeError."""
    made: Schedule = call("schedule", word, SCHEDULES)
    return made


def settled(word: str, epochs: int) -> str:
    """The word with the number of epochs in it where that is the training's: what was settled stays so when the run is extended."""
    return f"{word}:{epochs}" if word == COSINE else word
