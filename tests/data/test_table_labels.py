"""A column of a table that is its labels: left out of the model, kept in the table, the same for files, frames and later tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import lowerbound as lb
from lowerbound import data
from lowerbound.errors import DataError
from lowerbound.interfaces.cli import main

KINDS = ["b", "a", None, "c", "a", "b"] * 5


def frame() -> pd.DataFrame:
    return pd.DataFrame({"size": [0.1 * n for n in range(30)], "kind": KINDS, "ok": ["yes", "no", "no"] * 10})


def written(folder: Path, suffix: str) -> Path:
    path = folder / f"t{suffix}"
    frame().to_csv(path, index=False) if suffix == ".csv" else frame().to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", "a frame"])
def test_labels_are_no_column_of_the_model(suffix: str, tmp_path: Path) -> None:
    splits = data.load(frame() if suffix == "a frame" else written(tmp_path, suffix), label_column="kind")
    assert splits.schema is not None
    assert [column.name for column in splits.schema.modelled] == ["size", "ok"]
    assert splits.whole.names == KINDS
    assert splits.whole.classes == ("a", "b", "c")
    again = data.load(frame().drop(columns="kind"), schema=splits.schema, label_column="kind", of_run=True)
    assert again.whole.names is None
    assert bool((again.whole[:] == splits.whole[:]).all())


def test_numbers_alone_are_a_table_too_and_of_a_shape_they_are_vectors(tmp_path: Path) -> None:
    """Ages and incomes are on scales of their own, which a vector's values are not."""
    path = tmp_path / "t.csv"
    ages, incomes = [20.5 + n for n in range(30)], [1000.5 * n for n in range(30)]
    pd.DataFrame({"age": ages, "income": incomes, "y": [0, 1] * 15}).to_csv(path, index=False)
    table, vectors = data.load(path, label_column="y"), data.load(path, label_column="y", shape="2")
    assert table.schema is not None
    assert float(table.train[:].std(0, correction=0)[1]) == pytest.approx(1, abs=0.01)
    assert vectors.schema is None
    assert float(vectors.whole[:].max()) == 29 * 1000.5
    assert table.whole.names == vectors.whole.names == ["0", "1"] * 15


def test_pixels_beside_another_label_are_an_image(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"digit": [1, 2], **{f"pixel{n}": [n, 255 - n] for n in range(9)}}).to_csv(path, index=False)
    splits = data.load(path, label_column="digit")
    assert splits.whole.event_shape == (1, 3, 3)
    assert splits.whole.names == ["1", "2"]


def test_a_column_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'kinds' to take labels from; did you mean 'kind'"):
        data.load(written(tmp_path, ".csv"), label_column="kinds")


def test_commands_know_the_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`data` names the column, a run learns from few labels, and later tables may come without it."""
    path, folder, scores, filled = written(tmp_path, ".csv"), tmp_path / "r", tmp_path / "s.csv", tmp_path / "o.csv"

    def done(*words: object) -> None:
        assert main([str(word) for word in words]) == 0

    done("data", path, "--label-column", "kind")
    assert "kind    label" in capsys.readouterr().out
    words = ("--label-column", "kind", "--labels", 9, "--semi-supervised", "m2", "--likelihood", "columns", "--network", "mlp:8")
    done("train", path, *words, "--latent", 2, "--epochs", 1, "--out", folder)
    assert lb.load(folder).spec.classes == ("a", "b", "c")
    later, holed = tmp_path / "later.csv", tmp_path / "holed.csv"
    frame().drop(columns="kind").to_csv(later, index=False)
    for source, label in ((path, True), (later, False)):
        done("score", folder, source, "--samples", 10, "-o", scores)
        assert ("label" in pd.read_csv(scores).columns) == label
    frame().assign(size=frame()["size"].where(frame().index % 3 > 0)).to_csv(holed, index=False)
    done("impute", folder, holed, "--samples", 10, "-o", filled)
    assert pd.read_csv(filled)["kind"].equals(pd.read_csv(holed)["kind"])
    assert not pd.read_csv(filled)["size"].isna().any()
