"""``Imputer``: missing cells filled by a model of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, final

from sklearn import get_config
from sklearn.base import OneToOneFeatureMixin, TransformerMixin

from lowerbound.interfaces.sklearn.base import OF_ARRAYS, Estimator, refuse, values_of

if TYPE_CHECKING:
    from lowerbound.interfaces.sklearn.tables import Table


@final
class Imputer(OneToOneFeatureMixin, TransformerMixin, Estimator):
    """Fills the missing cells (NaN, None) of a frame or an array: a number by E[x_missing|x_observed], a category by the most likely one.

    The model is that of ``TableVAE``, with a smaller network, since few rows are learned by heart; its parameters are the same. What is
    observed stays as it is, as do index, order and the types of columns; a frame gives a frame. Columns that the model leaves out, such as
    identifiers, are not filled, and a warning says so. What is drawn for a cell depends on the rows beside it, by less the more ``samples``
    there are.
    Source: Mattei and Frellsen, "MIWAE: Deep Generative Modelling and Imputation of Incomplete Data Sets", 2019,
    https://arxiv.org/abs/1812.02633.

    >>> import numpy as np
    >>> from lowerbound.sklearn import Imputer
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> X[::5, 1] = np.nan
    >>> bool(np.isnan(Imputer(epochs=2, random_state=0).fit_transform(X)).any())
    False
    """

    usual: ClassVar[str] = "miwae"
    with_holes: ClassVar[dict[str, Any]] = {"network": "orthogonal:64"}
    draws: ClassVar[int] = 5_000
    texts: ClassVar[bool] = True

    def fit(self, X: Any, y: Any = None) -> Imputer:
        """Train anew on X ``(N, D)``; y is not looked at.

        Errors: ValueError and TypeError as scikit-learn has them; DataError, RecipeError, UsageError; Diverged.
        """
        self._learn(X, None, None, {}, None)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Imputer:
        """Train one epoch more on X, the first one where there was none. Errors: as for ``fit``."""
        self._learn(X, None, None, {}, 1)
        return self

    def transform(self, X: Any) -> Any:
        """X with its holes filled in (``lb.tasks.impute``).

        Errors: NotFittedError; DataError for a cell that is not of its column's kind, and a category that a frame's type has not.
        """
        from lowerbound.interfaces.sklearn.fitted import IN_TURN
        from lowerbound.interfaces.sklearn.tables import in_library
        from lowerbound.tasks.impute import impute

        fitted = self._model
        values = values_of(self._read(X, exact=False))
        with IN_TURN:
            found = impute(fitted.model, values, samples=self.samples_, seed=fitted.recipe.seed)
        return in_library(self.reader_.fill(X, values.isnan().numpy(), found.mean), self._library)

    @property
    def _library(self) -> str:
        """That of the frames which ``set_output``, or scikit-learn's configuration, asks for; "default" where they are those of X."""
        asked: str | None = getattr(self, "_sklearn_output_config", {}).get("transform")
        return asked or str(get_config()["transform_output"])

    def _reader(self) -> Table:
        from lowerbound.interfaces.sklearn.tables import Table

        refuse(self, OF_ARRAYS, "X is a table")
        return Table(self.types, self.missing_as)
