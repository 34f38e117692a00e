"""What all estimators for scikit-learn are: a recipe's words that are stored, the training of their model, and their tags.

Nothing heavy but scikit-learn itself is imported before an estimator is fitted.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

if TYPE_CHECKING:
    from torch import Tensor

    from lowerbound.data import Dataset
    from lowerbound.interfaces.sklearn.fitted import Fitted
    from lowerbound.interfaces.sklearn.numbers import Numbers
    from lowerbound.interfaces.sklearn.tables import Table
    from lowerbound.recipes.recipe import Recipe


class Estimator(BaseEstimator, ABC):
    """A model of X whose parameters are the words of a recipe; what each word may be is on the page of words (docs/words.md).

    A word that is None is that of ``recipe``: a name of ``lowerbound recipes`` such as "miwae", the path of a TOML file, or a
    ``lb.Recipe``; where no recipe is given, the estimator's usual one, and else the default of recipes. ``shape`` is that of an example,
    channels first, for networks of images; ``types`` and ``missing_as`` say what a table's columns are, as in ``lb.data.load``.
    ``validation`` is how many examples are held out for ``patience``. ``samples`` is how many latents are drawn for each example where
    log p(x) is estimated and cells are filled in. ``random_state`` decides the first weights, the order of the data and all noise.

    A fitted one has ``fitted_`` (``fitted_.model`` is the model of ``lb``), ``n_features_in_``, and ``feature_names_in_`` of a frame.
    It can be copied, pickled (the weights as safetensors) and used by several processes; threads take turns.
    """

    #: what is usual for this estimator: a recipe by name or in words, and ``samples``
    usual: ClassVar[str | Mapping[str, Any]]
    draws: ClassVar[int]
    #: words that are usual in place of those where values of X are missing
    with_holes: ClassVar[Mapping[str, Any]] = {}
    #: whether X may have texts among its numbers
    texts: ClassVar[bool] = False
    #: what read X, a ``Numbers`` or a ``Table``, and the model with its training
    reader_: Any
    fitted_: Any

    def __init__(
        self,
        recipe: str | Path | Recipe | None = None,
        *,
        prior: str | None = None,
        likelihood: str | None = None,
        posterior: str | None = None,
        sigma_floor: float | None = None,
        objective: str | None = None,
        estimator: str | None = None,
        latent: str | int | None = None,
        network: str | None = None,
        scale: str | float | None = None,
        pixels: str | None = None,
        missingness: str | None = None,
        corruption: str | None = None,
        given: str | None = None,
        levels: str | None = None,
        semi_supervised: str | None = None,
        label_estimator: str | None = None,
        kl: str | None = None,
        epochs: int | None = None,
        batch: int | None = None,
        microbatches: int | None = None,
        learning_rate: float | None = None,
        schedule: str | None = None,
        clip: float | None = None,
        skip: float | None = None,
        average: float | None = None,
        patience: int | None = None,
        validation: int | None = None,
        precision: str | None = None,
        shape: str | Sequence[int] | None = None,
        types: Mapping[str, Any] | None = None,
        missing_as: str | None = None,
        samples: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.recipe = recipe
        self.prior = prior
        self.likelihood = likelihood
        self.posterior = posterior
        self.sigma_floor = sigma_floor
        self.objective = objective
        self.estimator = estimator
        self.latent = latent
        self.network = network
        self.scale = scale
        self.pixels = pixels
        self.missingness = missingness
        self.corruption = corruption
        self.given = given
        self.levels = levels
        self.semi_supervised = semi_supervised
        self.label_estimator = label_estimator
        self.kl = kl
        self.epochs = epochs
        self.batch = batch
        self.microbatches = microbatches
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.clip = clip
        self.skip = skip
        self.average = average
        self.patience = patience
        self.validation = validation
        self.precision = precision
        self.shape = shape
        self.types = types
        self.missing_as = missing_as
        self.samples = samples
        self.random_state = random_state

    @abstractmethod
    def _reader(self) -> Numbers | Table:
        """What reads X. Errors: UsageError for a word of other data."""

    # --- the recipe ------------------------------------------------------------------------------------

    def _words(self, holes: bool = False) -> dict[str, Any]:
        """The words of the recipe, for an X of which values are missing or not."""
        from lowerbound.recipes import recipe as recipes

        given = self.usual if self.recipe is None else self.recipe
        words = given.words() if isinstance(given, recipes.Recipe) else given if isinstance(given, Mapping) else recipes.read(given)
        written = {name: value for name, value in words.items() if name not in OF_X}
        if holes and self.recipe is None:
            written |= self.with_holes
        typed = {field.name: getattr(self, field.name, None) for field in dataclasses.fields(recipes.Recipe) if field.name not in OF_X}
        typed = {name: value for name, value in typed.items() if value is not None}
        return recipes.merge(written, typed)

    def _seed(self) -> int:
        """A seed by ``random_state``, another one at each call where that is None, or draws."""
        from sklearn.utils import check_random_state

        return int(check_random_state(self.random_state).randint(2**31 - 1))

    # --- training --------------------------------------------------------------------------------------

    def _learn(self, X: Any, labels: Any, classes: npt.NDArray[Any] | None, words: Mapping[str, Any], epochs: int | None) -> None:
        """Train on X for so many epochs more, or, where that is None, anew for those of the recipe.

        ``labels`` are class numbers, −1 where not known, or None; ``words`` are those of the recipe that the labels decide.
        """
        from lowerbound.data.spec import DataSpec
        from lowerbound.interfaces.sklearn.fitted import Fitted
        from lowerbound.recipes.recipe import Recipe

        begins = epochs is None or not hasattr(self, "fitted_")
        if begins:
            reader = self._reader()
            data = _single(_labelled(reader.learn(self, X), labels, classes))
            recipe = Recipe(**{**self._words(data.holes > 0), **words, "seed": self._seed()})
            fitted = Fitted.new(recipe, DataSpec.of(data, data, reader.schema))
            self.reader_, self.fitted_, self.samples_ = reader, fitted, self.draws if self.samples is None else self.samples
        else:
            data = _single(_labelled(self.reader_.read(self, X), labels, classes))
        train, held_out = _held_out(data, self.fitted_.recipe if epochs is None else None)
        self.fitted_.learn(train, self.fitted_.recipe.epochs if epochs is None else epochs, held_out)

    def _read(self, X: Any, labels: Any = None, exact: bool = True) -> Dataset:
        """X of later, for the ``exact`` model in double precision, but of the digits that training has. Errors: NotFittedError; its own."""
        _ = self._model
        data = _labelled(self.reader_.read(self, X), labels, getattr(self, "classes_", None))
        data = _single(data)  # so that a 1 + 2⁻⁵², as scalers give, is the 1 that it was
        return dataclasses.replace(data, array=values_of(data).double()) if exact else data

    @property
    def _model(self) -> Fitted:
        """What was fitted. Errors: NotFittedError."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "fitted_")
        found: Fitted = self.fitted_
        return found

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = self.texts
        if tags.transformer_tags is not None:
            tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


