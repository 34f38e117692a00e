"""A recipe: everything that decides what a run does, as flat words.

The fields, in their order, are the keys of ``recipe.toml`` and the options of ``lowerbound train``; what each
word makes is said in ``words``, ``assembly`` makes all of them, and ``zoo`` has recipes by the names under which models are known.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lowerbound.errors import RecipeError, nearest, reason
from lowerbound.recipes import words
from lowerbound.recipes.words import (
    CONTEXTS,
    CORRUPTIONS,
    ESTIMATORS,
    KLS,
    LABEL_ESTIMATORS,
    LARGEST,
    LIKELIHOODS,
    OBJECTIVES,
    PIXELS,
    POSTERIORS,
    PRECISIONS,
    PRIORS,
    SCALES,
    SCHEDULES,
    SEMI_SUPERVISED,
)
from lowerbound.recipes.zoo import ZOO

# --- the recipe ------------------------------------------------------------------------------------


def _word(default: Any, group: str, text: str, table: Iterable[str] = ()) -> Any:
    told = f"{text}: {', '.join(table)}" if table else text
    return dataclasses.field(default=default, metadata={"group": group, "help": told, "table": table})


@dataclass(frozen=True)
class Recipe:
    """What to learn from, which model, how to train it; a word that is left out gets its default.

    Errors: RecipeError for a value that makes no sense, said when the recipe is made.
    """

    data: str = _word("digits", "data", "a known set, a .npy, .npz, .csv, .tsv or .parquet file, a folder of IDX files or of images")
    size: int | None = _word(None, "data", "images: crop the centre square and resize it to this many pixels")
    color: str = _word("auto", "data", "images: grey, rgb, or auto (grey if all are)")
    skip_unreadable: bool = _word(False, "data", "images: leave out those that cannot be read")
    types: str | None = _word(None, "data", "tables: a TOML file that says what columns are, where it is not what they are taken for")
    validation: int | None = _word(None, "data", "data held out for the curves (default: 5,000, at most a tenth)")

    labels: str | int | None = _word(None, "data", "semi-supervised: how many training data keep theirs, or a file of labels")

    given: str | None = _word(None, "model", "what all three laws are given besides, c", CONTEXTS)
    latent: int = _word(2, "model", "dimensions of z")
    prior: str = _word("normal", "model", "p(z), or p(z|c)", PRIORS)
    likelihood: str = _word("bernoulli", "model", "p(x|z)", LIKELIHOODS)
    scale: str | float | None = _word(None, "model", "gaussian and its kin: σ, where white is 1 (default: 0.1), or whence", SCALES)
    pixels: str | None = _word(None, "model", "bernoulli: zeros and ones drawn afresh (default), or grey values kept", PIXELS)
    posterior: str = _word("gaussian", "model", "q(z|x)", POSTERIORS)
    network: str = _word("mlp:512", "model", "mlp:WIDTH-…, orthogonal:WIDTH-…, conv:CHANNELS-… (reversed in the decoder), linear")
    corruption: str | None = _word(None, "model", "in training the encoder sees x damaged (default: as it is)", CORRUPTIONS)
    semi_supervised: str | None = _word(None, "model", "how the labels of some of the data come in", SEMI_SUPERVISED)
    label_estimator: str | None = _word(None, "model", "how gradients get past an unknown label (default: enumerated)", LABEL_ESTIMATORS)
    objective: str = _word("elbo", "model", "what is maximised", OBJECTIVES)
    kl: str | None = _word(None, "model", "how the KL is computed (default: closed where it can be)", KLS)
    estimator: str = _word("pathwise", "model", "how gradients get past the sampling", ESTIMATORS)

    epochs: int = _word(20, "training", "passes over the training data")
    batch: int = _word(128, "training", "data a step")
    learning_rate: float = _word(1e-3, "training", "Adam's step size")
    schedule: str | None = _word(None, "training", "the step size over the epochs (default: constant)", SCHEDULES)
    clip: float | None = _word(None, "training", "longest gradient, as a norm; a longer one is shortened (default: none is)")
    average: float | None = _word(None, "training", "keep the moving average of the weights, of this decay, e.g. 0.999")
    patience: int | None = _word(None, "training", "stop after so many epochs without a better held-out bound, and keep the best weights")
    precision: str = _word("auto", "training", "what networks multiply in: auto takes the fastest of the device", PRECISIONS)
    seed: int = _word(0, "training", "decides the first weights, the order of the data and all noise")

    def __post_init__(self) -> None:
        if isinstance(self.scale, (int, float)):
            object.__setattr__(self, "scale", repr(float(self.scale)))
        if type(self.labels) is int:
            object.__setattr__(self, "labels", str(self.labels))
        _check_types(self)
        _check_likelihood_words(self)
        for field in dataclasses.fields(self):
            told = getattr(self, field.name)
            if field.metadata["table"] and told is not None and not _is_number(told):
                words.known(field.name, told.partition(":")[0], field.metadata["table"])
        for name in ("latent", "epochs", "batch", "size", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise RecipeError(f"{name} must be at least 1, not {value}")
            if value is not None and value > LARGEST:
                raise RecipeError(f"{name} must be at most {LARGEST:,}, not {value:,}")
        if self.validation is not None and self.validation < 0:
            raise RecipeError(f"validation must be 0 (none) or more, not {self.validation}")
        if not (0 < self.learning_rate < math.inf):
            raise RecipeError(f"learning-rate must be a positive number, not {self.learning_rate:g}")
        _check_training_words(self)
        if not self.data or not _encodable(self.data):
            raise RecipeError(f"data must be a name or a path in Unicode, not {self.data!r}")
        if not (0 <= self.seed < 2**63):
            raise RecipeError(f"seed must be from 0 to 2^63 − 1, not {self.seed}")
        if self.scale is not None and _is_number(self.scale) and not (0 < float(self.scale) < LARGEST):
            raise RecipeError(f"scale, the σ of the likelihood, must be a positive number, not {self.scale}")
        words.network(self.network)
        _check_semi_supervised(self)

    @property
    def labels_kept(self) -> int | None:
        """How many labels are kept; None where a file says which, or there is nothing to keep."""
        try:
            return int(self.labels or "")
        except ValueError:
            return None

    @property
    def labels_file(self) -> str | None:
        """The file of labels, where there is one."""
        return None if self.labels is None or self.labels_kept is not None else str(self.labels)

    @property
    def takes_labels(self) -> bool:
        """Whether labels are a part of what is learned from."""
        return self.semi_supervised is not None or (self.given is not None and CONTEXTS[self.given.partition(":")[0]].labels)

    @property
    def own_words(self) -> dict[str, Any]:
        """The words that only its likelihood has."""
        return {word: getattr(self, word) for word in _own(self.likelihood)}

    def words(self) -> dict[str, Any]:
        """Every word that has a value, in order."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def _check_types(recipe: Recipe) -> None:
    for field in dataclasses.fields(recipe):
        value, wanted = getattr(recipe, field.name), word_type(field)
        if value is not None and type(value) is not wanted and not (wanted is float and type(value) is int):
            raise RecipeError(f"{field.name} must be {wanted.__name__}, not {value!r}")


