"""Filled by ``Imputer`` or by scikit-learn's ``IterativeImputer``: how well a gradient boosting learns from each, by cross-validation.

Three of scikit-learn's own tables, of which cells are removed at random; both ways see the same holes and the same folds. Besides the
score of the pipeline it is measured how far the filled cells of the held-out fold are from what was there, in standard deviations.
Each fold is written to the results once it is done, and a later call goes on with those that are missing:

    python benchmarks/sklearn_imputer.py --out benchmarks/results/sklearn-imputer.json
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline

from lowerbound.sklearn import Imputer

REMOVED, FOLDS, SEEDS = 0.3, 3, (0, 1)
TABLES: dict[str, tuple[Callable[..., Any], Any, Any]] = {
    "diabetes": (load_diabetes, HistGradientBoostingRegressor(random_state=0), KFold),
    "wine": (load_wine, HistGradientBoostingClassifier(random_state=0), StratifiedKFold),
    "breast_cancer": (load_breast_cancer, HistGradientBoostingClassifier(random_state=0), StratifiedKFold),
}
IMPUTERS: dict[str, Any] = {
    "Imputer": Imputer(random_state=0),
    "IterativeImputer": IterativeImputer(random_state=0),
}


def folds(table: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Values, the same with holes, what is to be predicted, and the rows of each fold."""
    load, _, kind = TABLES[table]
    x, y = load(return_X_y=True)
    holes = np.random.default_rng(seed).random(x.shape) < REMOVED
    return x, np.where(holes, np.nan, x), y, list(kind(FOLDS, shuffle=True, random_state=seed).split(x, y))


def measured(table: str, seed: int, fold: int, name: str) -> dict[str, float]:
    """The usual score on a held-out fold, R² or the share of right classes; and the error of its filled cells."""
    x, holed, y, all_folds = folds(table, seed)
    train, test = all_folds[fold]
    started = time.perf_counter()
    made = make_pipeline(clone(IMPUTERS[name]), clone(TABLES[table][1])).fit(holed[train], y[train])
    filled = made[0].transform(holed[test])
    score = made[-1].score(filled, y[test])
    scale, holes = x[train].std(0), np.isnan(holed[test])
    error = root_mean_squared_error((x[test] / scale)[holes], (filled / scale)[holes])
    return {"score": float(score), "error": float(error), "seconds": time.perf_counter() - started}


def summary(found: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """By table: both means, and the mean difference over folds, ours less the other's, with its standard error."""
    summed = {}
    for table in TABLES:
        keys = [key for key in found if key.startswith(f"{table}/") and key.endswith("/Imputer")]
        pairs = [(found[key], found[key.replace("/Imputer", "/IterativeImputer")]) for key in keys]
        row: dict[str, float] = {"folds": len(pairs)}
        for what in ("score", "error", "seconds"):
            ours, theirs = (np.array([pair[side][what] for pair in pairs]) for side in (0, 1))
            gap = ours - theirs
            row |= {f"{what} Imputer": float(ours.mean()), f"{what} IterativeImputer": float(theirs.mean())}
            row |= {f"{what} difference": float(gap.mean()), f"{what} difference se": float(gap.std(ddof=1) / np.sqrt(len(gap)))}
        summed[table] = row
    return summed


def main() -> None:
    """Measure what is missing in the results, and sum up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    found: dict[str, dict[str, float]] = json.loads(out.read_text())["folds"] if out.is_file() else {}
    for seed, fold, table, name in product(SEEDS, range(FOLDS), TABLES, IMPUTERS):
        key = f"{table}/{seed}/{fold}/{name}"
        if key not in found:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # of ten rounds, which are its default
                found[key] = measured(table, seed, fold, name)
            out.write_text(json.dumps({"removed": REMOVED, "folds": found}, indent=1) + "\n")
            print(key, found[key], flush=True)
    words = {name: {word: value for word, value in made.get_params().items() if value is not None} for name, made in IMPUTERS.items()}
    plain = {name: {word: value for word, value in said.items() if isinstance(value, str | int | float)} for name, said in words.items()}
    result = {"removed": REMOVED, "words": plain, "summary": summary(found), "folds": found}
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["summary"], indent=1))


if __name__ == "__main__":
    main()
