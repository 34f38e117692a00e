"""A table's columns in a page beside torch: what an encoder is shown, the law of each column, and its cells."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from lowerbound import data
from lowerbound.data.column import MODELLED, UNSEEN
from lowerbound.data.maps import MAPS
from lowerbound.data.schema import Schema
from lowerbound.data.spec import DataSpec
from lowerbound.distributions.mixed import Mixed
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.columns import columns_words
from lowerbound.figures.explorer.networks import words_of
from lowerbound.nn.missing import TableInput
from lowerbound.recipes.build import build
from lowerbound.recipes.recipe import Recipe
from lowerbound.recipes.zoo import ZOO
from lowerbound.vae.likelihoods import Columns

ROWS, DRAWS = 300, 4000
SOFTPLUS = 1e-8  # torch's softplus(x) is x from 20 on, and leaves out e⁻²⁰ = 2·10⁻⁹
TYPES: dict[str, Any] = {
    "plain": {"kind": "number", "law": "linear"},
    "hours": {"spike": [20, 40], "law": "linear"},
    "income": {"positive": True, "law": "log"},
    "rain": {"min": 0, "spike": 0.1, "law": "log"},
    "loss": {"max": 0, "law": "log"},
    "share": {"min": 0, "max": 1, "law": "log"},
    "weight": {"min": 0.04, "law": "soft"},  # which no cell of one decimal is, the nearest is 0.1
    "grade": {"min": 0, "max": 10, "spike": 10, "law": "soft"},
    "change": {"law": "asinh"},
    "size": {"ordinal": ["S", "M", "L", "XL"]},
    "visits": "count",
    "views": "count",
    "calls": "count",
}
MODELS = {
    "heavy tails": {},
    "normal tails": {"likelihood": "columns-gaussian"},
    "missing by their own value": {"missingness": "self"},
}


def cells() -> dict[str, npt.ArrayLike]:
    """Of every kind of column, and of numbers of every map, with one and two ends and with spikes."""
    rng = np.random.default_rng(0)
    z, u = rng.normal(size=(9, ROWS)), rng.random((8, ROWS))
    day, minute = np.datetime64("2020-01-01"), np.datetime64("1969-12-30T23:00")
    return {
        "plain": z[0].round(3),
        "hours": np.where(u[0] < 0.3, 40, np.where(u[0] < 0.5, 20, (35 + 9 * z[1]).round(1))),
        "income": np.exp(9 + z[2]).round(2),
        "rain": [f"{amount:.2e}" for amount in np.where(u[1] < 0.4, 0.1, 0.1 + np.exp(z[3]))],
        "loss": -np.exp(2 * z[4]).round(4),
        "share": (1 / (1 + np.exp(-2 * z[5]))).round(3),
        "weight": np.abs(70 + 30 * z[6]).round(1),
        "grade": np.where(u[2] < 0.2, 10, (9.9 * u[3]).round(1)),
        "change": np.sinh(2.5 * z[7]).round(5),
        "size": np.array(["S", "M", "L", "XL"])[np.digitize(u[4], [0.2, 0.7, 0.95])],
        "visits": rng.poisson(np.exp(1 + z[8])),
        "views": rng.poisson(np.exp(9 + 2 * z[8])),
        "calls": np.where(u[7] < 0.5, 0, rng.poisson(9, ROWS)),
        "since": np.where(u[3] < 0.2, np.datetime64("1970-01-01"), day + (900 * u[1]).astype(int)),
        "day": day + (400 * z[8]).astype(int),
        "hour": [str(moment).replace("T", " ") for moment in minute + (5_000_000 * z[1]).astype(int)],
        "ok": np.where(u[5] < 0.4, "no", "yes"),
        "city": np.array(["Oslo", "Rome", "Lima"])[np.digitize(u[6], [0.5, 0.8])],
        "unit": ["cm"] * ROWS,
    }


Table = tuple[Schema, Tensor, Any]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The table's schema, its values, and what a model is built for."""
    path = tmp_path_factory.mktemp("table") / "all.csv"
    columns, there = cells(), np.random.default_rng(1).random((ROWS, 19)) < 0.85
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        rows = zip(*(map(str, column) for column in columns.values()), strict=True)  # type: ignore[arg-type]
        writer.writerows([[cell if seen else "" for cell, seen in zip(*row, strict=True)] for row in zip(rows, there, strict=True)])
    splits = data.load(path, types=TYPES)
    assert splits.schema is not None
    assert splits.whole is not None
    return splits.schema, torch.as_tensor(splits.whole.array), DataSpec.of(splits.train, splits.test, splits.schema)


