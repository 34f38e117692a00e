"""Estimators of latents: X to means of q(z|x) and back, new rows, and log p(x)."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from lowerbound.interfaces.sklearn.base import Estimator, codes_of

if TYPE_CHECKING:
    from torch import Tensor

    from lowerbound.vae.model import Model

#: the estimator itself, whichever it is: beartype has no typing.Self in methods of a class that it does not decorate
L = TypeVar("L", bound="Latents")


class Latents(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator, ABC):
    """What a fitted model is asked for, whatever X is. ``labels`` are of a model that is ``given="label"``: a class for each row."""

    def fit(self: L, X: Any, y: Any = None, *, labels: Any = None) -> L:
        """Train anew on X ``(N, D)``, NaN or None where a value is missing; y is not looked at.

        Errors: ValueError and TypeError as scikit-learn has them; DataError, RecipeError, UsageError; Diverged.
        """
        self._learn(X, *self._numbered(X, labels, True), self._own(labels), None)
        return self

    def partial_fit(self: L, X: Any, y: Any = None, *, labels: Any = None) -> L:
        """Train one epoch more on X, the first one where there was none. As many calls as a recipe's epochs are ``fit`` to the bit.

        Errors: as for ``fit``.
        """
        self._learn(X, *self._numbered(X, labels, not hasattr(self, "fitted_")), self._own(labels), 1)
        return self

    def transform(self, X: Any, *, labels: Any = None) -> npt.NDArray[Any]:
        """The means of q(z|x) ``(N, latent)``, in single precision of an X in single precision, else in double.

        The same for a row whichever others are with it. Errors: NotFittedError; as for ``fit``.
        """
        from lowerbound.interfaces.sklearn.numbers import type_of
        from lowerbound.tasks.encode import encode

        fitted = self._model
        found = encode(fitted.exact, self._read(X, self._codes(X, labels)))
        return found.numpy().astype(type_of(X))

    def inverse_transform(self, X: Any, *, labels: Any = None) -> Any:
        """The means of p(x|z) of latents ``(N, latent)``: rows as those of the training's X, a frame where that was one.

        Errors: NotFittedError; ValueError for latents of another number of dimensions.
        """
        import torch
        from sklearn.utils.validation import check_array

        from lowerbound.tasks.encode import decode

        model = self._given(self._model.exact, labels)
        z = check_array(X, dtype=np.float64, input_name="X", estimator=self)
        if z.shape[1] != self._n_features_out:
            raise ValueError(f"X has {z.shape[1]} features, and latents of this model have {self._n_features_out}.")
        return self.reader_.write(decode(model, torch.from_numpy(z)))

    def sample(self, n: int = 1, *, where: Mapping[Any, Any] | None = None, labels: Any = None) -> Any:
        """n draws of p(x), or with ``where`` of p(x_others | x_given): rows as those of the training's X, a frame where that was one.

        ``where`` has values by feature: by its name, or of an array by its number. Errors: NotFittedError; UsageError or DataError for
        what cannot be given.
        """
        from lowerbound.interfaces.sklearn.fitted import IN_TURN
        from lowerbound.interfaces.sklearn.given import drawn_where
        from lowerbound.system.seeding import seeded

        fitted, seed = self._model, self._seed()
        with IN_TURN, seeded(seed, "sample", device=fitted.model.device):
            model = self._given(fitted.model, labels)
            drawn = model.sample(n, draw=True).cpu() if where is None else drawn_where(self, model, where, n, seed)
        return self.reader_.write(drawn)

    def score_samples(self, X: Any, return_error: bool = False, *, labels: Any = None) -> Any:
        """log p(x) of each row ``(N,)``, in nats, by importance sampling; with ``return_error`` its standard errors besides ``(N,)``.

        By ``samples`` draws of z a row (``lb.log_likelihood``), which follow from its values: the same whichever others are with it.
        Of a row with holes it is the density of what is there; of a table numbers are in standard deviations.
        Errors: NotFittedError; RecipeError for a model without a density; as for ``fit``.
        """
        from lowerbound.interfaces.sklearn.density import log_density
        from lowerbound.interfaces.sklearn.fitted import IN_TURN

        fitted = self._model
        with IN_TURN:
            found = log_density(fitted.exact, self._read(X, self._codes(X, labels)), self.samples_, fitted.recipe.seed)
        return (found.log_p.numpy(), found.se.numpy()) if return_error else found.log_p.numpy()

    def score(self, X: Any, y: Any = None, *, labels: Any = None) -> float:
        """The mean of ``score_samples``, nats a row: log p(x), which models of any objective can be compared by. Errors: the same."""
        return float(np.mean(self.score_samples(X, labels=labels)))

    @property
    def _n_features_out(self) -> int:
        """Dimensions of z."""
        return self._model.model.latent

    # --- labels ----------------------------------------------------------------------------------------

    def _own(self, labels: Any) -> dict[str, Any]:
        """Nothing that labels decide of the recipe. Errors: UsageError where there are some and none are wanted, or the reverse."""
        from lowerbound.errors import UsageError
        from lowerbound.recipes.contexts import OF_LABELS

        words = self._words()
        if words.get("semi_supervised") is not None:
            raise UsageError(f"{type(self).__name__} knows no classes; take lowerbound.sklearn.Classifier for {words['semi_supervised']}")
        wanted = (words.get("given") or "").partition(":")[0] in OF_LABELS
        if wanted is (labels is None):
            raise UsageError(
                "this model is given labels: fit(X, labels=…)" if wanted else 'labels are for a model with given="label"; leave them out'
            )
        return {}

    def _numbered(self, X: Any, labels: Any, begins: bool) -> tuple[Any, Any]:
        """The labels of a training as class numbers, and the classes, which are those of the first."""
        if labels is None:
            return None, None
        if begins:
            self.classes_ = np.unique(np.asarray(labels))
        return self._codes(X, labels), self.classes_

    def _codes(self, X: Any, labels: Any) -> npt.NDArray[np.int64] | None:
        """Labels of rows as class numbers. Errors: ValueError for another number of them, and for a class that the training had not."""
        from sklearn.utils.validation import check_consistent_length, column_or_1d

        if labels is None:
            return None
        given = column_or_1d(labels)
        check_consistent_length(X, given)
        return codes_of(given, self.classes_)

    def _given(self, model: Model, labels: Any) -> Model:
        """The model of these classes, one for each row, or one for all."""
        from lowerbound.errors import UsageError
        from lowerbound.tasks.classes import as_labels

        if labels is None and model.context is not None:
            raise UsageError("this model is given a context, and none is here; give labels=…")
        return model if labels is None else as_labels(model, _tensor(codes_of(np.atleast_1d(labels), self.classes_)))


def _tensor(numbers: npt.NDArray[np.int64]) -> Tensor:
    import torch

    return torch.from_numpy(numbers)
