"""Tables: kinds are inferred, specified and kept; cells come back byte for byte; unreadable files are refused."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from lowerbound import data
from lowerbound.data import tables
from lowerbound.data.schema import Schema
from lowerbound.errors import DataError, LowerboundError


def written(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def table_of(folder: Path, **columns: list[str]) -> Path:
    rows = [",".join(cells) for cells in zip(*columns.values(), strict=True)]
    return written(folder, "\n".join([",".join(columns), *rows]) + "\n")


KINDS = {
    "1.5 2.5 NA 1.5": "number",
    "-3 4 4 -3": "number",
    "1e3 2 2 5": "number",
    "1990 1991 1991 1990": "number",  # little variance: not counts
    "0 3 1 0": "count",
    "5.0 0.0 NaN 0.0": "count",
    "true false NA true": "boolean",
    "Yes no no Yes": "boolean",
    "0 1 1 0": "boolean",
    "2024-01-31 2023-02-28 null 2024-01-31": "date",
    "2024-01-31T10:00:00Z 2023-02-28T00:00:01Z 2023-02-28T00:00:01Z NA": "date",
    "31.01.2024 01.02.2023 01.02.2023 NA": "date",
    "a b b a": "category",
    "007 008 008 007": "category",
    "a b c d": "ignore",
    "17 12 99 3": "ignore",
    "NA NA NA NA": "ignore",
    "x x NA x": "constant",
}


@pytest.mark.parametrize("cells", KINDS)
def test_a_kind_is_inferred(cells: str, tmp_path: Path) -> None:
    splits = data.load(table_of(tmp_path, c=cells.split(), other=["0.5", "1.5", "2.5", "0.5"]))
    assert splits.schema is not None
    assert splits.schema.columns[0].kind == KINDS[cells]
    noted = any("column 'c'" in note for note in splits.notes)
    assert noted == (KINDS[cells] in ("ignore", "constant"))


RNG = np.random.default_rng(0)
SOME = RNG.random(300) > 0.65
#: whole numbers, what they are taken for, and whether a note says that they may be codes
WHOLE: dict[str, tuple[object, str, bool]] = {
    "poisson": (RNG.poisson(5, 300), "count", False),
    "rare": (RNG.poisson(0.3, 300), "count", True),
    "geometric": (RNG.geometric(1 / 20, 300) - 1, "count", False),
    "negative binomial": (RNG.negative_binomial(0.2, 0.2 / 100.2, 300), "count", False),
    "zero-inflated": (SOME * RNG.negative_binomial(2, 2 / 22, 300), "count", False),
    "money": (SOME * np.round(np.exp(RNG.normal(6, 0.6, 300))).astype(int), "number", False),
    "tens": (SOME * 10 * RNG.integers(1, 40, 300), "number", False),
    "0 and 500": (SOME * 500, "number", True),
    "1 and 2": (SOME + 1, "number", True),
    "scale": (RNG.integers(1, 6, 300), "count", True),
    "eight": (RNG.integers(3, 11, 300), "number", False),
}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_are_counts_or_numbers_and_may_be_codes(name: str, tmp_path: Path) -> None:
    values, kind, may_be_codes = WHOLE[name]
    path = table_of(tmp_path, c=[f"{value}" for value in np.asarray(values).tolist()], other=["0.5", "1.5", "2.5"] * 100)
    splits = data.load(path)
    assert splits.schema is not None
    assert splits.schema.columns[0].kind == kind
    number = len(np.unique(np.asarray(values)))
    said = f"column 'c' has {number} different whole numbers; if they are codes or a scale: "
    assert splits.notes == ((f"""{said}c = "category", or c = "ordinal", in a file for --types""",) if may_be_codes else ())
    assert not data.load(path, types=written(tmp_path, f'c = "{kind}"', "t.toml")).notes


def test_values_are_what_the_schema_says(tmp_path: Path) -> None:
    path = table_of(
        tmp_path,
        x=["1.0", "NA", "3.0", "2.0", "2.0"],
        kind=["b", "a", "", "b", "c"],
        ok=["no", "yes", "yes", "NaN", "no"],
        k=["0", "7", "2", "0", "null"],
        day=["2020-01-01", "2020-01-03", "2020-01-02", "2020-01-02", "NA"],
    )
    splits = data.load(path)
    assert splits.schema is not None
    assert splits.whole is not None
    values = splits.whole[:]
    x, day = splits.schema.columns[0], splits.schema.columns[4]
    np.testing.assert_allclose(values[:, 0] * x.scale + x.loc, [1, np.nan, 3, 2, 2], rtol=1e-6)
    assert values[:, 1].nan_to_num(-1).tolist() == [1, 0, -1, 1, 2]
    assert values[:, 2].nan_to_num(-1).tolist() == [0, 1, 1, -1, 0]
    assert values[:, 3].nan_to_num(-1).tolist() == [0, 7, 2, 0, -1]
    assert [day.text(float(value)) for value in values[:4, 4]] == ["2020-01-01", "2020-01-03", "2020-01-02", "2020-01-02"]
    train = splits.train[:]
    for column in (0, 4):
        there = train[~train[:, column].isnan(), column]
        assert abs(float(there.mean())) < 1e-5
        assert float(there.std(correction=0)) == pytest.approx(1, rel=1e-5)
    assert splits.train.holes == 5


def test_specified_types_override_inference(tmp_path: Path) -> None:
    path = table_of(
        tmp_path, id=["1", "2", "3", "4"], zip=["10", "20", "20", "30"], day=["1/2/2020", "3/2/2020", "NA", "3/2/2020"], x=list("5678")
    )
    types = written(tmp_path, 'id = "count"\nzip = "category"\nday = "date:%d/%m/%Y"\nx = "ignore"\n', "t.toml")
    splits = data.load(path, types=types)
    assert splits.schema is not None
    assert [column.kind for column in splits.schema.columns] == ["count", "category", "date", "ignore"]
    assert splits.schema.columns[1].levels == ("10", "20", "30")
    assert splits.schema.columns[2].text(0.0).count("/") == 2
    assert not splits.notes


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ('x = "colour"', "cannot be 'colour'"),
        ("x = 3", "cannot be 3"),
        ('x = "number:2"', "cannot be 'number:2'"),
        ("x = ", "is not a TOML"),
        ('y = "number"', "no column 'y'"),
        ('empty = "number"', "but is empty"),
        ('word = "number"', "'a' is not a number"),
        ('word = "boolean"', "is specified as boolean"),
        ('word = "date"', "not a date such as 1970-01-01"),
        ('x = "count"', "'1.5' is not a whole number"),
        ('x = "date:%Q"', "is not a date format"),
    ],
)
def test_impossible_types_are_refused(types: str, message: str, tmp_path: Path) -> None:
    path = table_of(tmp_path, x=["1.5", "2.5", "1.5"], word=["a", "b", "a"], empty=["", "", ""])
    with pytest.raises(DataError, match=message):
        data.load(path, types=written(tmp_path, types, "t.toml"))


def test_a_schema_comes_back_from_json(tmp_path: Path) -> None:
    splits = data.load(
        table_of(tmp_path, x=["1.5", "2", "1.5"], word=["a", "b", "a"], c=["z", "z", "z"], day=["2020-01-01", "NA", "2020-01-02"])
    )
    assert splits.schema is not None
    words = json.loads(json.dumps(splits.schema.words()))
    assert Schema.read(words) == splits.schema
    for name, value in {"kind": "colour", "levels": ["a", "a"], "scale": 0, "loc": "x", "name": 3, "decimals": -1, "format": "%Q"}.items():
        for column in words["columns"]:
            damaged = {**words, "columns": [{**one, name: value} if one is column else one for one in words["columns"]]}
            if name == "format" and column["kind"] != "date":
                continue
            with pytest.raises((ValueError, TypeError, KeyError)):
                Schema.read(damaged)


def test_another_table_is_read_by_the_schema(tmp_path: Path) -> None:
    columns = {"x": ["1.5", "2", "1.5"], "word": ["a", "b", "a"], "ok": ["yes", "no", "no"]}
    schema = data.load(table_of(tmp_path, **columns)).schema
    assert schema is not None
    other = table_of(tmp_path, new=["1", "2"], ok=["YES", ""], word=["c", "b"], x=["9", "NA"])
    splits = data.load(other, schema=schema)
    assert splits.whole is not None
    expected = [[(9 - schema.columns[0].loc) / schema.columns[0].scale, -1.0, 1.0], [torch.nan, 1.0, torch.nan]]
    torch.testing.assert_close(splits.whole[:], torch.tensor(expected), equal_nan=True)
    assert list(splits.notes) == [
        "ignored, because the model has no such column: 'new'",
        "column 'word': 1 cells have a category that training has not seen, and count as its least likely one",
    ]
    for cells, message in (
        ({"x": ["1", "2"], "ok": ["yes", "no"]}, "has no column 'word'"),
        ({**columns, "x": ["1", "two", "3"]}, "column 'x', row 2: 'two' is not a number"),
        ({**columns, "ok": ["yes", "no", "maybe"]}, "column 'ok', row 3: 'maybe' is not no or yes"),
        ({**columns, "x": ["1", "2", "1e300"]}, "column 'x', row 3: 1e300 is too far"),
    ):
        with pytest.raises(DataError, match=message):
            data.load(table_of(tmp_path, **cells), schema=schema)
    np.save(tmp_path / "x.npy", np.zeros((3, 3)))
    with pytest.raises(DataError, match="is for tables"):
        data.load(tmp_path / "x.npy", schema=schema)


BROKEN = {
    "empty": ("", "is empty"),
    "no row": ("a,b\n", "but no row"),
    "one row": ("a,b\n1,2\n", "has one row"),
    "duplicate names": ("a,b,a\n1,2,3\n1,2,3\n", "two columns called 'a'"),
    "a short row": ("a,b\n1,2\n3\n", "row 2 has 1 cells"),
    "a long row": ("a,b\n1,2,3\n", "row 1 has 3 cells"),
    "no closing quote": ('a,b\n1,"2\n3,4\n', "quote does not close a cell in row 1"),
    "after a quote": ('a,b\n1,"2"x\n', "quote does not close a cell in row 1"),
    "latin 1": ("a,b\n1,é\n".encode("latin-1"), r"not in UTF-8 \(line 2\)"),
    "NUL": (b"a,b\n1,\0\n", "NUL"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), "NUL"),
    "a number too large": ("a,b\n1e400,1.5\n2,2.5\n2,1.5\n", "column 'a', row 1: '1e400' is not a number"),
    "infinity": ("a,b\ninf,1.5\n2,2.5\n2,1.5\n", "column 'a', row 1: 'inf' is not a number"),
    "numbers too far apart": ("a,b\n1.7e308,1.5\n-1.7e308,2.5\n-1.7e308,1.5\n", "too far for double precision"),
    "nothing to learn from": ("a,b\n1,x\n2,x\n3,x\n", "no column is left"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_table_is_refused(name: str, tmp_path: Path) -> None:
    content, message = BROKEN[name]
    with pytest.raises(DataError, match=message):
        data.load(written(tmp_path, content))


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4",
        "\ufeffa;b\r\n1,5;2\r\n;4\r\n",
        '\n"a ""x""",b\n"1\n2", 4 \n\n\n5,"6"\n\n',
        "a\tb\r1\t2\r\t\r",
        "a\n1\n\n2\n",
        "a|b\nNA|\n|x",
    ],
)
def test_a_file_comes_back_byte_for_byte(text: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    assert tables.read(path).filled({}) == path.read_bytes()


def test_a_cell_is_written_as_its_column_is(tmp_path: Path) -> None:
    path = written(tmp_path, 'x,s,q\n1,"a, b" ,"1"\n,,""\nNA,c,"3"\n')
    filled = tables.read(path).filled({"x": {1: "2.5", 2: "7"}, "s": {1: "a, b"}, "q": {1: "4"}})
    assert filled.decode() == 'x,s,q\n1,"a, b" ,"1"\n2.5,"a, b" ,"4"\n7,c,"3"\n'


def test_a_category_is_written_as_most_cells_have_it(tmp_path: Path) -> None:
    path = written(tmp_path, 'city,x\nRome ,1\nRome,2\n"Rome",3\nRome,4\n Oslo,5\nOslo,6\n,7\n,8\n')
    filled = tables.read(path).filled({"city": {6: "Rome", 7: "Oslo"}})
    assert filled.decode().splitlines()[-2:] == ["Rome,7", " Oslo,8"]  # of as many the first


PIECES = [
    "",
    "NA",
    "1",
    "2",
    "-3.5",
    "1e400",
    "inf",
    "007",
    "a",
    '"q, ""x"""',
    '"',
    "true",
    "2020-01-01",
    "é",
    " ",
    ",",
    "\n",
    "\r\n",
    "\t",
    ";",
]


@pytest.mark.parametrize("seed", range(40))
def test_random_tables_are_read_or_refused_with_a_message(seed: int, tmp_path: Path) -> None:
    """Those that are read come back byte for byte."""
    some = random.Random(seed)
    text = ",".join(some.sample("abcdef", 3)) + "\n"
    for _ in range(some.randrange(1, 8)):
        text += ",".join(some.choice(PIECES[: some.choice((6, len(PIECES)))]) for _ in range(3)) + some.choice(["\n", "\r\n", ""])
    path = written(tmp_path, text)
    try:
        assert tables.read(path).filled({}) == path.read_bytes()
        splits = data.load(path)
    except LowerboundError:
        return
    assert splits.train.array.dtype == torch.float32
    assert not splits.train.array.isinf().any()
