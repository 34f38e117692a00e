"""``Classifier``: classes by a model of partly labelled data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin

from lowerbound.interfaces.sklearn.base import OF_ARRAYS, OF_TABLES, Estimator, codes_of, refuse

if TYPE_CHECKING:
    from lowerbound.interfaces.sklearn.numbers import Numbers
    from lowerbound.interfaces.sklearn.tables import Table

#: what y says of a row whose class is not known
UNKNOWN = -1


@final
class Classifier(ClassifierMixin, Estimator):
    """Learns to classify from rows of which some have a label and others −1, not known: M1, M2, M1+M2 by ``semi_supervised``.

    Usually M2: the label is a latent, of which q(y|x) is the classifier, and rows without one teach what the data are like. Where y has
    but one value besides −1, both are classes, as −1 and 1 often are. X is an array, or a frame, of numbers, of one scale; with
    ``likelihood="columns"`` a table. The parameters are those of ``Estimator``, the words of a recipe.
    Source: Kingma et al., "Semi-Supervised Learning with Deep Generative Models", 2014, https://arxiv.org/abs/1406.5298.

    >>> from sklearn.datasets import load_iris
    >>> from lowerbound.sklearn import Classifier
    >>> X, y = load_iris(return_X_y=True)
    >>> y[::2] = -1
    >>> Classifier(epochs=2, random_state=0).fit(X, y).predict_proba(X).shape
    (150, 3)
    """

    usual: ClassVar[dict[str, Any]] = {"likelihood": "gaussian", "scale": "learned", "semi_supervised": "m2", "latent": 5, "batch": 50}
    draws: ClassVar[int] = 1

    def fit(self, X: Any, y: Any) -> Classifier:
        """Train anew on X ``(N, D)`` and classes y ``(N,)``, −1 where not known.

        Errors: ValueError and TypeError as scikit-learn has them, also for a y of one class; DataError, RecipeError, UsageError; Diverged.
        """
        known, self.classes_ = self._checked(X, y, None)
        self._learn(X, known, self.classes_, self._labels(known), None)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Classifier:
        """Train one epoch more on X and y; ``classes`` are all there will be, those of the first y where nothing is said.

        Errors: as for ``fit``.
        """
        if not hasattr(self, "fitted_"):
            known, self.classes_ = self._checked(X, y, classes)
        else:
            known, _ = self._checked(X, y, self.classes_)
        self._learn(X, known, self.classes_, self._labels(known), 1)
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most likely class of each row ``(N,)``. Errors: NotFittedError; as for ``fit``."""
        most = self._log_q(X).argmax(1)
        found: npt.NDArray[Any] = self.classes_[most]
        return found

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """q(y|x) of each row and class ``(N, classes)``, in the order of ``classes_``. Errors: NotFittedError; as for ``fit``."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """log q(y|x), in nats. Errors: NotFittedError; as for ``fit``."""
        return self._log_q(X)

    def _log_q(self, X: Any) -> npt.NDArray[np.float64]:
        import torch

        from lowerbound.data.rows import in_turn
        from lowerbound.vae.semi_supervised import classifier_of

        model, data = self._model.exact, self._read(X)
        with torch.no_grad():
            parts = [classifier_of(model).log_classify(data[rows]) for rows in in_turn(data)]
        return torch.cat(parts).numpy()

    def _checked(self, X: Any, y: Any, classes: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
        """y as class numbers, −1 where not known, and the sorted classes. Errors: ValueError."""
        from sklearn.utils.multiclass import check_classification_targets
        from sklearn.utils.validation import assert_all_finite, check_consistent_length, column_or_1d

        if y is None:
            raise ValueError("This Classifier requires y to be passed, but the target y is None.")
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        check_consistent_length(X, y)
        unknown = np.array([label in (UNKNOWN, str(UNKNOWN)) for label in y.tolist()])
        if classes is None:
            found = np.unique(y)
            classes = found if len(found) < 3 else np.unique(y[~unknown])
        classes = np.unique(classes)
        if len(classes) < 2:
            raise ValueError(f"Classifier needs labels of 2 classes or more, and y has {len(classes)} class.")
        known = ~unknown | np.isin(y, classes)
        numbers = np.full(len(y), UNKNOWN, np.int64)
        numbers[known] = codes_of(y[known], classes)
        return numbers, classes

    def _labels(self, known: npt.NDArray[np.int64]) -> dict[str, Any]:
        """The recipe's word for how many labels there are. Errors: UsageError for a recipe that knows no labels."""
        from lowerbound.errors import UsageError

        if self._words().get("semi_supervised") is None:
            raise UsageError('this recipe tells no classes; say semi_supervised="m2", or another of the page of words')
        return {"labels": str(max(1, int((known != UNKNOWN).sum())))}

    def _reader(self) -> Numbers | Table:
        from lowerbound.interfaces.sklearn.numbers import Numbers
        from lowerbound.interfaces.sklearn.tables import Table
        from lowerbound.recipes import likelihoods

        if self._words().get("likelihood") in likelihoods.OF_TABLES:
            refuse(self, OF_ARRAYS, "X is a table")
            return Table(self.types, self.missing_as)
        refuse(self, OF_TABLES, "X is an array of numbers")
        return Numbers(self.shape)
