"""Which law a column has: what its values say, what is specified, what is refused; and cells that keep their bounds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lowerbound import data
from lowerbound.data.column import Column
from lowerbound.data.marginals import Marginal
from lowerbound.data.schema import Schema
from lowerbound.errors import DataError

N = 400
RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=N)
SOME = RNG.random(N)
COLUMNS = {
    "normal": [f"{value:.3f}" for value in NORMAL],
    "shifted": [f"{50 + 3 * value:.2f}" for value in NORMAL[::-1]],
    "log-normal": [f"{value:.4g}" for value in np.exp(1.5 * NORMAL)],
    "inflated": [f"{value:.2f}" if one > 0.9 else "0" for value, one in zip(np.exp(9 + NORMAL), SOME, strict=True)],
    "with zeros": [f"{value:.1f}" for value in SOME * 20],
    "below": [f"{-value:.5f}" if one > 0.5 else "0" for value, one in zip(np.exp(NORMAL), SOME, strict=True)],
    "hours": [f"{value}" if one > 0.4 else "40" for value, one in zip(RNG.integers(-90, 90, N), SOME, strict=True)],
    "heavy": [f"{value:.5f}" for value in np.sinh(2.5 * NORMAL)],
    "few values": [f"{value}" for value in RNG.integers(3, 9, N)],
}
#: map, bounds and spikes
FOUND = {
    "normal": None,
    "shifted": ("soft", 0.0, None, ()),
    "log-normal": ("log", 0.0, None, ()),
    "inflated": ("log", 0.0, None, (0.0,)),
    "with zeros": ("soft", 0.0, None, ()),
    "below": ("log-below", None, 0.0, (0.0,)),
    "hours": ("linear", None, None, (40.0,)),
    "heavy": ("asinh", None, None, ()),
    "few values": ("soft", 0.0, None, ()),
}


def written(folder: Path, columns: dict[str, list[str]]) -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join([",".join(columns), *map(",".join, zip(*columns.values(), strict=True))]) + "\n", encoding="utf-8")
    return path


def types(folder: Path, text: str) -> Path:
    path = folder / "types.toml"
    path.write_text(text, encoding="utf-8")
    return path


def summary(column: Column) -> tuple[object, ...] | None:
    law = column.marginal
    return None if law is None else (law.law, law.least, law.greatest, law.spikes)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    found = data.load(written(tmp_path_factory.mktemp("laws"), COLUMNS)).schema
    assert found is not None
    return found


def test_values_say_which_law_they_have(schema: Schema) -> None:
    assert {column.name: summary(column) for column in schema.columns} == FOUND


def test_a_schema_comes_back_and_one_without_laws_is_read(schema: Schema) -> None:
    words = json.loads(json.dumps(schema.words()))
    assert Schema.read(words) == schema
    for column in words["columns"]:
        del column["marginal"]
    assert all(column.marginal is None for column in Schema.read(words).columns)


def test_values_go_to_the_model_and_back(schema: Schema) -> None:
    values, _ = schema.values(COLUMNS)
    back = schema.texts(values)
    for name, cells in COLUMNS.items():
        np.testing.assert_allclose([float(cell) for cell in back[name]], [float(cell) for cell in cells], rtol=2e-5, atol=2e-3)
        assert [cell == "0.00" for cell in back["inflated"]] == [cell == "0" for cell in COLUMNS["inflated"]]


def test_cells_keep_their_bounds(schema: Schema) -> None:
    wild = np.linspace(-1e3, 1e3, 20)[:, None].repeat(len(schema.modelled), 1)
    cells = schema.texts(wild)
    for name, found in FOUND.items():
        numbers = [float(cell) for cell in cells[name]]
        assert found is None or (min(numbers) >= (found[1] if found[1] is not None else -np.inf))
        assert found is None or (max(numbers) <= (found[2] if found[2] is not None else np.inf))


#: bounds, decimals, values in the column's unit, and how they are written: rounding puts none beyond a bound
ROUNDED = [
    ((0.5, 8.6), 0, [-9.0, 0.5, 0.7, 1.6, 8.55, 8.6, 99.0], ["1", "1", "1", "2", "8", "8", "8"]),
    ((0.07, 0.57), 2, [0.0, 0.07, 0.074, 0.566, 0.57, 1.0], ["0.07", "0.07", "0.07", "0.57", "0.57", "0.57"]),
    ((-0.26, None), 1, [-1.0, -0.04, 1e6], ["-0.2", "0.0", "1000000.0"]),
    ((0.12345678912, None), None, [0.0, 2.0], ["0.12345678912", "2"]),
]


@pytest.mark.parametrize(("bounds", "places", "values", "written"), ROUNDED)
def test_a_rounded_cell_keeps_its_bounds(
    bounds: tuple[float, float | None], places: int | None, values: list[float], written: list[str]
) -> None:
    column = Column("x", "number", decimals=places, marginal=Marginal("soft", *bounds, low=bounds[0], high=bounds[1]))
    assert [column.text(value) for value in values] == written


def test_a_cell_at_a_spike_is_it_to_the_last_decimal() -> None:
    column = Column("x", "number", loc=4431.7, scale=21713.3, decimals=7, marginal=Marginal(spikes=(40000.0,)))
    values, _ = column.numbers(["40000", "40000.5"])
    at, near = (column.text(float(value)) for value in values.astype(np.float32))
    assert at == "40000.0000000"
    assert near != at
    assert float(near) == pytest.approx(40000.5, abs=0.01)


SPECIFIED = [
    ("shifted = {min = 30, max = 70}", "shifted", ("soft", 30.0, 70.0, ())),
    ('shifted = {law = "linear"}', "shifted", None),
    ('shifted = {law = "log", min = 0}', "shifted", ("log", 0.0, None, ())),
    ("shifted = {log = true, max = 100}", "shifted", ("logit", 0.0, 100.0, ())),
    ('normal = {law = "log", max = 10}', "normal", ("log-below", None, 10.0, ())),
    ("normal = {max = 10}", "normal", ("soft", None, 10.0, ())),
    ("log-normal = {positive = true}", "log-normal", ("log", 0.0, None, ())),
    ("inflated = {spike = []}", "inflated", ("soft", 0.0, None, ())),
    ('"with zeros" = {spike = [0.1, 20]}', "with zeros", ("soft", 0.1, 20.0, (0.1, 20.0))),
    ('hours = {law = "asinh", spike = 40}', "hours", ("asinh", None, None, (40.0,))),
]


@pytest.mark.parametrize(("text", "name", "found"), SPECIFIED, ids=[row[0] for row in SPECIFIED])
def test_what_is_specified_is_done(text: str, name: str, found: tuple[object, ...] | None, tmp_path: Path) -> None:
    schema = data.load(written(tmp_path, COLUMNS), types=types(tmp_path, text)).schema
    assert schema is not None
    assert summary(next(column for column in schema.columns if column.name == name)) == found


REFUSED = [
    ("normal = {min = 0}", "which min or positive excludes"),
    ("inflated = {positive = true, spike = []}", "has the value 0, which min or positive excludes"),
    ("inflated = {positive = true}", "has the value 0, which min or positive excludes"),
    ("below = {spike = 0, max = -0.001}", "has the value 0, above its max, -0.001"),
    ("hours = {spike = [40, 100], max = 95}", "column 'hours' has no cell that is 100, which is specified as a spike; leave it out"),
    (
        "codes = {spike = [1, 2], min = 1, max = 2}",
        r'spikes leave no other value; write codes = "category", or codes = {ordinal = \[1, 2\]}',
    ),
    ("codes = {spike = 2}", r'spikes leave one other value; write codes = "category", or codes = {ordinal = \[1, 2\]}'),
    ("shifted = {max = 50}", "above its max, 50"),
    ('normal = {law = "log"}', 'has no bound, which law = "log" needs'),
    ('shifted = {law = "linear", min = 0}', 'has bounds, which law = "linear" has not'),
    ('shifted = {law = "cubic"}', "cannot have the law 'cubic'"),
    ('shifted = {kind = "category", min = 0}', "are of numbers"),
    ('shifted = {min = "0"}', "needs a number"),
    ("shifted = {positive = 1}", "needs true or false"),
    ('shifted = {log = true, law = "log"}', "leave out one of them"),
]


@pytest.mark.parametrize("last", ["3.5", "2.5"], ids=["training rows are all equal", "all rows are"])
def test_bounds_that_are_specified_are_kept_where_values_are_equal(last: str, tmp_path: Path) -> None:
    path = written(tmp_path, {"x": ["2.5"] * 98 + ["2.50", last], "y": COLUMNS["normal"][:100]})
    schema = data.load(path, types=types(tmp_path, "x = {min = 1, max = 4}")).schema
    assert schema is not None
    assert [schema.columns[0].text(value) for value in (-1e6, 0.0, 1e6)][::2] == ["1.00", "4.00"]
    assert Schema.read(json.loads(json.dumps(schema.words()))) == schema


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_cannot_be_is_refused(text: str, message: str, tmp_path: Path) -> None:
    codes = {"codes": [f"{1 + row % 2}" for row in range(N)]}
    with pytest.raises(DataError, match=message):
        data.load(written(tmp_path, COLUMNS | codes), types=types(tmp_path, text))


def test_a_table_beyond_the_bounds_is_refused_by_its_row(schema: Schema) -> None:
    cells = {name: column[:3] for name, column in COLUMNS.items()}
    with pytest.raises(DataError, match="column 'log-normal', row 2: -1 is not from 0, as all values were"):
        schema.values({**cells, "log-normal": ["1", "-1", "2"]})
    values, _ = schema.values({**cells, "log-normal": ["1", "0", "2"]})
    assert torch.from_numpy(values).isfinite().all()


def test_a_small_table_has_plain_laws(tmp_path: Path) -> None:
    few = {name: cells[:25] for name, cells in COLUMNS.items() if name in ("normal", "log-normal")}
    schema = data.load(written(tmp_path, few)).schema
    assert schema is not None
    assert [column.marginal for column in schema.columns] == [None, None]
    specified = data.load(written(tmp_path, few), types=types(tmp_path, "log-normal = {log = true, min = 0}")).schema
    assert specified is not None
    assert isinstance(specified.columns[1].marginal, Marginal)
