"""A table of which half of the cells are missing completely at random, and the ways to fill it in that a model is measured against."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

SHARE = 0.5  # of the cells, missing
SEED = 1234  # of NumPy, for which: the protocol's


@cache
def breast_cancer() -> tuple[Float[Tensor, "N D"], Bool[Tensor, "N D"]]:
    """scikit-learn's breast-cancer table, each column standardized, and which of its cells are there.

    Source of the protocol: Mattei and Frellsen's notebook, https://github.com/pamattei/miwae.
    """
    from sklearn.datasets import load_breast_cancer

    whole = load_breast_cancer().data
    whole = (whole - whole.mean(0)) / whole.std(0)
    missing = np.random.RandomState(SEED).choice(whole.size, int(whole.size * SHARE), replace=False)
    observed = np.ones(whole.size, dtype=bool)
    observed[missing] = False
    return torch.from_numpy(whole).float(), torch.from_numpy(observed.reshape(whole.shape))


def holed() -> Float[Tensor, "N D"]:
    """The table, NaN where a cell is missing."""
    whole, observed = breast_cancer()
    return whole.where(observed, torch.nan)


def error(filled: Float[Tensor, "N D"]) -> dict[str, float]:
    """The mean squared error on the missing cells."""
    whole, observed = breast_cancer()
    return {"mean squared error": float((filled - whole)[~observed].square().mean())}


def by_mean() -> dict[str, float]:
    """Each column's mean over what is there."""
    x = holed()
    return error(x.where(~x.isnan(), x.nanmean(0)))


def by_chained_equations() -> dict[str, float]:
    """scikit-learn's IterativeImputer: each column predicted from all others by a Bayesian ridge regression, in turn, 20 rounds at most."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - which lets the next line be
    from sklearn.impute import IterativeImputer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        filled = IterativeImputer(max_iter=20, random_state=0).fit_transform(holed().double().numpy())
    return error(torch.from_numpy(filled).float())
