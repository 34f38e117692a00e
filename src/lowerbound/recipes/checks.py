"""What makes no sense in a recipe, whatever the data, and is refused when it is made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lowerbound.errors import RecipeError
from lowerbound.recipes import networks, schedules
from lowerbound.recipes.grammar import LARGEST, known, make
from lowerbound.recipes.likelihoods import LIKELIHOODS
from lowerbound.recipes.posteriors import OF_LEVELS, OF_NORMALS
from lowerbound.recipes.semi_supervised import SEMI_SUPERVISED

Recipe = Any  # that of recipe.py, which imports this file


def check_types(recipe: Recipe, types: Mapping[str, tuple[type, ...]]) -> None:
    """Errors: RecipeError for a value that is not of its type; a whole number will do for a float, and None where it is what is usual."""
    for name, wanted in types.items():
        value, usual = getattr(recipe, name), type(recipe).__dataclass_fields__[name].default
        if not (value is None is usual) and type(value) not in wanted and not (float in wanted and type(value) is int):
            raise RecipeError(f"{name} must be {wanted[0].__name__}, not {value!r}")


def check_words(recipe: Recipe, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """Errors: RecipeError for a word that its table has not, or that is of another likelihood; a σ may be a number."""
    known("likelihood", recipe.likelihood.partition(":")[0], LIKELIHOODS)
    for word in foreign(recipe.likelihood):
        if getattr(recipe, word) is not None:
            whose = ", ".join(name for name, row in LIKELIHOODS.items() if word in row.own)
            raise RecipeError(f"{word} is a word of {whose}, and this likelihood is {recipe.likelihood}; leave it out")
    for name, table in tables.items():
        value = getattr(recipe, name)
        if value is None or (name == "scale" and is_number(value)):
            continue
        alone = all(isinstance(row, str) for row in table.values())  # words that take nothing after a colon
        known(name, value if alone else value.partition(":")[0], table)
    networks.network(recipe.network)


def own(likelihood: str | None) -> Mapping[str, Any]:
    """The recipe's words that only this likelihood has, with their defaults."""
    row = LIKELIHOODS.get((likelihood or "").partition(":")[0])
    return row.own if row else {}


def foreign(likelihood: str | None) -> set[str]:
    """The recipe's words that only other likelihoods have."""
    return {word for row in LIKELIHOODS.values() for word in row.own} - own(likelihood).keys()


def is_number(text: object) -> bool:
    """Whether this is a number, or the text of one."""
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def check_numbers(recipe: Recipe) -> None:
    """Errors: RecipeError for a number that is out of range, and for data without a name."""
    numbers = [(name, getattr(recipe, name)) for name in ("epochs", "batch", "microbatches", "size", "patience")]
    for name, value in [*(("latent", level) for level in recipe.sizes), *numbers]:
        if value is not None and value < 1:
            raise RecipeError(f"{name} must be at least 1, not {value}")
        if value is not None and value > LARGEST:
            raise RecipeError(f"{name} must be at most {LARGEST:,}, not {value:,}")
    _check_levels(recipe)
    _check_floor(recipe)
    if recipe.validation is not None and recipe.validation < 0:
        raise RecipeError(f"validation must be 0 (none) or more, not {recipe.validation}")
    if not recipe.data or not _encodable(recipe.data):
        raise RecipeError(f"data must be a name or a path in Unicode, not {recipe.data!r}")
    if not (0 <= recipe.seed < 2**63):
        raise RecipeError(f"seed must be from 0 to 2^63 − 1, not {recipe.seed}")
    if recipe.scale is not None and is_number(recipe.scale) and not (0 < float(recipe.scale) < LARGEST):
        raise RecipeError(f"scale, the σ of the likelihood, must be a positive number, not {recipe.scale}")


def _check_floor(recipe: Recipe) -> None:
    """Errors: RecipeError for a floor of σ that is none, or of a posterior without a σ."""
    if recipe.sigma_floor is None:
        return
    if not (0 < recipe.sigma_floor < LARGEST):
        raise RecipeError(f"sigma-floor, the least σ of a latent, must be a positive number, not {recipe.sigma_floor:g}")
    if recipe.posterior not in OF_NORMALS:
        raise RecipeError(
            f"sigma-floor is a word of the posteriors {', '.join(OF_NORMALS)}, and this one is {recipe.posterior}; leave it out"
        )


