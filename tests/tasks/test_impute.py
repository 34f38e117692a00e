"""Imputation: exact where the conditional law is known, observed cells untouched to the byte, the types of a table kept."""

from __future__ import annotations

import copy
import csv
import datetime
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch
from torch import nn
from torch.distributions import MultivariateNormal
from toys import LinearGaussian, z_score

import lowerbound as lb
from lowerbound.data import dates, tables, writing
from lowerbound.data.csv_files import Csv
from lowerbound.data.spec import DataSpec
from lowerbound.errors import DataError, UsageError
from lowerbound.interfaces.cli import main
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment
from lowerbound.tasks import conditional_rows
from lowerbound.tasks.impute import impute
from tasks.test_complete import conditional

# --- on a linear-Gaussian VAE ------------------------------------------------------------------------

TOY = LinearGaussian(2, 5, 0.7, orthogonal=True)
HOLES = torch.tensor([[0, 1, 0, 1, 0], [1, 1, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]).bool()


class Holed(nn.Module):
    """The exact encoder of whole data, with zeros in the holes: a proposal that is off."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = TOY.exact_encoder()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(x.nan_to_num(0.0)) + torch.tensor([0.0, 0.0, 1.5, 1.5])


def toy() -> tuple[lb.VAE, torch.Tensor, torch.Tensor]:
    vae = TOY.vae(Holed())
    vae.likelihood.holes = True
    torch.manual_seed(3)
    whole = TOY.evidence.sample(torch.Size([len(HOLES)]))
    return vae, whole, whole.where(~HOLES, torch.nan)


def test_it_agrees_with_the_exact_conditional() -> None:
    vae, whole, x = toy()
    found = impute(vae, x, 2000, samples=60_000)
    for row in range(3):
        hole, law = HOLES[row], TOY.evidence
        truth = MultivariateNormal(law.loc, law.covariance_matrix) if hole.all() else conditional(law, whole[row], ~hole)
        draws = found.draws[:, row, hole]
        centred = draws - truth.loc
        assert z_score(draws, truth.loc) < 4
        assert z_score(centred[:, :, None] * centred[:, None], truth.covariance_matrix) < 4
        error = 5 * truth.stddev / float(found.ess[row]) ** 0.5
        assert ((found.mean[row, hole] - truth.loc).abs() < error).all()
        torch.testing.assert_close(found.error[row, hole], truth.stddev, rtol=0.04, atol=0)
    seen = ~HOLES
    assert torch.equal(found.mean[seen], whole[seen])
    assert all(torch.equal(draw[seen], whole[seen]) for draw in found.draws)
    assert not found.error[seen].any()
    assert found.ess[:3].min() > 1000
    assert found.ess[3].isnan()


def test_neither_memory_nor_the_number_of_draws_changes_a_mean() -> None:
    vae, _, x = toy()
    one, other = impute(vae, x, samples=500), impute(vae, x, 3, samples=500, memory=2_000_000)
    torch.testing.assert_close(one.mean, other.mean)
    assert torch.equal(impute(vae, x, 3, samples=500).draws, other.draws)
    assert not torch.equal(impute(vae, x, samples=500, seed=1).mean, one.mean)


def test_several_models_are_a_mixture_of_what_each_says() -> None:
    """Means average, variances are those within models and between them, draws come from all in turn."""
    vae, whole, x = toy()
    other = copy.deepcopy(vae)
    with torch.no_grad():
        last = [layer for layer in other.likelihood.network.modules() if isinstance(layer, nn.Linear)][-1]
        last.bias += 2.0
    one, two = (impute(model, x, 1000, samples=20_000) for model in (vae, other))
    both = impute([vae, other], x, 2000, samples=20_000)
    assert torch.equal(one.draws, both.draws[::2])
    torch.testing.assert_close(both.mean, (one.mean + two.mean) / 2, rtol=0, atol=0.05)
    within, between = (one.error.square() + two.error.square()) / 2, (one.mean - two.mean).square() / 4
    torch.testing.assert_close(both.error, (within + between).sqrt(), rtol=0.03, atol=1e-3)
    assert between[HOLES].max() > 0.1
    rows = HOLES.any(1)
    torch.testing.assert_close(both.draws.mean(0)[rows], both.mean[rows], rtol=0, atol=0.15)
    assert torch.equal(both.mean[~HOLES], whole[~HOLES])
    with pytest.raises(UsageError, match="one or more"):
        impute([], x)
    with pytest.raises(UsageError, match="other columns"):
        impute([vae, lb.build(lb.Recipe(likelihood="columns", latent=2), DataSpec((5,), holes=True)).vae], x)


def test_what_cannot_be_is_refused() -> None:
    vae, _, x = toy()
    with pytest.raises(DataError, match="no latent explains some of the examples"):  # their squares are infinite
        impute(vae, x.masked_fill(~x.isnan(), 1e30), samples=20)
    with pytest.raises(UsageError, match="9 draws need as many samples"):
        impute(vae, x, 9, samples=8)
    with pytest.raises(DataError, match="trained on whole data"):
        impute(TOY.vae(TOY.exact_encoder()), x)


# --- tables ------------------------------------------------------------------------------------------


def mixed(rows: int, seed: int = 0) -> dict[str, list[str]]:
    """Columns that tell something of one another, some cells of which hold nothing, in several spellings."""
    rng, some = np.random.default_rng(seed), random.Random(seed)
    z = rng.normal(size=rows)
    day = np.datetime64("2020-01-01") + (40 * z + 10 * rng.normal(size=rows)).astype(int)
    columns = {
        "id": [f"p{number}" for number in range(rows)],
        "x": [f"{value:.2f}" for value in z + 0.3 * rng.normal(size=rows)],
        "city": [("Oslo, N", "Rome", 'the "city"')[int(place)] for place in (z > 0.6) * 1 + (z > -0.6) * 1],
        "ok": ["yes" if value > 0 else "no" for value in z + 0.5 * rng.normal(size=rows)],
        "visits": [str(value) for value in rng.poisson(np.exp(1 + z))],
        "day": [str(value) for value in day],
        "unit": ["cm"] * rows,
    }
    for name in ("x", "city", "ok", "visits", "day", "unit"):
        columns[name] = [some.choice(["", "NA", "null"]) if some.random() < 0.2 else cell for cell in columns[name]]
    return columns


def as_csv(path: Path, columns: dict[str, list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.fixture(scope="module")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    folder = tmp_path_factory.mktemp("tables")
    path = as_csv(folder / "t.csv", mixed(300))
    recipe = Recipe(
        data=str(path), likelihood="columns", objective="iwae:5", latent=2, network="mlp:32", epochs=60, batch=64, learning_rate=5e-3
    )
    experiment = Experiment.begin(recipe, folder / "run", device="cpu")
    for _ in experiment.train():
        pass
    experiment.finish()
    return runs.load(folder / "run", device="cpu")


def cells(path: Path) -> dict[str, list[str | None]]:
    return dict(tables.read(path).cells)


@pytest.mark.long
def test_a_round_trip_of_10_000_rows_keeps_every_observed_cell(table_run: runs.Run, tmp_path: Path) -> None:
    path = as_csv(tmp_path / "t.csv", mixed(10_000, seed=1))
    words = ["impute", str(table_run.folder), str(path), "-o", str(tmp_path / "f.csv"), "--samples", "20", "--draws", "1"]
    assert main(words) == 0
    given = tables.read(path)
    for name in ("f.csv", "f-1.csv"):
        filled = tables.read(tmp_path / name)
        assert isinstance(given, Csv)
        assert isinstance(filled, Csv)
        assert (filled.head, filled.ends) == (given.head, given.ends)
        for row, (before, after) in enumerate(zip(given.raw, filled.raw, strict=True)):
            for old, new in zip(before, after, strict=True):
                assert (new == old) if old not in ("", "NA", "null") else new not in ("", "NA", "null"), row
    lines = ((tmp_path / name).read_bytes().split(b"\r\n") for name in ("t.csv", "f.csv"))
    for old, new in zip(*lines, strict=True):
        assert old == new or any(spelled in old.split(b",") for spelled in (b"", b"NA", b"null"))
    schema = table_run.spec.schema
    assert schema is not None
    schema.values(cells(tmp_path / "f-1.csv"))  # all cells are of their kinds
    assert set(cells(tmp_path / "f.csv")["unit"]) == {"cm"}


def test_a_fill_tells_what_the_other_cells_tell(table_run: runs.Run, tmp_path: Path) -> None:
    """On rows whose cells are known, half of them hidden: nearer than each column's mean, and not beyond their errors."""
    whole = mixed(300, seed=2)
    rng = np.random.default_rng(0)
    schema = table_run.spec.schema
    assert schema is not None
    truth, _ = schema.values(
        {name: [cell if cell not in ("", "NA", "null") else None for cell in column] for name, column in whole.items()}
    )
    hidden = (rng.random(truth.shape) < 0.4) & ~np.isnan(truth)
    found = impute(table_run.vae, torch.from_numpy(np.where(hidden, np.nan, truth)), samples=300)
    for place, column in enumerate(schema.modelled):
        hole = hidden[:, place]
        guess, value, error = found.mean[hole, place].numpy(), truth[hole, place], found.error[hole, place].numpy()
        if column.kind == "category":
            assert (guess == value).mean() > np.bincount(value.astype(int)).max() / len(value) + 0.1
            assert abs(error.mean() - (guess != value).mean()) < 0.12
        elif column.kind == "boolean":  # on the same scale
            assert ((guess - value) ** 2).mean() < 0.8 * value.var()
            assert abs(error.mean() - (guess.round() != value).mean()) < 0.12
            np.testing.assert_allclose(error, np.minimum(guess, 1 - guess), atol=1e-6)
        else:
            assert ((guess - value) ** 2).mean() < 0.8 * value.var(), column.name
            assert 0.5 < np.sqrt((((guess - value) / error) ** 2).mean()) < 1.6, column.name


def test_parquet_comes_back_in_its_types(table_run: runs.Run, tmp_path: Path) -> None:
    columns = mixed(40, seed=3)
    path = as_csv(tmp_path / "t.csv", columns)
    assert main(["impute", str(table_run.folder), str(path), "-o", str(tmp_path / "f.parquet"), "--samples", "20"]) == 0
    found = pyarrow.parquet.read_table(tmp_path / "f.parquet")
    assert list(found.column_names) == list(columns)
    assert [str(kind) for kind in found.schema.types] == ["string", "double", "string", "bool", "int64", "date32[day]", "string"]
    emptied = found.set_column(1, "x", pyarrow.array([None, *found["x"].to_pylist()[1:]], pyarrow.float64()))
    pyarrow.parquet.write_table(emptied, tmp_path / "e.parquet")
    assert main(["impute", str(table_run.folder), str(tmp_path / "e.parquet"), "-o", str(tmp_path / "g.parquet"), "--samples", "20"]) == 0
    back = pyarrow.parquet.read_table(tmp_path / "g.parquet")
    assert back.schema == emptied.schema
    assert back.slice(1).equals(emptied.slice(1))
    assert back["x"][0].as_py() is not None
    errors = pyarrow.parquet.read_table(tmp_path / "g-errors.parquet").to_pydict()
    assert errors["x"][0] > 0
    assert [value for column in errors.values() for value in column if value is not None] == errors["x"][:1]


def test_parquet_becomes_csv_with_all_that_it_holds_or_not_at_all(
    table_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["impute", str(table_run.folder), str(as_csv(tmp_path / "t.csv", mixed(3))), "-o", str(tmp_path / "f.parquet")]) == 0
    given = pyarrow.parquet.read_table(tmp_path / "f.parquet")
    moments = pyarrow.array([0, 1_500_000, None], pyarrow.timestamp("us", "Europe/Oslo"))
    words = ["impute", str(table_run.folder), str(tmp_path / "g.parquet"), "-o", str(tmp_path / "g.csv"), "--samples", "20"]
    for column, expected in (
        (pyarrow.array([datetime.time(10, 9), None, datetime.time(0, 0, 1)], pyarrow.time32("s")), ["10:09:00.000", None, "00:00:01.000"]),
        (moments, ["1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:01.500000Z", None]),
        (pyarrow.array([None, None, None], pyarrow.list_(pyarrow.int8())), [None, None, None]),
        (pyarrow.array([None, [1], None]), "row 2: a cell of type list<element: int64> cannot be written"),
        (pyarrow.array([b"", None, b"ab"]), "row 1: a cell of type binary cannot be written"),
        (pyarrow.array(["a", "NA", " "]), "row 2: a cell 'NA' cannot be written"),
        (pyarrow.array(["a", None, " "]).dictionary_encode(), "row 3: a cell ' ' cannot be written"),
    ):
        (tmp_path / "g.csv").unlink(missing_ok=True)
        pyarrow.parquet.write_table(given.append_column("new", column), tmp_path / "g.parquet")
        assert main(words) == (2 if isinstance(expected, str) else 0)
        printed = capsys.readouterr().err
        if isinstance(expected, str):
            assert f"column 'new', {expected} in a CSV; write a .parquet" in printed
            assert not (tmp_path / "g.csv").exists()
        else:
            assert cells(tmp_path / "g.csv")["new"] == expected


def test_the_suffix_decides_what_separates(table_run: runs.Run, tmp_path: Path) -> None:
    given = as_csv(tmp_path / "t.csv", mixed(30, seed=8))
    for name, delimiter, crossed in (("f.tsv", "\t", given), ("g.csv", ",", tmp_path / "f.tsv")):
        assert main(["impute", str(table_run.folder), str(crossed), "-o", str(tmp_path / name), "--samples", "20"]) == 0
        filled, before = tables.read(tmp_path / name), cells(given)
        assert isinstance(filled, Csv)
        assert filled.delimiter == delimiter
        assert all(old in (None, new) for name in before for old, new in zip(before[name], filled.cells[name], strict=True))


def test_no_file_is_written_where_one_cannot_be_made(table_run: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(columns: object) -> bytes:
        raise DataError("no errors today")

    monkeypatch.setattr(writing, "WRITERS", {".csv": refused})
    path = as_csv(tmp_path / "t.csv", mixed(5))
    assert main(["impute", str(table_run.folder), str(path), "-o", str(tmp_path / "f.csv"), "--draws", "2"]) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_the_spelling_is_of_the_table_that_is_filled_in(table_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = mixed(40, seed=9)
    columns["day"] = [cell + "T00:00Z" if "-" in cell else cell for cell in columns["day"]]
    columns["unit"] = ["", "mm", *["cm"] * 38]
    columns["ok"] = [{"yes": "TRUE", "no": "False"}.get(cell, cell) for cell in columns["ok"]]
    path = as_csv(tmp_path / "t.csv", columns)
    assert main(["impute", str(table_run.folder), str(path), "-o", str(tmp_path / "f.csv"), "--samples", "20"]) == 0
    assert set(cells(tmp_path / "f.csv")["ok"]) == {"TRUE", "False"}
    assert all(str(day).endswith("Z") and dates.date_format([str(day)]) for day in cells(tmp_path / "f.csv")["day"])
    assert cells(tmp_path / "f.csv")["unit"] == [None, *columns["unit"][1:]]
    printed = capsys.readouterr().err
    assert "column 'unit' was always 'cm' in training and is not here; its empty cells stay empty" in printed
    assert "1 cells stay missing" in printed
    assert set(cells(tmp_path / "f-errors.csv")["unit"]) == {None}


def test_a_table_of_another_schema(table_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = mixed(30, seed=4)
    other = {"new": ["1"] * 30, **dict(reversed(columns.items()))} | {"city": ["Paris", "", *columns["city"][2:]]}
    assert (
        main(["impute", str(table_run.folder), str(as_csv(tmp_path / "t.csv", other)), "-o", str(tmp_path / "f.csv"), "--samples", "20"])
        == 0
    )
    printed = capsys.readouterr().err
    assert "no such column: 'new'" in printed
    assert "column 'city': 1 cells have a category that training has not seen, and count as its least likely one" in printed
    filled = cells(tmp_path / "f.csv")
    assert list(filled) == list(other)
    assert filled["city"][0] == "Paris", "what is there stays"
    assert filled["city"][1] in ("Oslo, N", "Rome", 'the "city"')
    for broken, message in (
        ({name: column for name, column in columns.items() if name != "x"}, "no column 'x'"),
        ({**columns, "visits": ["-1"] * 30}, "'-1' is not a whole number"),
    ):
        path = as_csv(tmp_path / "b.csv", broken)
        assert main(["impute", str(table_run.folder), str(path), "-o", str(tmp_path / "f.csv")]) == 2
        assert message in capsys.readouterr().err


def test_the_other_verbs_take_tables(table_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(table_run.folder)
    assert main(["sample", run, "--n", "50", "-o", str(tmp_path / "s.csv")]) == 0
    assert main(["sample", run, "--n", "50", "-o", str(tmp_path / "s.parquet")]) == 0
    drawn = cells(tmp_path / "s.csv")
    schema = table_run.spec.schema
    assert schema is not None
    values, notes = schema.values(drawn)
    assert not np.isnan(values).any()
    assert not notes
    assert set(drawn["unit"]) == {"cm"}
    assert set(drawn["id"]) == {None}
    assert len(set(drawn["x"])) > 25, "draws and no means"
    assert pyarrow.parquet.read_table(tmp_path / "s.parquet")["visits"].to_pylist() == [int(str(text)) for text in drawn["visits"]]
    path = as_csv(tmp_path / "t.csv", mixed(20, seed=5))
    assert main(["score", run, str(path), "--samples", "30", "-o", str(tmp_path / "scores.csv")]) == 0
    assert all(np.isfinite(float(str(value))) for value in cells(tmp_path / "scores.csv")["log_p"])
    capsys.readouterr()
    assert main(["encode", run, str(path), "-o", str(tmp_path / "z.npy")]) == 0
    assert np.isfinite(np.load(tmp_path / "z.npy")).all()
    assert main(["reconstruct", run, str(path), "--n", "5", "-o", str(tmp_path / "r.csv")]) == 0
    capsys.readouterr()
    assert main(["show", run]) == 0
    assert "Oslo, N, Rome" in capsys.readouterr().out
    assert main(["data", str(path), "--json"]) == 0
    kinds = {column["column"]: column["kind"] for column in json.loads(capsys.readouterr().out)["columns"]}
    assert kinds == dict(zip(mixed(1), ["ignore", "number", "category", "boolean", "count", "date", "constant"], strict=True))


def test_scores_of_rows_and_of_cells(table_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = mixed(40, seed=7)
    for name in ("x", "city", "ok", "visits", "day"):
        columns[name][0] = ""  # of this row nothing is known
    columns["x"][2], columns["visits"][2] = "-9.00", "40"  # which contradict one another
    path = as_csv(tmp_path / "t.csv", columns)
    assert main(["score", str(table_run.folder), str(path), "--samples", "100", "--cells", "-o", str(tmp_path / "s.csv")]) == 0
    assert "s.csv" in (said := capsys.readouterr()).out
    assert "s-cells.csv" in said.out
    assert "no ranks" not in said.err
    rows, each = cells(tmp_path / "s.csv"), cells(tmp_path / "s-cells.csv")
    there = [sum(columns[name][row] not in ("", "NA", "null") for name in each) for row in range(40)]
    assert list(map(int, map(str, rows["cells"]))) == there
    assert [row for row in range(40) if rows["rank"][row] is None] == [0]
    assert rows["log_p_per_cell"][0] is None
    assert float(str(rows["rank"][2])) < 0.1
    assert float(str(rows["log_p_per_cell"][2])) == pytest.approx(float(str(rows["log_p"][2])) / there[2])
    for name, texts in each.items():
        assert [text is None for text in texts] == [text in ("", "NA", "null") for text in columns[name]]
    assert min(each, key=lambda name: float(str(each[name][2] or 0))) in ("x", "visits")


def test_rows_are_drawn_with_some_cells_given(table_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, run = tmp_path / "s.csv", str(table_run.folder)
    drawn: dict[str, dict[str, list[str | None]]] = {}
    for where in ("city=Oslo, N,ok=no", 'city=the "city", unit=cm'):
        assert main(["sample", run, "--where", where, "--n", "400", "-o", str(path)]) == 0
        drawn[where] = cells(path)
    low, high = drawn.values()  # the first city is that of low z, the last of high
    assert {*low["city"]} == {"Oslo, N"}
    assert {*low["ok"]} == {"no"}
    assert {*high["city"]} == {'the "city"'}
    assert {*high["unit"]} == {"cm"}
    assert len({*low["x"]}) > 100
    means = [np.mean([float(str(text)) for text in some["x"]]) for some in (low, high)]
    of_table = mixed(3000, seed=11)
    known = [
        [float(x) for x, city in zip(of_table["x"], of_table["city"], strict=True) if city == which and x[-1:].isdigit()]
        for which in ("Oslo, N", 'the "city"')
    ]
    for mean, rows in zip(means, known, strict=True):
        assert mean == pytest.approx(np.mean(rows), abs=0.35)
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conditional_rows, "LEAST", 1)  # ten draws of z for the one row
        assert main(["sample", run, "--where", "x=1.5", "--n", "1", "-o", str(path)]) == 0
    assert "the rows are too alike; give fewer cells" in capsys.readouterr().err
    for where, message in {
        "town=Oslo": "no column 'town'",
        "city=Osla": "no category 'Osla'; known: Oslo, N",
        "city": "gives no column a value",
        "id=p1": "not in the model",
        "unit=m": "not in the model",
        "x=1,x=2": "given twice",
        "x=tall": "'tall' is not a number",
        "unit=cm": "nothing is given",
        "x=1,city=Oslo, N,ok=no,visits=3,day=2020-01-01": "none is left",
    }.items():
        assert main(["sample", run, "--where", where, "-o", str(path)]) == 2
        assert message in capsys.readouterr().err


def test_a_category_never_seen_makes_no_row_likelier(table_run: runs.Run) -> None:
    columns = {name: [cell] * 4 for name, cell in {"x": "0.5", "ok": "yes", "visits": "5", "day": "2020-01-10", "unit": "cm"}.items()}
    schema = table_run.spec.schema
    assert schema is not None
    values, _ = schema.values({**columns, "city": ["Oslo, N", "Rome", 'the "city"', "Paris"]})
    *seen, unseen = lb.log_likelihood(table_run.vae, torch.from_numpy(values), 2000).log_p.tolist()
    assert unseen < min(seen) + 0.05  # beyond the error of the draws


def test_runs_of_one_table_fill_it_together(table_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run_of(folder: Path, **words: Any) -> str:
        experiment = Experiment.begin(replace(table_run.recipe, **words), folder, device="cpu")
        list(experiment.train())
        experiment.finish()
        return str(folder)

    path, names = as_csv(tmp_path / "t.csv", mixed(20, seed=5)), ("f-errors.csv", "f-1.csv", "f-2.csv")
    words = ["impute", str(table_run.folder), str(path), "--draws", "2", "--samples", "50", "-o", str(tmp_path / "f.csv")]
    assert main([*words, "--together-with", run_of(tmp_path / "b", bootstrap=1, epochs=5)]) == 0
    together = [cells(tmp_path / name) for name in names]
    assert main(words) == 0
    assert not any(one == cells(tmp_path / name) for one, name in zip(together, names, strict=True))
    capsys.readouterr()
    other = run_of(tmp_path / "u", data=str(as_csv(tmp_path / "u.csv", mixed(200, seed=9))), epochs=1)
    assert main([*words, "--together-with", other]) == 2
    assert "has other columns than" in capsys.readouterr().err


def test_without_its_table_a_run_has_no_ranks(table_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, own = as_csv(tmp_path / "t.csv", mixed(5, seed=7)), Path(table_run.recipe.data)
    kept = own.read_bytes()
    own.unlink()
    try:
        assert main(["score", str(table_run.folder), str(path), "--samples", "20", "-o", str(tmp_path / "s.csv")]) == 0
    finally:
        own.write_bytes(kept)
    assert "no ranks" in capsys.readouterr().err
    assert "rank" not in cells(tmp_path / "s.csv")
    assert main(["score", str(table_run.folder), str(path), "--samples", "20", "--cells", "-o", str(tmp_path / "s.txt")]) == 2


def test_a_run_comes_back_without_its_table_and_refuses_a_damaged_schema(table_run: runs.Run, tmp_path: Path) -> None:
    import shutil

    folder = shutil.copytree(table_run.folder, tmp_path / "copy")
    assert runs.load(folder, device="cpu").record == table_run.record
    path = folder / layout.COLUMNS
    text = path.read_text(encoding="utf-8")
    for damaged in (text.replace('"count"', '"colour"'), text[:-20], "[]", '{"columns": []}', text.replace('"x"', '"city"')):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(lb.errors.RunError, match="is damaged"):
            runs.load(folder, device="cpu")


def test_a_run_of_images_imputes_no_table(digits_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = as_csv(tmp_path / "t.csv", mixed(200))
    assert main(["impute", str(digits_run.folder), str(path), "-o", str(tmp_path / "f.csv")]) == 2
    assert "is not of a table" in capsys.readouterr().err
    assert main(["train", str(path), "--out", str(tmp_path / "r")]) == 2
    assert "choose --likelihood columns" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_cells_are_filled_in_as_people_write_them(tmp_path: Path) -> None:
    """Decimal commas, currencies, zones and marks, in the table that is learned from and in those that are made."""
    rows = [
        (f"{row % 7},{row % 9}", f"1.00{row % 8},50 €", f"2024-0{1 + row % 9}-10T10:00:00+02:00", ["NA", "EU"][row % 2])
        for row in range(60)
    ]
    rows[3], rows[4], rows[5] = ("?", *rows[3][1:]), (rows[4][0], "-", *rows[4][2:]), (*rows[5][:2], "", "null")
    lines = ["x;price;when;place", *(";".join(row) for row in rows)]
    path, types, run = tmp_path / "t.csv", tmp_path / "t.toml", str(tmp_path / "run")
    path.write_text("\n".join(lines) + "\n")
    types.write_text('place = {keep = ["NA"]}')
    train = ["train", str(path), "--types", str(types), "--likelihood", "columns", "--network", "mlp:8", "--epochs", "1", "--batch", "20"]
    assert main([*train, "--out", run]) == 0
    assert main(["impute", run, str(path), "-o", str(tmp_path / "f.csv"), "--samples", "20"]) == 0
    assert main(["sample", run, "--n", "20", "-o", str(tmp_path / "s.csv")]) == 0
    filled = [line.split(";") for line in (tmp_path / "f.csv").read_text().splitlines()]
    given = [line.split(";") for line in lines]
    changed = [(row, place) for row in range(61) for place in range(4) if filled[row][place] != given[row][place]]
    assert changed == [(4, 0), (5, 1), (6, 2), (6, 3)]
    with (tmp_path / "s.csv").open(encoding="utf-8") as file:
        drawn = list(csv.reader(file))[1:]
    forms = (r"-?\d+,\d", r"-?(\d{1,3}\.)*\d{1,3},\d\d €", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+02:00", "NA|EU")
    for row in [filled[4], filled[5], filled[6], *drawn]:
        assert all(re.fullmatch(form, cell) for form, cell in zip(forms, row, strict=True)), row
    assert main(["impute", run, str(tmp_path / "f.csv"), "-o", str(tmp_path / "g.csv"), "--samples", "20"]) == 0
    assert (tmp_path / "g.csv").read_bytes() == (tmp_path / "f.csv").read_bytes()