#: parameters that only one kind of X has; words of a recipe that are about reading a file, some of them parameters as well
OF_ARRAYS, OF_TABLES = ("shape", "pixels", "levels"), ("types", "missing_as", "missingness")
OF_IMAGES = {"size", "color", "skip_unreadable", "range", "shape", "invert"}
OF_X = OF_IMAGES | {"data", "stream", "label_column", "header", "types", "missing_as", "labels"}
OF_X |= {"bootstrap"}


def refuse(estimator: Estimator, words: Sequence[str], why: str) -> None:
    """Raise UsageError for parameters that are given and nothing would be done with."""
    from lowerbound.errors import UsageError

    given = [word for word in words if getattr(estimator, word) is not None]
    if given:
        raise UsageError(f"{type(estimator).__name__} takes no {given[0]}: {why}; leave it out")


def codes_of(labels: npt.NDArray[Any], classes: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The place of each label among the sorted classes. Errors: ValueError for one that is not among them."""
    strange = np.setdiff1d(labels, classes)
    if len(strange):
        raise ValueError(f"label {strange[0]!r} is none of the training's classes: {', '.join(map(str, classes))}")
    return np.searchsorted(classes, labels)


def _labelled(data: Dataset, labels: Any, classes: npt.NDArray[Any] | None) -> Dataset:
    """The data with class numbers, where there are some."""
    import torch

    if labels is None or classes is None:
        return data
    return dataclasses.replace(data, targets=torch.as_tensor(labels).long(), classes=tuple(map(str, classes)))


def _single(data: Dataset) -> Dataset:
    """The data in single precision, that of the weights in training."""
    return dataclasses.replace(data, array=values_of(data).float())


def values_of(data: Dataset) -> Tensor:
    """The values of examples that a reader read, which are all of its array."""
    from torch import Tensor

    assert isinstance(data.array, Tensor)
    return data.array


def _held_out(data: Dataset, recipe: Recipe | None) -> tuple[Dataset, Dataset | None]:
    """Examples to learn from, and those that patience is with, a tenth where it is not said; all and none without a patience."""
    if recipe is None or recipe.patience is None:
        return data, None
    wanted = max(1, len(data) // 10) if recipe.validation is None else recipe.validation
    return data.hold_out(wanted, "validation")
