"""X of numbers alone, an array or a frame, as examples; and a model's values as an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from lowerbound.data import Dataset, frames
from lowerbound.data.axes import shape_of, written
from lowerbound.errors import DataError

#: types that stay what they are; all others become the first
TYPES = [np.float64, np.float32]
#: examples a training needs
FEWEST = 2


@dataclass
class Numbers:
    """Reads X ``(N, D)`` as examples ``(N, D)``, or of the ``shape`` that one is said to have; NaN, or None in a frame, is missing."""

    shape: str | Sequence[int] | None = None
    schema: None = None  # which tables have

    def learn(self, estimator: Any, X: Any) -> Dataset:
        """X of a training, by which the estimator knows its features from now on.

        Errors: ValueError and TypeError as scikit-learn has them; DataError for a shape of another size.
        """
        return self._examples(checked(estimator, X, True))

    def read(self, estimator: Any, X: Any) -> Dataset:
        """X of later. Errors: as for ``learn``, and for other features."""
        return self._examples(checked(estimator, X, False))

    def _examples(self, values: npt.NDArray[Any]) -> Dataset:
        shape = shape_of(self.shape)
        if shape is not None and np.prod(shape) != values.shape[1]:
            raise DataError(f"X has {values.shape[1]} features, and an example of the shape {written(shape)} has {np.prod(shape)}")
        return Dataset(torch.from_numpy(values if shape is None else values.reshape(-1, *shape)))

    def write(self, values: Float[Tensor, "N *event"]) -> npt.NDArray[np.float64]:
        """A model's values as an array ``(N, D)``."""
        return values.reshape(len(values), -1).double().numpy()

    def given(self, estimator: Any, where: Mapping[Any, float]) -> Float[Tensor, "1 *event"]:
        """One example of which the values of some features, by name or number, are known, and the others NaN. Errors: DataError."""
        names = [str(name) for name in getattr(estimator, "feature_names_in_", [])]
        row = np.full((1, estimator.n_features_in_), np.nan)
        for name, value in where.items():
            place = names.index(name) if name in names else name
            if not isinstance(place, int | np.integer) or not -row.shape[1] <= place < row.shape[1]:
                raise DataError(f"X has no feature {name!r}; say which by a name of feature_names_in_, or a number below {row.shape[1]}")
            row[0, place] = value
        found = self._examples(row).array
        assert isinstance(found, Tensor)
        return found


def type_of(X: Any) -> npt.DTypeLike:
    """The type of what is made of X: single precision of such alone, else double."""
    if frames.is_frame(X):
        import narwhals as nw

        return np.float32 if set(nw.from_native(X, eager_only=True).schema.values()) == {nw.Float32} else np.float64
    return np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64


def checked(estimator: Any, X: Any, reset: bool, **options: Any) -> npt.NDArray[Any]:
    """X as an array of its own that sklearn has nothing against. Errors: ValueError, TypeError, as sklearn has them."""
    from sklearn.utils.validation import validate_data

    options = {"dtype": TYPES, "ensure_all_finite": "allow-nan", "ensure_min_samples": FEWEST if reset else 1} | options
    return np.array(validate_data(estimator, X, reset=reset, **options), order="C")
