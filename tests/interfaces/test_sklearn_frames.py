"""Frames through the estimators, for each type that a column can have: its index, its types and its other cells are as they were."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from lowerbound.sklearn import VAE, Imputer, TableVAE

N = 40
RANDOM = np.random.default_rng(0)
HOLES = RANDOM.random(N) < 0.2
INDEX = pd.MultiIndex.from_arrays([np.arange(N) % 7, [f"row {n}" for n in range(N)]], names=["group", "row"])


def holed(values: list[Any]) -> list[Any]:
    return [None if hole else value for hole, value in zip(HOLES, values, strict=True)]


REAL = RANDOM.normal(size=N).round(3).tolist()
NUMBERS, COUNTS, TRUTHS = holed(REAL), holed(RANDOM.integers(0, 30, N).tolist()), holed((RANDOM.random(N) < 0.5).tolist())
SORTS, CODES = (holed([kinds[n] for n in RANDOM.integers(0, 3, N)]) for kinds in (["a", "b", "c"], [1, 5, 9]))
TIMES = holed([datetime.datetime(2020, 1, 1) + datetime.timedelta(days=int(n)) for n in RANDOM.integers(0, 900, N)])
DAYS = [time and time.date() for time in TIMES]
LETTERS = ["c", "b", "a", "never"]


def of_pandas(values: list[Any], kind: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.array(values, dtype=kind), "y": REAL}, index=INDEX)


def of_polars(values: list[Any], kind: Any) -> pl.DataFrame:
    return pl.DataFrame({"x": pl.Series(values, dtype=kind), "y": REAL})


def of_arrow(values: list[Any], kind: Any) -> pa.Table:
    return pa.table({"x": pa.array(values, kind), "y": REAL})


LIBRARIES: dict[str, tuple[Callable[[list[Any], Any], Any], list[tuple[list[Any], Any]]]] = {
    "pandas": (
        of_pandas,
        [
            *((NUMBERS, kind) for kind in ("Float64", "Float32", "double[pyarrow]")),
            *(([np.nan if v is None else v for v in NUMBERS], kind) for kind in ("float64", "float32")),
            *((COUNTS, kind) for kind in ("Int64", "UInt8", "int64[pyarrow]")),
            *((TRUTHS, kind) for kind in ("boolean", "bool[pyarrow]", pd.CategoricalDtype([True, False]))),
            *((SORTS, kind) for kind in ("object", "string", "string[pyarrow]", pd.CategoricalDtype(LETTERS, ordered=True))),
            (SORTS, pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
            (CODES, pd.CategoricalDtype([9, 1, 5])),
            (TIMES, "datetime64[ns]"),
            (TIMES, "datetime64[ns, UTC]"),
        ],
    ),
    "polars": (
        of_polars,
        [
            *((NUMBERS, kind) for kind in (pl.Float64, pl.Float32)),
            *((COUNTS, kind) for kind in (pl.Int64, pl.UInt8)),
            (TRUTHS, pl.Boolean),
            *((SORTS, kind) for kind in (pl.String, pl.Categorical, pl.Enum(LETTERS))),
            (DAYS, pl.Date),
            (TIMES, pl.Datetime("ms", "UTC")),
        ],
    ),
    "arrow": (
        of_arrow,
        [
            *((NUMBERS, kind) for kind in (pa.float64(), pa.float32())),
            *((COUNTS, kind) for kind in (pa.int64(), pa.uint8())),
            (TRUTHS, pa.bool_()),
            *((SORTS, kind) for kind in (pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string()))),
            (CODES, pa.dictionary(pa.int8(), pa.int64())),
            (DAYS, pa.date32()),
            *((TIMES, kind) for kind in (pa.timestamp("ns"), pa.timestamp("us", "UTC"))),
        ],
    ),
}
FRAMES = {f"{library} {kind}": (made, values, kind) for library, (made, rows) in LIBRARIES.items() for values, kind in rows}
SMALL: dict[str, Any] = {"network": "mlp:8", "epochs": 1, "latent": 2, "samples": 4, "random_state": 0}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        yield


def types_of(frame: Any) -> Any:
    return frame.dtypes.to_dict() if isinstance(frame, pd.DataFrame) else frame.schema


def cells_of(frame: Any) -> list[Any]:
    """The cells of x, None where one is missing."""
    column = frame["x"]
    if isinstance(column, pd.Series):
        return [None if pd.isna(cell) else cell for cell in column.tolist()]
    return list(column.to_pylist() if isinstance(column, pa.ChunkedArray) else column.to_list())


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_filled_in_as_it_is(name: str) -> None:
    made, values, kind = FRAMES[name]
    frame = made(values, kind)
    before = cells_of(frame)
    filled = Imputer(**SMALL).fit_transform(frame)
    assert type(filled) is type(frame)
    assert types_of(filled) == types_of(frame)
    after = cells_of(filled)
    assert None not in after
    assert [cell for cell, hole in zip(after, HOLES, strict=True) if not hole] == [cell for cell in before if cell is not None]
    assert cells_of(frame) == before, "what was given stays"
    if isinstance(frame, pd.DataFrame):
        assert filled.index.equals(frame.index)
        assert filled.index.names == frame.index.names


@pytest.mark.parametrize("name", FRAMES)
def test_rows_that_are_made_are_a_frame_of_the_same_types(name: str) -> None:
    made, values, kind = FRAMES[name]
    frame = made(values, kind)
    model = TableVAE(**SMALL).fit(frame)
    known = next(cell for cell in cells_of(frame) if cell is not None)
    rows = {"sample": model.sample(5), "where": model.sample(5, where={"x": known}), "inverse": model.inverse_transform(np.zeros((5, 2)))}
    for found in rows.values():
        assert type(found) is type(frame)
        assert types_of(found) == types_of(frame)
        assert len(cells_of(found)) == 5
    assert set(cells_of(rows["where"])) == {known}


@pytest.mark.parametrize("name", ["pandas Float64", "polars Float64", "arrow double"])
def test_figures_of_rows_keep_their_order_and_index(name: str) -> None:
    made, values, kind = FRAMES[name]
    frame = made(values, kind)
    model = TableVAE(**SMALL).set_output(transform="pandas").fit(frame)
    latents = model.transform(frame)
    assert model.score_samples(frame).shape == (N,)
    if isinstance(frame, pd.DataFrame):
        assert latents.index.equals(INDEX)
    drop = {pd.DataFrame: "dropna", pl.DataFrame: "drop_nulls", pa.Table: "drop_null"}
    whole = getattr(frame, drop[type(frame)])()
    numbers = VAE(**SMALL).set_output(transform="pandas").fit(whole)
    assert len(numbers.transform(whole)) == N - HOLES.sum()
    if isinstance(whole, pd.DataFrame):
        assert numbers.transform(whole).index.equals(whole.index)
    assert np.isfinite(numbers.score_samples(whole)).all()