def _check_levels(recipe: Recipe) -> None:
    """Errors: RecipeError for a word of several levels where there is one, and for levels of images that other words do not allow."""
    if recipe.posterior in OF_LEVELS and len(recipe.sizes) < 2:
        raise RecipeError(f"{recipe.posterior} is a posterior of several levels; choose --latent 4-8, say, or another posterior")
    if not recipe.images:
        return
    network, widths = networks.network(recipe.network)
    if network is not networks.NETWORKS["conv"] or not isinstance(recipe.latent, int):
        raise RecipeError(
            "levels are those of latents that are images; choose --network conv:32-64 and --latent 16, their channels, or leave it out"
        )
    if len(recipe.images) > len(widths) or not 1 <= sum(recipe.images) <= LARGEST or min(recipe.images) < 0:
        raise RecipeError(
            f"levels are a number at each of up to {len(widths)} resolutions, the coarsest first, as 4-4, not '{recipe.levels}'"
        )
    for word, wanted in (("prior", "normal"), ("posterior", "gaussian"), ("given", None)):
        if getattr(recipe, word) != wanted:
            raise RecipeError(f"with levels {word} is not chosen: leave it out")
    if recipe.semi_supervised and make("semi-supervised", recipe.semi_supervised, SEMI_SUPERVISED).context(2) is not None:
        raise RecipeError(
            "with levels no network is given a label: choose --semi-supervised m1 or m1m2, or --latent 4-8 in place of levels"
        )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_training(recipe: Recipe) -> None:
    """Errors: RecipeError for a training that makes no sense."""
    if not (0 < recipe.learning_rate < math.inf):
        raise RecipeError(f"learning-rate must be a positive number, not {recipe.learning_rate:g}")
    if recipe.schedule is not None:
        schedules.schedule(recipe.schedule)
    for name in ("clip", "skip"):
        longest = getattr(recipe, name)
        if longest is not None and not (0 < longest < math.inf):
            raise RecipeError(f"{name}, the longest gradient, must be a positive number, not {longest:g}")
    if recipe.microbatches is not None and recipe.microbatches > recipe.batch:
        raise RecipeError(f"a batch of {recipe.batch:,} has not {recipe.microbatches:,} microbatches; raise --batch")
    if recipe.average is not None and not (0 < recipe.average < 1):
        raise RecipeError(f"average, the decay of a moving average, must be between 0 and 1, not {recipe.average:g}")
    if recipe.patience is not None and recipe.validation == 0:
        raise RecipeError("patience is with the held-out bound, and validation is 0; leave one of them out")


def check_labels(recipe: Recipe) -> None:
    """Errors: RecipeError for labels that nothing is done with, or where it is not said which there are."""
    if recipe.semi_supervised is None:
        for word in ("labels", "label_estimator"):
            if getattr(recipe, word) is not None:
                raise RecipeError(
                    f"{word.replace('_', '-')} is a word of semi-supervised models; choose --semi-supervised m2, or leave it out"
                )
        return
    supervision = make("semi-supervised", recipe.semi_supervised, SEMI_SUPERVISED)
    if recipe.labels is None:
        raise RecipeError("a semi-supervised model wants to know the labels of some data; give --labels N, or a file of them")
    if not str(recipe.labels).strip():
        raise RecipeError("labels must be a number, or a file of them, and nothing was given; give --labels N, or FILE")
    if recipe.labels_kept is not None and not 1 <= recipe.labels_kept <= LARGEST:
        raise RecipeError(f"labels must be from 1 to {LARGEST:,}, or a file, not {recipe.labels}")
    if recipe.given is not None:
        raise RecipeError("a semi-supervised model has its own way with labels; leave out --given")
    if recipe.label_estimator is not None and not supervision.samples_labels:
        raise RecipeError(f"{recipe.semi_supervised} has no unknown label to get past; leave out --label-estimator")
