"""The estimators for scikit-learn are held to its own checks, to the bits of ``fit``, and to what frames are and remain."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import lowerbound as lb
from lowerbound.interfaces.sklearn.base import OF_X, Estimator
from lowerbound.sklearn import VAE, Classifier, Imputer, TableVAE

#: each with little to learn; that of arrays as wide as where single precision's sums begin to depend on the rows beside
CHECKED = {
    "VAE": VAE(epochs=1, network="mlp:128", samples=20),
    "TableVAE": TableVAE(epochs=1, network="mlp:64", objective="iwae:2", samples=20),
    "Imputer": Imputer(epochs=1, network="mlp:16", objective="iwae:2", samples=20),
    "Classifier": Classifier(epochs=8, network="mlp:16", batch=100, learning_rate=0.03),
}
QUICK = ("VAE", "Imputer")  # the others' checks take long
CHECKS = [
    pytest.param(
        estimator, check, id=f"{name}-{getattr(check, 'func', check).__name__}-{number}", marks=[] if name in QUICK else [pytest.mark.long]
    )
    for name, made in CHECKED.items()
    for number, (estimator, check) in enumerate(estimator_checks_generator(made.set_params(random_state=0)))
]


@pytest.mark.parametrize(("estimator", "check"), CHECKS)
@pytest.mark.filterwarnings("ignore:.*")
def test_scikit_learn_has_nothing_against_it(
    estimator: Estimator, check: Callable[[Estimator], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Estimator, "__init__", inspect.unwrap(Estimator.__init__)
    )  # which takes anything, types being checked in tests alone
    check(estimator)


def table(n: int = 60) -> dict[str, list[Any]]:
    """Columns of all kinds with holes; the number and the category say much of one another."""
    rng = np.random.default_rng(0)
    sort = rng.integers(0, 3, n)
    number = sort + 0.1 * rng.standard_normal(n)
    cells: dict[str, list[Any]] = {
        "number": number.round(3).tolist(),
        "sort": [("low", "middle", "high")[each] for each in sort],
        "count": rng.poisson(3, n).tolist(),
        "truth": (rng.random(n) < 0.5).tolist(),
    }
    for column in cells.values():
        for row in rng.choice(n, n // 6, replace=False):
            column[row] = None
    return cells


def pandas_frame() -> pd.DataFrame:
    frame = pd.DataFrame(table(), index=range(100, 160))
    kinds = {"sort": pd.CategoricalDtype(["low", "middle", "high", "none"]), "count": "Int64", "truth": "boolean"}
    return frame.astype(kinds)


FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": pandas_frame,
    "polars": lambda: pl.DataFrame(table()).with_columns(pl.col("sort").cast(pl.Enum(["low", "middle", "high", "none"]))),
    "polars-categorical": lambda: pl.DataFrame(table()).with_columns(pl.col("sort").cast(pl.Categorical)),
    "pyarrow": lambda: pa.table(table()),
}


def cells_of(frame: Any) -> dict[str, list[Any]]:
    """The cells of a frame of any library, None where one is missing."""
    if isinstance(frame, pd.DataFrame):
        return {name: [None if pd.isna(cell) else cell for cell in column] for name, column in frame.items()}
    return frame.to_dict(as_series=False) if isinstance(frame, pl.DataFrame) else frame.to_pydict()


def types_of(frame: Any) -> list[str]:
    if isinstance(frame, pa.Table):
        return [str(field.type).replace("uint32", "int32") for field in frame.schema]
    return [str(kind) for kind in frame.dtypes]


def small_table(kind: type[Any], **words: Any) -> Any:
    return kind(**{"epochs": 3, "network": "mlp:16", "objective": "iwae:2", "samples": 100, "random_state": 0} | words)


@pytest.fixture(scope="module")
def numbers() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((60, 3))


# --- words -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKED)
def test_its_parameters_are_the_words_of_a_recipe(name: str) -> None:
    words = {field.name for field in dataclasses.fields(lb.Recipe)} - OF_X - {"seed"}
    own = {"recipe", "shape", "types", "missing_as", "samples", "random_state"}
    assert set(CHECKED[name].get_params()) == words | own


def test_a_recipe_is_had_by_name_and_its_words_give_way() -> None:
    x = np.random.default_rng(0).random((40, 6))
    fitted = VAE("beta-vae", latent=3, epochs=1).fit(x).fitted_.recipe
    assert (fitted.objective, fitted.latent, fitted.likelihood) == ("beta:4", 3, "bernoulli")
    assert VAE(fitted, epochs=2).fit(x).fitted_.recipe.latent == 3


REFUSED = [
    (lambda x: VAE(types={"a": "count"}, epochs=1).fit(x), lb.errors.UsageError, "takes no types"),
    (lambda x: TableVAE(shape="1x3", epochs=1).fit(x), lb.errors.UsageError, "takes no shape"),
    (lambda x: VAE(shape="1x4", epochs=1).fit(x), lb.errors.DataError, "has 4"),
    (lambda x: VAE("m2", epochs=1).fit(x), lb.errors.UsageError, "Classifier"),
    (lambda x: Classifier("vae", epochs=1).fit(x, x[:, 0] > 0), lb.errors.UsageError, "tells no classes"),
    (lambda x: VAE(given="label", epochs=1).fit(x), lb.errors.UsageError, "labels="),
    (lambda x: VAE(epochs=1).fit(x, labels=x[:, 0] > 0), lb.errors.UsageError, "given="),
    (lambda x: VAE(likelihood="bernoulli", epochs=1).fit(x), lb.errors.DataError, "gaussian"),
    (lambda x: VAE("beta-vea", epochs=1).fit(x), lb.errors.RecipeError, "beta-vae"),
    (lambda x: VAE("ae", likelihood="gaussian", epochs=1).fit(x).score(x), lb.errors.RecipeError, "density"),
    (lambda x: VAE(epochs=1).fit(x).sample(where={7: 0.0}), lb.errors.DataError, "no feature 7"),
    (lambda x: small_table(TableVAE).fit(x).sample(where={"y": 0.0}), lb.errors.DataError, "no feature 'y'"),
    (lambda x: Classifier(epochs=1).fit(x, np.zeros(len(x))), ValueError, "1 class"),
    (lambda x: VAE(epochs=1).fit(x).inverse_transform(np.zeros((1, 5))), ValueError, "5 features"),
]


@pytest.mark.parametrize(("wrong", "kind", "said"), REFUSED, ids=[said for *_, said in REFUSED])
def test_what_makes_no_sense_is_refused(wrong: Callable[[Any], Any], kind: type[Exception], said: str, numbers: np.ndarray) -> None:
    with pytest.raises(kind, match=said):
        wrong(numbers)


# --- training ----------------------------------------------------------------------------------------

TRAINED: dict[str, Callable[[], Any]] = {
    "VAE": lambda: VAE(epochs=3, network="mlp:16", random_state=0),
    "moving average": lambda: VAE(epochs=3, network="mlp:16", average=0.9, schedule="cosine", random_state=0),
    "baseline": lambda: VAE(epochs=3, network="mlp:16", estimator="score-moving-average", scale="learned", random_state=0),
    "TableVAE": lambda: small_table(TableVAE),
    "Classifier": lambda: Classifier(epochs=3, network="mlp:16", random_state=0),
}


@pytest.mark.parametrize("name", TRAINED)
def test_fit_is_as_many_partial_fits_also_through_a_pickle(name: str, numbers: np.ndarray) -> None:
    y = (numbers[:, 0] > 0).astype(int) * 2
    whole, parts = TRAINED[name]().fit(numbers, y), TRAINED[name]()
    for _ in range(3):
        parts = pickle.loads(pickle.dumps(parts.partial_fit(numbers, y)))
    found = parts.fitted_.model.state_dict()
    assert all(bool((found[key] == value).all()) for key, value in whole.fitted_.model.state_dict().items())


def test_a_pickle_has_none_of_torchs_in_it(numbers: np.ndarray) -> None:
    raw = pickle.dumps(VAE(epochs=1).fit(numbers))
    assert b"torch._utils" not in raw
    assert b"_rebuild" not in raw.replace(b"_reconstruct", b"")


def test_patience_ends_a_training_with_its_best_weights(numbers: np.ndarray) -> None:
    fitted = VAE(epochs=200, learning_rate=0.05, network="mlp:64", latent=3, patience=3, random_state=0).fit(numbers[:30]).fitted_
    assert fitted.epochs < 200


def test_networks_of_images_are_given_a_shape() -> None:
    x = np.random.default_rng(0).random((20, 64)).astype(np.float32)
    model = VAE(likelihood="bernoulli", network="conv:4-8", shape="1x8x8", epochs=1).fit(x)
    assert model.transform(x).dtype == np.float32
    assert model.inverse_transform(model.transform(x)).shape == x.shape
    assert model.sample(2).shape == (2, 64)


def test_threads_and_processes_give_what_one_alone_gives(numbers: np.ndarray) -> None:
    import joblib

    def scores(**how: Any) -> np.ndarray:
        with joblib.parallel_config(**how):
            return cross_val_score(VAE(epochs=2, network="mlp:8", samples=20, random_state=0), numbers, cv=2)

    alone = scores(n_jobs=1)
    np.testing.assert_array_equal(alone, scores(n_jobs=2, backend="threading"))
    np.testing.assert_array_equal(alone, scores(n_jobs=2))


def test_a_grid_is_searched_over_words(numbers: np.ndarray) -> None:
    grid = {"vae__latent": [1, 2], "vae__objective": ["beta:1", "beta:4"]}
    made = make_pipeline(StandardScaler(), VAE(epochs=1, network="mlp:8", samples=20, random_state=0))
    assert set(GridSearchCV(made, grid, cv=2).fit(numbers).best_params_) == set(grid)


# --- what a fitted one says --------------------------------------------------------------------------


def test_log_p_is_that_of_the_model_with_its_error(numbers: np.ndarray) -> None:
    model = VAE(scale=0.5, epochs=20, network="mlp:16", samples=400, random_state=0).fit(numbers)
    log_p, error = model.score_samples(numbers, return_error=True)
    exact = lb.log_likelihood(model.fitted_.exact, numbers, 20_000, seed=1)
    gap = log_p - exact.log_p.numpy()
    assert abs(gap.mean()) < 4 * np.sqrt((error**2).sum() + (exact.se.numpy() ** 2).sum()) / len(gap)
    assert np.mean(np.abs(gap) < 3 * error) > 0.9
    assert model.score(numbers) == log_p.mean()


@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_a_rows_figures_do_not_depend_on_the_others(kind: str, numbers: np.ndarray) -> None:
    frame = pd.DataFrame(numbers, columns=list("abc")).astype(kind)
    model = VAE(epochs=2, network="mlp:300", samples=50, random_state=0).fit(frame)
    for method in (model.transform, model.score_samples):
        alone = np.concatenate([method(frame[row : row + 1]) for row in range(20)])
        np.testing.assert_allclose(alone, method(frame)[:20], rtol=1e-6, atol=1e-7)
    assert model.transform(frame).dtype == kind


def test_draws_given_some_values_have_them(numbers: np.ndarray) -> None:
    x = numbers.copy()
    x[:, 1] = x[:, 0]
    whole = VAE(epochs=200, learning_rate=0.01, network="mlp:32", random_state=0).fit(x)
    assert np.all(whole.sample(50, where={0: 1.5})[:, 0] == 1.5)
    assert whole.sample(50, where={0: 1.5})[:, 1].mean() > 0.8
    x[::7, 2] = np.nan
    assert np.all(VAE(epochs=2, random_state=0).fit(x).sample(5, where={0: 0.5})[:, 0] == 0.5)


def test_labels_are_routed_to_a_model_that_is_given_them() -> None:
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    vae = VAE(given="label", epochs=2, network="mlp:8", samples=20, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        vae.set_fit_request(labels=True).set_transform_request(labels=True)
        made = make_pipeline(StandardScaler(), vae).fit(x, labels=names)
        assert made.transform(x, labels=names).shape == (150, 2)
    assert np.isfinite(made[-1].score(x, labels=names))
    assert made[-1].sample(2, labels=["setosa", "virginica"]).shape == (2, 4)
    with pytest.raises(lb.errors.UsageError, match="labels"):
        made[-1].sample(2)
    with pytest.raises(ValueError, match="'rose'"):
        made[-1].sample(1, labels=["rose"])


# --- frames ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", FRAMES)
def test_holes_are_filled_and_all_else_is_as_it_was(library: str) -> None:
    frame = FRAMES[library]()
    imputer = small_table(Imputer, epochs=60, objective="iwae:5", learning_rate=0.02, latent=2, network="mlp:32").fit(frame)
    filled = imputer.transform(frame)
    assert type(filled) is type(frame)
    assert types_of(filled) == types_of(frame)
    if isinstance(frame, pd.DataFrame):
        assert filled.index.equals(frame.index)
    before, after = cells_of(frame), cells_of(filled)
    for name, column in before.items():
        assert None not in after[name]
        assert [cell for cell in column if cell is not None] == [
            new for old, new in zip(column, after[name], strict=True) if old is not None
        ]
    known = [(sort, new) for old, sort, new in zip(before["number"], before["sort"], after["number"], strict=True) if old is None and sort]
    means = {"low": 0.0, "middle": 1.0, "high": 2.0}
    assert np.mean([abs(means[sort] - new) for sort, new in known]) < 0.5, "the category says what the number is"


@pytest.mark.parametrize("library", FRAMES)
def test_rows_are_made_as_those_of_the_training(library: str) -> None:
    frame = FRAMES[library]()
    model = small_table(TableVAE).fit(frame)
    for made in (model.sample(7, where={"sort": "low"}), model.inverse_transform(model.transform(frame[:7]))):
        assert type(made) is type(frame)
        assert types_of(made) == types_of(frame)
        assert all(len(column) == 7 and None not in column for column in cells_of(made).values())
    assert set(cells_of(model.sample(7, where={"sort": "low"}))["sort"]) == {"low"}


@pytest.mark.parametrize("kind", [np.float64, np.float32, object])
def test_arrays_are_filled_as_arrays(kind: type, numbers: np.ndarray) -> None:
    x = numbers.astype(kind)
    x[::4, 1] = np.nan
    filled = small_table(Imputer).fit_transform(x)
    there = ~np.isnan(x.astype(float))
    assert filled.dtype == x.dtype
    assert np.array_equal(filled[there], x[there])
    assert np.isfinite(filled.astype(float)).all()


def test_an_array_may_have_texts() -> None:
    x = np.array(list(zip(*table().values(), strict=True)), dtype=object)
    filled = small_table(Imputer).fit_transform(x)
    assert not any(cell is None or cell != cell for cell in filled.ravel())
    assert set(filled[:, 1]) == {"low", "middle", "high"}


def test_whole_numbers_that_all_differ_are_numbers_and_constants_are_filled() -> None:
    x = np.column_stack([np.arange(40.0), np.full(40, 3.0), np.random.default_rng(0).standard_normal(40)])
    x[::5, 0] = x[1::5, 1] = np.nan
    with pytest.warns(UserWarning, match="always '3.0'"):
        filled = small_table(Imputer).fit_transform(x)
    assert not np.isnan(filled).any()
    assert set(filled[:, 1]) == {3.0}


@pytest.mark.parametrize(("output", "kind"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
@pytest.mark.parametrize("library", FRAMES)
def test_frames_are_made_of_any_library_where_they_are_asked_for(library: str, output: str, kind: type) -> None:
    frame = FRAMES[library]()
    latents = small_table(TableVAE).set_output(transform=output).fit(frame).transform(frame)
    assert isinstance(latents, kind)
    assert list(latents.columns)[:2] == ["tablevae0", "tablevae1"]
    filled = small_table(Imputer).set_output(transform=output).fit(frame).transform(frame)
    assert isinstance(filled, kind)
    assert list(filled.columns) == list(table())
    assert None not in cells_of(filled)["number"]


def test_it_works_among_other_columns() -> None:
    frame = pandas_frame()
    y = np.arange(len(frame)) % 2
    made = make_pipeline(
        ColumnTransformer([("filled", small_table(Imputer), ["number", "sort"])], remainder="drop").set_output(transform="pandas"),
        ColumnTransformer([("scaled", StandardScaler(), ["filled__number"])]),
        LogisticRegression(),
    )
    assert cross_val_score(made, frame, y, cv=2).shape == (2,)
    names = made.fit(frame, y)[0].get_feature_names_out()
    assert list(names) == ["filled__number", "filled__sort"]


def test_a_category_that_a_frame_cannot_have_is_said() -> None:
    frame = pandas_frame()
    imputer = small_table(Imputer).fit(frame)
    narrow = frame.assign(sort=pd.Categorical([None] * len(frame), ["none"]))
    with pytest.raises(lb.errors.DataError, match="has no category"):
        imputer.transform(narrow)


# --- classes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["m1", "m2", *(pytest.param(word, marks=pytest.mark.long) for word in ("m2-latents", "m1m2"))])
def test_classes_are_learned_from_few_labels(word: str) -> None:
    x, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    few = np.where(np.arange(len(y)) % 5 == 0, y, -1)
    made = make_pipeline(
        StandardScaler(), Classifier(semi_supervised=word, epochs=40, network="mlp:32", learning_rate=0.01, random_state=0)
    )
    assert made.fit(x, few).score(x, y) > 0.8
    proba = made.predict_proba(x)
    np.testing.assert_allclose(proba.sum(1), 1)
    assert list(made.classes_) == [0, 1, 2]
    text = clone(made).set_params(classifier__epochs=1).fit(x, np.where(few == -1, "-1", names[few]))
    assert list(text.classes_) == sorted(names)


def test_minus_one_is_a_class_where_there_is_but_one_other(numbers: np.ndarray) -> None:
    model = Classifier(epochs=1, network="mlp:8")
    assert list(model.fit(numbers, np.where(numbers[:, 0] > 0, 1, -1)).classes_) == [-1, 1]
    assert list(model.fit(numbers, np.arange(len(numbers)) % 3 - 1).classes_) == [0, 1]


def test_a_table_is_classified() -> None:
    frame = pandas_frame()
    y = np.where(frame["number"].fillna(0) > 1, "above", "below")
    model = Classifier(likelihood="columns", epochs=30, network="mlp:16", learning_rate=0.01, random_state=0).fit(frame, y)
    assert model.score(frame, y) > 0.8


# --- at import ---------------------------------------------------------------------------------------


def test_nothing_but_scikit_learn_is_imported_before_a_fit() -> None:
    code = "import sys, sklearn.base; its = set(sys.modules); from lowerbound.sklearn import VAE; VAE(); print(*{*sys.modules} - its)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(found) <= {
        "lowerbound",
        "lowerbound.sklearn",
        "lowerbound.interfaces",
        *(f"lowerbound.interfaces.sklearn{part}" for part in ("", ".base", ".latents", ".vae", ".imputer", ".classifier")),
    }
