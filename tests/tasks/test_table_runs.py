"""What the verbs beside ``impute`` make of a table: scores of rows and cells, rows with some cells given, latents, its columns in a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import torch

import lowerbound as lb
from lowerbound.interfaces.cli import main
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.tasks import conditional_rows
from tasks.mixed_table import as_csv, cells, mixed


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


def test_rows_of_a_class_are_drawn_with_some_cells_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The class tells x, which no given cell does; and one row is a row."""
    rng, n, path = np.random.default_rng(0), 400, tmp_path / "t.csv"
    high = rng.integers(0, 2, n)
    x, k = rng.normal(6.0 * high, 1.0), rng.poisson(3, n)
    rows = [f"{a:.3f},{b},{'high' if c else 'low'}" for a, b, c in zip(x, k, high, strict=True)]
    path.write_text("\n".join(["x,k,class", *rows]) + "\n", encoding="utf-8")
    words = ["--label-column", "class", "--given", "label", "--recipe", "miwae", "--epochs", "25"]
    run, out = str(tmp_path / "run"), str(tmp_path / "s.csv")
    assert main(["train", str(path), *words, "--out", run]) == 0
    means = {}
    for name in ("low", "high"):
        assert main(["sample", run, "--where", "k=3", "--label", name, "--n", "200", "-o", out]) == 0
        means[name] = np.mean([float(str(text)) for text in cells(Path(out))["x"]])
    assert means["high"] - means["low"] > 3, "of six; without the class they would be one mean"
    capsys.readouterr()
    assert main(["sample", run, "--where", "k=3", "--label", "low", "--n", "1", "-o", out]) == 0
    assert capsys.readouterr().out.startswith("1 row: ")
    assert main(["sample", run, "--where", "k=3", "--label", "middle", "-o", out]) == 2
    assert "there is no class 'middle'" in capsys.readouterr().err


def test_a_category_never_seen_makes_no_row_likelier(table_run: runs.Run) -> None:
    columns = {name: [cell] * 4 for name, cell in {"x": "0.5", "ok": "yes", "visits": "5", "day": "2020-01-10", "unit": "cm"}.items()}
    schema = table_run.spec.schema
    assert schema is not None
    values, _ = schema.values({**columns, "city": ["Oslo, N", "Rome", 'the "city"', "Paris"]})
    *seen, unseen = lb.log_likelihood(table_run.vae, torch.from_numpy(values), 2000).log_p.tolist()
    assert unseen < min(seen) + 0.05  # beyond the error of the draws


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