def _check_training_words(recipe: Recipe) -> None:
    """Errors: RecipeError for numbers that make no sense. A schedule as long as the training is told how long that is."""
    if recipe.schedule is not None:
        object.__setattr__(recipe, "schedule", words.settled(recipe.schedule, recipe.epochs))
        words.schedule(recipe.schedule)
    if recipe.clip is not None and not (0 < recipe.clip < math.inf):
        raise RecipeError(f"clip, the longest gradient, must be a positive number, not {recipe.clip:g}")
    if recipe.average is not None and not (0 < recipe.average < 1):
        raise RecipeError(f"average, the decay of a moving average, must be between 0 and 1, not {recipe.average:g}")
    if recipe.patience is not None and recipe.validation == 0:
        raise RecipeError("patience is with the held-out bound, and validation is 0; leave one of them out")


def _check_semi_supervised(recipe: Recipe) -> None:
    """Errors: RecipeError for labels that nothing is done with, or too little told of what is to be done with them."""
    if recipe.semi_supervised is None:
        for word in ("labels", "label_estimator"):
            if getattr(recipe, word) is not None:
                raise RecipeError(
                    f"{word.replace('_', '-')} is a word of semi-supervised models; choose --semi-supervised m2, or leave it out"
                )
        return
    supervision = words.call("semi-supervised", recipe.semi_supervised, SEMI_SUPERVISED)
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


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(text: object) -> bool:
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def _own(likelihood: str | None) -> Mapping[str, Any]:
    """The recipe's words that only this likelihood has, with their defaults."""
    row = LIKELIHOODS.get((likelihood or "").partition(":")[0])
    return row.own if row else {}