def model(table: Table, name: str) -> Any:
    words = {**ZOO["miwae"].words, "network": "mlp:12", "latent": 3, **MODELS[name]}
    return build(Recipe(**words), table[2]).vae.eval()


def law_of(likelihood: Columns, output: Tensor) -> Mixed:
    """In double precision, in which torch and the page differ by nothing but their formulas."""
    law: Any = likelihood.of_rows().double().law(output, 1)
    return law.base_dist


def numbers(values: Tensor) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values.flatten().tolist()]


def outputs(likelihood: Columns, rows: int, size: float = 1.0) -> Tensor:
    return size * torch.randn(rows, sum(likelihood.widths), generator=torch.Generator().manual_seed(3), dtype=torch.double)


def test_every_kind_is_in_the_table(table: Table) -> None:
    columns = table[0].modelled
    assert {column.kind for column in columns} == set(MODELLED)
    assert {column.marginal.law for column in columns if column.marginal is not None} == set(MAPS)
    assert len(table[0].columns) == len(columns) + 1
    assert table[1].isnan().any(0).all()


# --- what an encoder is shown ------------------------------------------------------------------------

SHOWN = """
const [words, table, packed, shape, values] = given;
const x = tensor(shape, Float32Array.from(values, (value) => value ?? NaN));
const made = forward(words, x, arraysOf(table, await inflated(packed)));
return [made.shape, Array.from(made.data)];
"""


def test_an_encoder_is_shown_what_it_is_in_torch(table: Table, javascript: Callable[..., Any]) -> None:
    """The layer alone, and a whole encoder."""
    x = table[1].clone()
    x[0, [column.kind in ("category", "ordinal") for column in table[0].modelled]] = UNSEEN
    for network in (TableInput(nn.Identity(), table[0].modelled), model(table, "heavy tails").posterior.network):
        arrays = Arrays(exact=True)
        words = words_of(network, arrays)
        shape, found = javascript("columns", SHOWN, words, arrays.table, arrays.packed(), list(x.shape), numbers(x))
        with torch.no_grad():
            wanted = network.double()(x.double()).numpy()
        np.testing.assert_allclose(np.array(found).reshape(shape), wanted, atol=1e-5, rtol=1e-5)


# --- laws --------------------------------------------------------------------------------------------

LAWS = """
const [words, output, values] = given, D = words.columns.length;
return values.map((row, n) => {
  const laws = columnLaws(words, { data: output }, n);
  return laws.map((law, place) => [law.mean, law.sd ?? null, law.logp(row[place] ?? NaN), law.probabilities ?? null]);
});
"""


@pytest.mark.parametrize("size", [pytest.param(1.0, marks=pytest.mark.long), 6.0], ids=["usual outputs", "large outputs"])
@pytest.mark.parametrize("name", MODELS)
def test_a_law_is_that_of_torch(name: str, size: float, table: Table, javascript: Callable[..., Any]) -> None:
    """Mean, standard deviation or probabilities, and log p: of all cells, holes, classes never seen, numbers beyond an end."""
    schema, x, _ = table
    likelihood = model(table, name).likelihood
    likelihood.meet([x])
    words = columns_words(likelihood, schema)
    assert words["missingness"] == (name == "missing by their own value") == (words["start"] is not None)
    x = x.clone()
    x[0, likelihood.categories] = UNSEEN
    x[1:3, [column.kind == "number" for column in schema.modelled]] = torch.tensor([[-50.0], [50.0]])
    output = outputs(likelihood, len(x), size)
    law = law_of(likelihood, output)
    log_p = law.log_prob(x.double().nan_to_num())
    found = javascript("columns", LAWS, words, output.flatten().tolist(), [numbers(row) for row in x])
    for place, column in enumerate(schema.modelled):
        some = [row[place] for row in found]
        there = ~x[:, place].isnan().numpy()
        means, logs = np.array([each[0] for each in some]), np.array([each[2] for each in some])
        np.testing.assert_allclose(means, law.mean[:, place], atol=1e-5, rtol=1e-5, err_msg=column.name)
        np.testing.assert_allclose(logs[there], log_p[there, place], atol=1e-5, rtol=1e-5, err_msg=column.name)
        assert np.isnan(logs[~there]).all()
        if column.classes or column.kind == "boolean":
            chances = law.classes[place] if column.classes else torch.stack([1 - law.mean[:, place], law.mean[:, place]], 1)
            np.testing.assert_allclose([each[3] for each in some], chances, atol=1e-9)
        else:
            sds = [each[1] for each in some]
            np.testing.assert_allclose(sds, law.variance[:, place].sqrt(), rtol=1e-5, atol=SOFTPLUS, err_msg=column.name)


