"""Tables filled in: observed cells untouched to the byte, the types and the spelling of a table kept, errors and classes that are right."""

from __future__ import annotations

import csv
import datetime
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch

from lowerbound.data import dates, tables, writing
from lowerbound.data.csv_files import Csv
from lowerbound.errors import DataError
from lowerbound.interfaces.cli import main
from lowerbound.runs import run as runs
from lowerbound.runs.experiment import Experiment
from lowerbound.tasks.impute import impute
from tasks.mixed_table import as_csv, cells, mixed


def test_the_command_does_without_what_it_does_not_need(table_run: runs.Run, tmp_path: Path) -> None:
    """Each of these takes a second to import: what draws figures, and what torch's own ``broadcast_shapes`` is made with."""
    path = as_csv(tmp_path / "t.csv", mixed(5, seed=1))
    words = ["impute", str(table_run.folder), str(path), "-o", str(tmp_path / "f.csv"), "--samples", "20"]
    code = f"import sys; from lowerbound.interfaces.cli import main; main({words!r}); print({{'matplotlib', 'sympy'}} & {{*sys.modules}})"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.splitlines()[-1] == "set()"


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


def test_the_table_with_the_holes_is_kept(table_run: runs.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It alone says which cells were missing: neither the filled table nor a draw takes its place."""
    given = Path(shutil.copy(table_run.recipe.data, tmp_path / "t-1.csv"))
    before = given.read_bytes()
    for output in (given, tmp_path / "t.csv"):
        assert main(["impute", str(table_run.folder), str(given), "--draws", "1", "--samples", "5", "-o", str(output)]) == 2
        assert "is the table with the missing cells, and would be lost; give another -o" in capsys.readouterr().err
    assert main(["impute", str(table_run.folder), "--samples", "5", "-o", table_run.recipe.data]) == 2
    assert (given.read_bytes(), sorted(tmp_path.iterdir())) == (before, [given])
