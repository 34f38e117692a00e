"""The words of the learning rate over the epochs: shares of it, functions of the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowerbound.recipes.grammar import Word, make

if TYPE_CHECKING:
    from lowerbound.vae.schedules import Schedule

CONSTANT, COSINE = "constant", "cosine"
SCHEDULES = {
    CONSTANT: Word("vae.schedules:Constant", "the same throughout"),
    COSINE: Word("vae.schedules:Cosine", "up over the warm-up, then down half a cosine", {"epochs": 20.0, "warm_up": 0.0}),
    "exponential": Word("vae.schedules:Exponential", "times a factor each epoch", {"factor": 0.95}),
    "steps": Word("vae.schedules:Steps", "times a factor after each so many epochs", {"epochs": 10.0, "factor": 0.1}),
}


def schedule(word: str) -> Schedule:
    """What that word makes. Errors: RecipeError."""
    made: Schedule = make("schedule", word, SCHEDULES)
    return made


def settled(word: str, epochs: int) -> str:
    """The word with the number of epochs in it where that is the training's: what was settled stays so when the run is extended."""
    return f"{word}:{epochs}" if word == COSINE else word
