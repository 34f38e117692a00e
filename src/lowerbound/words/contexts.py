"""The words of contexts: what a conditional model is given besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError

if TYPE_CHECKING:
    from lowerbound.contexts import Context


def _label(classes: int) -> Context:
    from lowerbound.contexts import Label

    if not classes:
        raise RecipeError("these data have no labels to give; leave out --given label")
    if classes == 1:
        raise RecipeError("all labels of these data are the same: there is nothing to choose; leave out --given label")
    return Label(classes)


CONTEXTS: dict[str, Callable[..., Context]] = {"label": _label}
