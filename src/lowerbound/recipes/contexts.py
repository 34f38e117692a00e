"""The words of contexts: what a conditional model is given besides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes.grammar import call

if TYPE_CHECKING:
    from lowerbound.vae.contexts import Context


@dataclass(frozen=True)
class ContextWord:
    """A context: a function of the data's shape, their number of classes and what the word says besides; whether it is made of labels."""

    make: Callable[..., Context]
    labels: bool = False


def _label(event: Sequence[int], classes: int) -> Context:
    from lowerbound.vae.contexts import Label

    if not classes:
        raise RecipeError("these data have no labels to give; leave out --given label")
    if classes == 1:
        raise RecipeError("all labels of these data are the same: there is nothing to choose; leave out --given label")
    return Label(classes)


def _observed(event: Sequence[int], classes: int, *missing: str) -> Context:
    """``missing`` is a word of ``masks``; where nothing is said, for each datum one of all that its kind of data has."""
    from lowerbound.recipes import missing as masks
    from lowerbound.vae.contexts import Observed

    drawn = masks.drawn(":".join(missing) or None, event)
    return Observed(tuple(event), lambda n: ~drawn(n))


def _low_resolution(event: Sequence[int], classes: int, factor: int = 4) -> Context:
    from lowerbound.vae.contexts import LowResolution

    return LowResolution(factor, tuple(event))


CONTEXTS = {
    "label": ContextWord(_label, labels=True),
    "observed": ContextWord(_observed),
    "low-resolution": ContextWord(_low_resolution),
}


def context(word: str, event: Sequence[int], classes: int) -> Context:
    """The context of that word for data of this shape, with labels of so many classes. Errors: RecipeError, UsageError."""
    return call("context", word, {name: row.make for name, row in CONTEXTS.items()}, event, classes)
