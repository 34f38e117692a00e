"""A recipe: everything that decides what a run does, as flat words.

The fields, in their order, are the keys of ``recipe.toml`` and the options of ``lowerbound train``; what each word makes is a row of a
table beside this file, ``build`` makes all of them, and ``zoo`` has recipes by the names under which models are known.
"""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lowerbound.errors import RecipeError, nearest, reason
from lowerbound.recipes import checks, hierarchy, schedules
from lowerbound.recipes.contexts import CONTEXTS, OF_LABELS
from lowerbound.recipes.estimators import ESTIMATORS
from lowerbound.recipes.likelihoods import LIKELIHOODS, MISSINGNESS, PIXELS, SCALES
from lowerbound.recipes.networks import CORRUPTIONS, NETWORKS, PRECISIONS
from lowerbound.recipes.objectives import KLS, OBJECTIVES
from lowerbound.recipes.posteriors import OF_LEVELS, POSTERIORS
from lowerbound.recipes.priors import PRIORS
from lowerbound.recipes.schedules import SCHEDULES
from lowerbound.recipes.semi_supervised import LABEL_ESTIMATORS, SEMI_SUPERVISED
from lowerbound.recipes.zoo import ZOO
from lowerbound.system import markup

#: what the words are about, in the order in which they are shown
GROUPS = {
    "prior": "p(z): what is believed of the latent before any example is seen",
    "likelihood": "p(x|z): the decoder",
    "posterior": "q(z|x): the encoder, and the networks of both",
    "objective": "what is maximised",
    "estimator": "how gradients get past the sampling",
    "training": "",
    "data": "",
}

#: the words that say how data are read, by what ``data.load`` calls them
READING = {
    "size": "size",
    "color": "color",
    "skip_unreadable": "skip_unreadable",
    "range": "limits",
    "shape": "shape",
    "invert": "invert",
    "label_column": "label_column",
    "header": "header",
    "types": "types",
    "missing_as": "missing_as",
    "stream": "stream",
}


def _word(default: Any, group: str, metavar: str, text: str, table: Mapping[str, Any] | None = None) -> Any:
    return dataclasses.field(default=default, metadata={"group": group, "metavar": metavar, "help": text, "table": table})


