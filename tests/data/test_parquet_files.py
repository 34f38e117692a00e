"""Parquet: types are kept when cells are filled in; unreadable files are refused with a message."""

from __future__ import annotations

import datetime
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from commands import answer

from lowerbound import data
from lowerbound.data import tables
from lowerbound.data.parquet_files import Parquet
from lowerbound.errors import DataError


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=2))
    table = pyarrow.table(
        {
            "f": pyarrow.array([1.5, None, float("nan"), 1.5], pyarrow.float32()),
            "i": pyarrow.array([1, None, 3, 3], pyarrow.int16()),
            "s": pyarrow.array(["NA", None, "2", "2"]).dictionary_encode(),
            "t": pyarrow.array([datetime.datetime(2020, 1, 1, 3, tzinfo=zone), None, None, None], pyarrow.timestamp("ms", tz="+02:00")),
            "d": pyarrow.array([datetime.date(2020, 1, 1), None, datetime.date(999, 1, 1), None]),
            "b": pyarrow.array([True, None, False, True]),
            "m": pyarrow.array([None, [1], [2], None]),
        }
    ).replace_schema_metadata({"made": "here"})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    splits = data.load(tmp_path / "t.parquet")
    assert splits.schema is not None
    assert [column.kind for column in splits.schema.columns] == ["constant", "number", "category", "constant", "date", "boolean", "ignore"]
    read = tables.read(tmp_path / "t.parquet")
    (tmp_path / "u.parquet").write_bytes(read.filled({}))
    again = pyarrow.parquet.read_table(tmp_path / "u.parquet")
    assert again.schema.equals(pyarrow.parquet.read_table(tmp_path / "t.parquet").schema, check_metadata=True)
    assert repr(again.to_pydict()) == repr(table.to_pydict())
    cells = {
        "f": {1: "2.5"},
        "i": {1: "7"},
        "s": {1: "2"},
        "t": {1: "2020-05-05T01:02:03.004005"},
        "d": {1: "2020-05-05"},
        "b": {1: "true"},
    }
    (tmp_path / "u.parquet").write_bytes(read.filled(cells))
    back = pyarrow.parquet.read_table(tmp_path / "u.parquet")
    assert back.schema.equals(again.schema, check_metadata=True)
    assert [back[name][1].as_py() for name in "fisdbm"] == [2.5, 7, "2", datetime.date(2020, 5, 5), True, [1]]
    assert back["t"][1].as_py() == datetime.datetime(2020, 5, 5, 1, 2, 3, 4000, tzinfo=datetime.UTC)
    (tmp_path / "t.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-20])
    with pytest.raises(DataError, match="not a Parquet file or is damaged"):
        tables.read(tmp_path / "t.parquet")


def test_an_unusable_parquet_file_is_refused_with_a_message(tmp_path: Path) -> None:
    column = pyarrow.array([1.5, 2.5])
    for table, message in (
        (pyarrow.Table.from_arrays([column, column], names=["a", "a"]), "has two columns called 'a'"),
        (pyarrow.table({"a": column[:0]}), "but no row"),
    ):
        pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
        with pytest.raises(DataError, match=message):
            tables.read(tmp_path / "t.parquet")


def test_refusing_a_parquet_file_ends_the_process_cleanly(tmp_path: Path) -> None:
    """Reading threads may outlive the error and abort the process."""
    pyarrow.parquet.write_table(
        pyarrow.table({f"c{place}": pyarrow.array([], pyarrow.float64()) for place in range(4)}), tmp_path / "t.parquet"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-m", "lowerbound", "data", str(tmp_path / "t.parquet")], capture_output=True, check=False)
        assert done.returncode == 2
        assert b"terminate" not in done.stderr


NARROW = [
    (pyarrow.int8(), ["128", "-1e9", "3.6", "7"], [127, -128, 4, 7]),
    (pyarrow.uint8(), ["256", "-1", "7.0", "007"], [255, 0, 7, 7]),
    (pyarrow.int64(), ["9223372036854775808", "-1e300", "9223372036854775807", "1"], [2**63 - 1, -(2**63), 2**63 - 1, 1]),
    (pyarrow.decimal128(4, 2), ["100", "-1e3", "1.234", "7"], [Decimal(text) for text in ("99.99", "-99.99", "1.23", "7.00")]),
]


@pytest.mark.parametrize(("kind", "texts", "expected"), NARROW, ids=str)
def test_a_filled_in_value_is_the_nearest_of_its_type(kind: pyarrow.DataType, texts: list[str], expected: list[object]) -> None:
    for column in (pyarrow.array([None] * 4, kind), pyarrow.array([None] * 4, kind).dictionary_encode()):
        filled = Parquet(pyarrow.table({"a": column})).filled({"a": dict(enumerate(texts))})
        assert pyarrow.parquet.read_table(pyarrow.BufferReader(filled))["a"].to_pylist() == expected


@pytest.mark.parametrize("text", ["2020-05-05", "2020-05-05T00:00:00Z", "2020/05/05", "05.05.2020"])
def test_a_date_in_any_known_format_fills_any_date_type(text: str) -> None:
    day, moment = datetime.date(2020, 5, 5), datetime.datetime(2020, 5, 5)
    kinds = {pyarrow.date32(): day, pyarrow.timestamp("s"): moment, pyarrow.timestamp("ns", "UTC"): moment.replace(tzinfo=datetime.UTC)}
    for kind, expected in kinds.items():
        filled = Parquet(pyarrow.table({"a": pyarrow.array([None], kind)})).filled({"a": {0: text}})
        assert pyarrow.parquet.read_table(pyarrow.BufferReader(filled))["a"].to_pylist() == [expected]
        with pytest.raises(DataError, match="'5/5/20' is not a date such as 1970-01-01"):
            Parquet(pyarrow.table({"a": pyarrow.array([None], kind)})).filled({"a": {0: "5/5/20"}})


@pytest.mark.parametrize("text", ["9999-12-31", "0001-01-01"])
def test_a_date_is_clipped_to_what_nanoseconds_can_hold(text: str) -> None:
    filled = Parquet(pyarrow.table({"a": pyarrow.array([None], pyarrow.timestamp("ns"))})).filled({"a": {0: text}})
    assert pyarrow.parquet.read_table(pyarrow.BufferReader(filled))["a"].cast(pyarrow.timestamp("s"), safe=False)[0].as_py().year in (
        1677,
        2262,
    )


def test_days_stay_days_and_zones_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Timestamps that are all at midnight are filled in so; times of a zone are drawn as times of UTC, and say so."""
    days = [datetime.datetime(2024, 1, 1) + datetime.timedelta(days=3 * number) for number in range(60)]
    hours = [datetime.datetime(2024, 1, 1, 8, tzinfo=datetime.UTC) + datetime.timedelta(hours=7 * number) for number in range(60)]
    holes = [None if number % 6 == 0 else day for number, day in enumerate(days)]
    table = {"day": pyarrow.array(holes, pyarrow.timestamp("us")), "at": pyarrow.array(hours, pyarrow.timestamp("us", "Europe/Berlin"))}
    pyarrow.parquet.write_table(pyarrow.table(table | {"x": [float(number) for number in range(60)]}), tmp_path / "t.parquet")
    answer(capsys, "train", tmp_path / "t.parquet", "--recipe", "miwae", "--network", "mlp:8", "--epochs", 3, "--out", tmp_path / "r")
    answer(capsys, "impute", tmp_path / "r", tmp_path / "t.parquet", "--samples", 50, "-o", tmp_path / "f.parquet")
    filled = pyarrow.parquet.read_table(tmp_path / "f.parquet")
    assert filled.schema.types == pyarrow.parquet.read_table(tmp_path / "t.parquet").schema.types
    assert all(day.time() == datetime.time(0) for day in filled["day"].to_pylist())
    answer(capsys, "sample", tmp_path / "r", "--n", 20, "-o", tmp_path / "s.parquet")
    drawn = pyarrow.parquet.read_table(tmp_path / "s.parquet")
    assert drawn.schema.field("at").type == pyarrow.timestamp("us", "UTC")
    assert pyarrow.types.is_date(drawn.schema.field("day").type)
