"""The words of contexts, what a conditional model is given besides, and of what may be missing of data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lowerbound.errors import RecipeError
from lowerbound.recipes.grammar import Word, make

if TYPE_CHECKING:
    from lowerbound.data.spec import DataSpec
    from lowerbound.vae.contexts import Context, Label, LowResolution

CONTEXTS = {
    "label": Word("recipes.contexts:label", "the class of the example"),
    "observed": Word("recipes.missing:part", "a part of the values: all but what is missing, or but any part", text="missing"),
    "low-resolution": Word("recipes.contexts:low_resolution", "the image made so many times smaller", {"factor": 4}),
}
OF_LABELS = {"label"}  # the contexts that are made of labels

#: what is missing, for ``--missing`` and ``--given observed``: each makes, for data of the shape ``event``, n → True where it is
HOLES = "nan"  # the word for what is missing where the data have a hole
MISSING = {
    "left": Word("recipes.missing:half", "the columns before the middle one", fixed={"axis": -1, "first": True}),
    "right": Word("recipes.missing:half", "the other columns", fixed={"axis": -1, "first": False}),
    "top": Word("recipes.missing:half", "the rows above the middle one", fixed={"axis": -2, "first": True}),
    "bottom": Word("recipes.missing:half", "the other rows", fixed={"axis": -2, "first": False}),
    "quadrants": Word("recipes.missing:quadrants", "all but so many quadrants, 1 to 3, the lower left first", {"there": 1}),
    "random": Word("recipes.missing:random", "each pixel or value by itself, with this probability", {"share": 0.5}),
}


def context(word: str, spec: DataSpec) -> Context:
    """The context of that word for these data. Errors: RecipeError, UsageError."""
    made: Context = make("context", word, CONTEXTS, spec=spec)
    return made


def label(spec: DataSpec) -> Label:
    """The class. Errors: RecipeError for data without labels, or with one label alone."""
    from lowerbound.vae.contexts import Label

    if not spec.classes:
        raise RecipeError("these data have no labels to give; leave out --given label")
    if len(spec.classes) == 1:
        raise RecipeError("all labels of these data are the same: there is nothing to choose; leave out --given label")
    return Label(len(spec.classes))


def low_resolution(spec: DataSpec, factor: int) -> LowResolution:
    """The image made smaller. Errors: RecipeError for data that are no images, or that the factor does not divide."""
    from lowerbound.vae.contexts import LowResolution

    return LowResolution(factor, spec.event_shape)