@dataclass(frozen=True)
class Recipe:
    """What to learn from, which model, how to train it, in words; a word that is left out gets its default.

    The words are those of ``lowerbound train --help``; docs/words.md says what each makes. Recipes are compared by their words, and never
    changed: ``dataclasses.replace`` makes another one.
    Errors: RecipeError for a value that makes no sense, said when the recipe is made.

    >>> import lowerbound as lb
    >>> recipe = lb.Recipe(likelihood="gaussian", latent=8, objective="iwae:5", epochs=50)
    >>> recipe.scale, recipe.words()["objective"], recipe.data  # σ, where it is not said
    ('0.1', 'iwae:5', 'digits')
    >>> lb.Recipe(posterior="gausian")
    Traceback (most recent call last):
        ...
    lowerbound.errors.RecipeError: unknown posterior 'gausian'; did you mean 'gaussian'?
    """

    data: str = _word("digits", "data", "DATA", "a known set, or a file or folder of arrays, images, counts or a table: docs/formats.md")
    size: int | None = _word(None, "data", "N", "images: crop the centre square and resize it to this many pixels")
    color: str = _word("auto", "data", "COLOR", "images: grey, rgb, or auto (grey if all are)")
    skip_unreadable: bool = _word(False, "data", "", "images: leave out those that cannot be read")
    range: str | None = _word(
        None, "data", "LOW:HIGH", "images and arrays: the numbers that are black and white, 0 and 1 (default: those of their type)"
    )
    shape: str | None = _word(
        None, "data", "CxHxW", "arrays: one example, channels first, as 28x28, 3x32x32 or 1x128 (default: by its axes)"
    )
    invert: bool = _word(False, "data", "", "images and arrays: exchange black and white, as for dark strokes on white paper")
    label_column: str | None = _word(
        None, "data", "NAME", "the labels: a column of a file, of a cell's obs, or an array beside the examples"
    )
    header: bool = _word(True, "data", "", "CSV: the first line is names, not a row")
    types: str | None = _word(
        None, "data", "FILE", "tables: a TOML file that says what columns are, where they are taken for something else"
    )
    missing_as: str | None = _word(None, "data", "TEXTS", "tables: texts of missing cells besides the usual ones, as ?,-999")
    stream: bool | None = _word(
        None, "data", "", "the values stay on disk, and are read block by block (default: where they would take half of the memory)"
    )
    validation: int | None = _word(None, "data", "N", "examples held out for the curves (default: 5,000, at most a tenth)")

    bootstrap: int | None = _word(None, "data", "SEED", "train on as many examples, drawn with replacement by this seed")

    labels: str | int | None = _word(None, "data", "N|FILE", "semi-supervised: how many training examples keep theirs, or a file of labels")

    given: str | None = _word(None, "prior", "CONTEXT[:NUMBER]", "what all three distributions are given besides, c", CONTEXTS)
    latent: str | int = _word(2, "prior", "N[-N...]", "dimensions of z, or of each level of a hierarchy, from the top down")
    levels: str | None = _word(
        None,
        "prior",
        "N[-N...]",
        "latents that are images of --latent channels: so many at each resolution of a conv network, coarsest first",
    )
    prior: str = _word("normal", "prior", "PRIOR[:NUMBER...]", "p(z), or p(z|c)", PRIORS)
    likelihood: str = _word("bernoulli", "likelihood", "LIKELIHOOD[:NUMBER]", "p(x|z)", LIKELIHOODS)
    scale: str | float | None = _word(
        None, "likelihood", "NUMBER|SCALE", "gaussian and its kin: σ, where white is 1 (default: 0.1), or where it comes from", SCALES
    )
    pixels: str | None = _word(None, "likelihood", "PIXELS", "bernoulli: how pixels are seen (default: binarized)", PIXELS)
    missingness: str | None = _word(
        None, "likelihood", "MISSINGNESS", "columns: what it depends on whether a cell is missing (default: none)", MISSINGNESS
    )
    posterior: str = _word("gaussian", "posterior", "POSTERIOR", "q(z|x)", ChainMap(OF_LEVELS, POSTERIORS))
    sigma_floor: float | None = _word(
        None, "posterior", "X", "the least σ of latents that are normal, of q, and of p where that is learned (default: none)"
    )
    network: str = _word(
        "mlp:512", "posterior", "NETWORK:WIDTHS", "of the encoder, e.g. conv:32-64, and in reverse of the decoder", NETWORKS
    )
    corruption: str | None = _word(
        None, "posterior", "CORRUPTION[:NUMBER]", "in training the encoder sees x damaged (default: as it is)", CORRUPTIONS
    )
    semi_supervised: str | None = _word(
        None, "posterior", "MODEL[:NUMBER...]", "q(y|x) besides: how the labels of some examples come in", SEMI_SUPERVISED
    )
    label_estimator: str | None = _word(
        None, "estimator", "ESTIMATOR[:NUMBER]", "how gradients get past an unknown label (default: enumerated)", LABEL_ESTIMATORS
    )
    objective: str = _word("elbo", "objective", "OBJECTIVE[:NUMBER...]", "what is maximised", OBJECTIVES)
    kl: str | None = _word(None, "objective", "KL", "how the KL is computed (default: closed where it can be)", KLS)
    estimator: str = _word("pathwise", "estimator", "ESTIMATOR", "how gradients get past the sampling", ESTIMATORS)

    epochs: int = _word(20, "training", "N", "passes over the training data")
    batch: int = _word(128, "training", "N", "examples a step")
    microbatches: int | None = _word(
        None,
        "training",
        "N",
        "compute a batch in so many parts: less memory, and the same bits for any number of processes (default: at once)",
    )
    learning_rate: float = _word(1e-3, "training", "X", "Adam's step size")
    schedule: str | None = _word(
        None, "training", "SCHEDULE[:NUMBER...]", "the learning rate over the epochs (default: constant)", SCHEDULES
    )
    clip: float | None = _word(None, "training", "X", "longest gradient, as a norm; a longer one is shortened (default: none is)")
    skip: float | None = _word(None, "training", "X", "leave out a step whose gradient is longer, as a norm (default: none is)")
    average: float | None = _word(None, "training", "X", "keep the moving average of the weights, of this decay, e.g. 0.999")
    patience: int | None = _word(
        None, "training", "N", "stop after so many epochs without a better held-out bound, and keep the best weights"
    )
    precision: str = _word("auto", "training", "TYPE", "what networks multiply in", PRECISIONS)
    seed: int = _word(0, "training", "N", "decides the first weights, the order of the data and all noise")

    def __post_init__(self) -> None:
        if isinstance(self.scale, (int, float)):
            object.__setattr__(self, "scale", repr(float(self.scale)))
        if isinstance(self.latent, str) and len(sizes := hierarchy.sizes("latent", self.latent)) == 1:
            object.__setattr__(self, "latent", sizes[0])
        if type(self.labels) is int:
            object.__setattr__(self, "labels", str(self.labels))
        fields = dataclasses.fields(self)
        checks.check_types(self, {field.name: word_types(field) for field in fields})
        checks.check_words(self, {field.name: field.metadata["table"] for field in fields if field.metadata["table"]})
        for word, default in checks.own(self.likelihood).items():
            if getattr(self, word) is None:
                object.__setattr__(self, word, default)
        if self.schedule is not None:
            object.__setattr__(self, "schedule", schedules.settled(self.schedule, self.epochs))
        checks.check_numbers(self)
        checks.check_training(self)
        checks.check_labels(self)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The dimensions of each level of the latent, from the top down; of latents that are images their channels."""
        return (self.latent,) if isinstance(self.latent, int) else hierarchy.sizes("latent", self.latent)

    @property
    def images(self) -> tuple[int, ...]:
        """Of latents that are images, how many levels at each resolution, the coarsest first; else none."""
        return () if self.levels is None else hierarchy.sizes("levels", self.levels)

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
        return self.semi_supervised is not None or (self.given is not None and self.given.partition(":")[0] in OF_LABELS)

    @property
    def reading(self) -> dict[str, Any]:
        """How its data are read, as ``data.load`` takes it."""
        return {keyword: getattr(self, word) for word, keyword in READING.items()}

    @property
    def own_words(self) -> dict[str, Any]:
        """The words that only its likelihood has."""
        return {word: getattr(self, word) for word in checks.own(self.likelihood)}

    def _repr_html_(self) -> str:
        return markup.table("Recipe", self.words())

    def words(self) -> dict[str, Any]:
        """Every word that has a value, in order."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