def test_an_array_with_holes_is_of_numbers(javascript: Callable[..., Any]) -> None:
    x = torch.tensor([[0.5, torch.nan, -2.0]])
    likelihood: Any = build(Recipe(likelihood="columns", network="mlp:4"), DataSpec((3,), -2.0, holes=True)).vae.likelihood
    output = outputs(likelihood, 1)
    found = javascript("columns", LAWS, columns_words(likelihood, None), output.flatten().tolist(), [numbers(x)])
    wanted = law_of(likelihood, output).log_prob(x.double())[0]
    np.testing.assert_allclose([each[2] for each in found[0]], wanted, atol=1e-9)


DRAW = """
const [words, output, draws] = given, random = { uniform: uniforms(7), normal: normals(8) };
return columnLaws(words, { data: output }).map((law) => Array.from({ length: draws }, () => law.draw(random)));
"""


@pytest.mark.parametrize("name", MODELS)
def test_draws_are_of_the_law(name: str, table: Table, javascript: Callable[..., Any]) -> None:
    """Their mean is its mean; and their mean log p, which is of classes too, that of torch's draws."""
    schema, _, _ = table
    likelihood = model(table, name).likelihood
    output = 0.5 * outputs(likelihood, 1)
    law = law_of(likelihood, output)
    found = javascript("columns", DRAW, columns_words(likelihood, schema), output.flatten().tolist(), DRAWS)
    draws = torch.tensor(found, dtype=torch.double).T
    torch.manual_seed(4)
    many = law.log_prob(law.sample(torch.Size([10 * DRAWS])))[:, 0]
    log_p = law.log_prob(draws[:, None])[:, 0]
    off = (log_p.mean(0) - many.mean(0)).abs() / (many.var(0) * (1 + 0.1) / DRAWS).sqrt()
    assert float(off.max()) < 5, dict(zip([column.name for column in schema.modelled], off.tolist(), strict=True))
    of_numbers = [place for place, column in enumerate(schema.modelled) if not column.classes]
    off = (draws.mean(0) - law.mean[0]).abs() / (law.variance[0] / DRAWS).sqrt()
    assert float(off[of_numbers].max()) < 5


# --- cells -------------------------------------------------------------------------------------------

TEXTS = """
const [words, values] = given;
return values.map((row) => row.map((value, place) => cellText(words.columns[place], value ?? NaN)));
"""


def test_cells_are_written_as_a_column_writes_them(table: Table, javascript: Callable[..., Any]) -> None:
    """Those of a model keep their bounds and decimals."""
    schema, _, _ = table
    likelihood = model(table, "heavy tails").likelihood
    words = columns_words(likelihood, schema)
    torch.manual_seed(5)
    drawn = law_of(likelihood, outputs(likelihood, 200, 2.0)).sample().float()
    written = schema.texts(drawn.numpy())
    wanted = [list(row) for row in zip(*(written[column.name] for column in schema.modelled), strict=True)]
    texts = javascript("cells", TEXTS, words, [numbers(row) for row in drawn])
    exponents = [column.kind == "number" and column.decimals is None for column in schema.modelled]
    assert exponents.count(True) == 1
    for exponent, found, said in zip(exponents, zip(*texts, strict=True), zip(*wanted, strict=True), strict=True):
        assert [*map(float, found)] == [*map(float, said)] if exponent else found == said  # 1e-07 and 1e-7 are the same number


def test_a_slider_goes_from_the_least_to_the_greatest(table: Table, javascript: Callable[..., Any]) -> None:
    """Those of the data where they are known; else ends within the bounds that nearly all values are between."""
    schema, x, _ = table
    likelihood, values = model(table, "heavy tails").likelihood, x.numpy()
    body = "return given[0].columns.map((column) => Object.values(rangeOf(column)));"
    known = np.array(javascript("cells", body, columns_words(likelihood, schema, values)))
    np.testing.assert_array_equal(known[:, :2].T, [np.nanmin(values, 0), np.nanmax(values, 0)])
    usual = np.array(javascript("cells", body, columns_words(likelihood, schema)))
    inside = (values >= usual[:, 0] - 1e-6) & (values <= usual[:, 1] + 1e-6)
    assert (inside.sum(0) >= 0.97 * (~np.isnan(values)).sum(0)).all()
    for place, column in enumerate(schema.modelled):
        for value in usual[place, :2]:
            number = column.loc + column.scale * value
            assert column.marginal is None or column.marginal.bounded(number) == pytest.approx(number, rel=1e-12, abs=1e-12)
    assert (known[:, 2] > 0).all()
    assert (known[:, 2] <= known[:, 1] - known[:, 0]).all()