def _foreign(likelihood: str | None) -> set[str]:
    """The recipe's words that only other likelihoods have."""
    return {word for row in LIKELIHOODS.values() for word in row.own} - _own(likelihood).keys()


def merge(told: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Words of a file and words that were typed, which win; the file's words of another likelihood than theirs go."""
    merged = {**told, **typed}
    foreign = _foreign(merged.get("likelihood"))
    return {word: value for word, value in merged.items() if word in typed or word not in foreign}


def _check_likelihood_words(recipe: Recipe) -> None:
    """Fill in the words of the chosen likelihood; refuse those of the others rather than ignore them."""
    words.known("likelihood", recipe.likelihood.partition(":")[0], LIKELIHOODS)
    for word in _foreign(recipe.likelihood):
        if getattr(recipe, word) is not None:
            whose = ", ".join(name for name, row in LIKELIHOODS.items() if word in row.own)
            raise RecipeError(f"{word} is a word of {whose}, and this likelihood is {recipe.likelihood}; leave it out")
    for word, default in _own(recipe.likelihood).items():
        if getattr(recipe, word) is None:
            object.__setattr__(recipe, word, default)


@cache
def _hints() -> dict[str, Any]:
    return typing.get_type_hints(Recipe)


def word_type(field: dataclasses.Field[Any]) -> type:
    """The type of a recipe's word, ``int`` for ``int | None``."""
    hint = _hints()[field.name]
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return next(option for option in options if option is not types.NoneType)


def read(path: str | Path) -> dict[str, Any]:
    """The words of a TOML file, or of a recipe of the zoo by its name. Errors: RecipeError for what is unreadable or unknown."""
    if str(path) in ZOO:
        return dict(ZOO[str(path)].words)
    try:
        told = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except PermissionError as error:
        raise RecipeError(f"cannot read {path}: {reason(error)}") from error
    except OSError as error:
        raise RecipeError(f"no file and no recipe is called {path}{nearest(str(path), ZOO)} ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:  # TOML's own errors are ValueErrors, as are numbers of too many digits
        raise RecipeError(f"{path} is no recipe (TOML): {error}") from error
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    for name, value in told.items():
        if name not in fields:
            raise RecipeError(f"{path}: unknown word '{name}'{nearest(name, fields)}")
        wanted = word_type(fields[name])
        if wanted is float and type(value) is int and abs(value) < 2**53:
            told[name] = float(value)
        elif wanted is str and type(value) in (int, float):  # scale = 0.1
            told[name] = str(value)
        elif type(value) is not wanted:
            raise RecipeError(f"{path}: {name} must be {wanted.__name__}, not {value!r}")
    return told


def to_toml(recipe: Recipe) -> str:
    """The recipe as the text of a TOML file that ``read`` takes back."""
    import tomli_w

    return "# lowerbound train --recipe THIS_FILE repeats the run\n\n" + tomli_w.dumps(recipe.words())