def merge(written: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """The words of a file, ``written``, and words that were ``typed``, which win; the file's words of another likelihood than theirs go.

    >>> import lowerbound as lb
    >>> lb.recipes.merge({"likelihood": "gaussian", "scale": "learned", "epochs": 5}, {"likelihood": "bernoulli"})
    {'likelihood': 'bernoulli', 'epochs': 5}
    """
    merged = {**written, **typed}
    foreign = checks.foreign(merged.get("likelihood"))
    return {word: value for word, value in merged.items() if word in typed or word not in foreign}


def fields_of(group: str) -> list[dataclasses.Field[Any]]:
    """The words of a group, that of its name first."""
    found = [field for field in dataclasses.fields(Recipe) if field.metadata["group"] == group]
    return sorted(found, key=lambda field: field.name != group)


@cache
def _hints() -> dict[str, Any]:
    return typing.get_type_hints(Recipe)


def word_types(field: dataclasses.Field[Any]) -> tuple[type, ...]:
    """The types of a recipe's word, ``int`` for ``int | None``."""
    hint = _hints()[field.name]
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return tuple(option for option in options if option is not types.NoneType)


def word_type(field: dataclasses.Field[Any]) -> type:
    """The type that a recipe's word is read as where it is typed."""
    return word_types(field)[0]


def read(path: str | Path) -> dict[str, Any]:
    """The words of a TOML file, or of a recipe of the zoo by its name (``lowerbound recipes`` lists them).

    Errors: RecipeError for what is unreadable or unknown.

    >>> import lowerbound as lb
    >>> words = lb.recipes.read("beta-vae")
    >>> words
    {'objective': 'beta:4', 'latent': 10}
    >>> lb.Recipe(**words | {"latent": 2}).objective
    'beta:4'
    """
    if str(path) in ZOO:
        return dict(ZOO[str(path)].words)
    try:
        written = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except PermissionError as error:
        raise RecipeError(f"cannot read {path}: {reason(error)}") from error
    except OSError as error:
        raise RecipeError(f"no file and no recipe is called {path}{nearest(str(path), ZOO)} ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:  # TOML's own errors are ValueErrors, as are numbers of too many digits
        raise RecipeError(f"{path} is no recipe (TOML): {error}") from error
    return typed(written, path)


def typed(written: dict[str, Any], path: str | Path) -> dict[str, Any]:
    """The words of a TOML file's table, each of its type. Errors: RecipeError, which names the path, for unknown ones and wrong types."""
    fields = {field.name: field for field in dataclasses.fields(Recipe)}
    words = dict(written)
    for name, value in written.items():
        if name not in fields:
            raise RecipeError(f"{path}: unknown word '{name}'{nearest(name, fields)}")
        wanted = word_type(fields[name])
        if wanted is float and type(value) is int and abs(value) < 2**53:
            words[name] = float(value)
        elif wanted is str and type(value) in (int, float):  # scale = 0.1
            words[name] = str(value)
        elif type(value) is not wanted:
            raise RecipeError(f"{path}: {name} must be {wanted.__name__}, not {value!r}")
    return words


def to_toml(recipe: Recipe) -> str:
    """The recipe as the text of a TOML file that ``read`` and ``lowerbound train --recipe FILE`` take back.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import lowerbound as lb
    >>> recipe = lb.Recipe(likelihood="gaussian", scale=0.2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "mine.toml").write_text(lb.recipes.to_toml(recipe), encoding="utf-8")
    ...     again = lb.Recipe(**lb.recipes.read(f"{folder}/mine.toml"))
    >>> again == recipe
    True
    """
    import tomli_w

    return "# lowerbound train --recipe THIS_FILE repeats the run\n\n" + tomli_w.dumps(recipe.words())
