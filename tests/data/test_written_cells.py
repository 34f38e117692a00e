"""Cells as people write them: text → value → text, what marks mean that a cell is missing, and what is said where neither is sure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from lowerbound import data
from lowerbound.data import dates, missing_marks, spellings, tables
from lowerbound.data.cells import Marks
from lowerbound.data.column import Column
from lowerbound.data.dataset import Splits
from lowerbound.data.schema import Schema
from lowerbound.data.texts import MANY, Texts
from lowerbound.errors import DataError


def table(folder: Path, cells: list[str], name: str = "t.csv") -> Path:
    """A file of the column c, which semicolons part from another."""
    path = folder / name
    path.write_text("c;o\n" + "".join(f"{cell};{row % 3}.5\n" for row, cell in enumerate(cells)), encoding="utf-8")
    return path


def load(folder: Path, cells: list[str], types: str = "", **options: str) -> tuple[Splits, Column, Texts]:
    """What is read of the column c: its values as a model has them, its column, its cells."""
    path = table(folder, cells)
    (folder / "t.toml").write_text(types, encoding="utf-8")
    splits = data.load(path, types=folder / "t.toml" if types else None, **options)
    assert splits.schema is not None
    return splits, splits.schema.columns[0], tables.by_schema(tables.read(path), splits.schema)[0]["c"]


#: texts, how 1234.5 is written so, their values, and how the values 1234.25 and -0.25 are written
NUMBERS = [
    (["1,5", "2,25", "-3,00", "1,5"], "1,5", [1.5, 2.25, -3, 1.5], ["1234,25", "-0,25"]),
    (["0,500", "0,125", "0,125"], "1,5", [0.5, 0.125, 0.125], ["1234,250", "-0,250"]),  # no thousands begin with 0
    (["1.234,50 €", "7,00 €", "-1.000.000,00 €", "7,00 €"], "1.234,5 €", [1234.5, 7, -1e6, 7], ["1.234,25 €", "-0,25 €"]),
    (["$1,234.50", "$7.00", "-$3.10", "$7.00"], "$1,234.5", [1234.5, 7, -3.1, 7], ["$1,234.25", "-$0.25"]),
    (["12.25%", "5.5 %", "−5.5%", "1%", "1%"], "−1.5%", [12.25, 5.5, -5.5, 1, 1], ["1234.25%", "−0.25%"]),
    (["12.25%", "−5.5%", "-1%", "1%", "1%"], "1.5%", [12.25, -5.5, -1, 1, 1], ["1234.25%", "-0.25%"]),
    (["−2.56", "1.25", "1.25"], "−1.5", [-2.56, 1.25, 1.25], ["1234.25", "−0.25"]),
    (["−2,56", "1,25", "1,25"], "−1,5", [-2.56, 1.25, 1.25], ["1234,25", "−0,25"]),
    (["−2", "12", "12", "−300"], "−1.5", [-2, 12, 12, -300], ["1234", "0"]),
    (["−2.5", "-3.25", "1e3", "−2.5"], "1.5", [-2.5, -3.25, 1000, -2.5], ["1234.25", "-0.25"]),
    (["1 234,5", "12,50", "12,5"], "1 234,5", [1234.5, 12.5, 12.5], ["1 234,25", "-0,25"]),
    (["1'234.25", "2.5", "2.5"], "1'234.5", [1234.25, 2.5, 2.5], ["1'234.25", "-0.25"]),
    (["1,234,567", "2,000", "2,000"], "1,234.5", [1234567, 2000, 2000], ["1,234", "0"]),
    (["EUR 12.25", "EUR 7", "EUR 7"], "EUR 1.5", [12.25, 7, 7], ["EUR 1234.25", "-EUR 0.25"]),
]


@pytest.mark.parametrize(("texts", "example", "values", "written"), NUMBERS)
def test_numbers_are_read_as_people_write_them_and_written_so(
    texts: list[str], example: str, values: list[float], written: list[str], tmp_path: Path
) -> None:
    splits, column, cells = load(tmp_path, texts)
    assert (column.kind, column.spelling) == ("number", example)
    assert f"column 'c' is read as numbers that are written like {example}" in splits.notes
    found = column.numbers(cells)[0] * column.scale + column.loc
    np.testing.assert_allclose(found, values, rtol=1e-12)
    spelled = [column.text((value - column.loc) / column.scale) for value in (1234.25, -0.25)]
    assert spelled == written
    assert column.numbers(spelled)[0] * column.scale + column.loc == pytest.approx([1234.25, -0.25], abs=0.25)


@pytest.mark.parametrize(
    ("texts", "kind", "written"),
    [
        (["32.0", "41.0", "32.0", "57.0"], "number", ["43.0", "-1.0"]),
        (["0.0", "5.0", "2.0", "0.0"], "count", ["43.0", "0.0"]),
        (["32,00 €", "41,00 €", "32,00 €"], "number", ["43,00 €", "-1,00 €"]),
        (["32.0", "41.5", "32.0"], "number", ["42.8", "-1.2"]),
        (["32", "41", "32"], "number", ["43", "-1"]),
    ],
)
def test_whole_numbers_are_written_whole_with_the_zeros_of_their_column(
    texts: list[str], kind: str, written: list[str], tmp_path: Path
) -> None:
    _, column, _ = load(tmp_path, texts)
    assert column.kind == kind
    assert [column.text((value - column.loc) / column.scale if kind == "number" else value) for value in (42.8, -1.2)] == written
    assert Schema.read(json.loads(json.dumps(Schema((column,)).words()))).columns == (column,)


def test_whole_numbers_are_written_as_those_of_the_other_table_are(tmp_path: Path) -> None:
    column = Column("c", "number", loc=42.8, decimals=0, zeros=1)
    assert [column.like(cells).text(0.0) for cells in (["7", None], ["7.00", None], [None], ["7.5"])] == ["43", "43.00", "43.0", "43"]
    assert column.typed(["7.0", None]) == [7, None]


@pytest.mark.parametrize("types", ['c = "number"', "c = {min = -3}", 'c = "ordinal"', 'c = {ordinal = ["−2", "-1", "3"]}'])
def test_a_minus_sign_is_read_where_a_kind_is_specified(types: str, tmp_path: Path) -> None:
    _, column, cells = load(tmp_path, ["3", "−2", "-1", "3"], types)
    classes = [2.0, 0.0, 1.0, 2.0]
    values = column.numbers(cells)[0]
    np.testing.assert_allclose(
        values if column.classes else values * column.scale + column.loc, classes if column.classes else [3, -2, -1, 3]
    )


def test_a_minus_sign_is_written_where_the_other_table_has_it() -> None:
    column = Column("c", "number", decimals=1)
    assert [column.like(cells).text(-2.5) for cells in (["−7.5"], ["-7.5"], ["7.5"], ["−7.5", "-1"], ["−7,5"])] == [
        "−2.5", "-2.5", "-2.5", "-2.5", "−2,5",
    ]  # fmt: skip
    assert column.typed(["−7.5", None, "3"]) == [-7.5, None, 3.0]
    notes = missing_marks.others("c", Texts.of(["−7.5", *map(str, range(30)), "refused"]))
    assert "all but 1 cells are numbers; if 'refused' mean" in notes[0]


def test_a_spelling_is_named_by_an_example() -> None:
    for example in ("1.5", "1,5", "1.234,5 €", "$1,234.5", "1'234.5", "1 234.5", "USD 1.5", "1.5 kg", "−1.5", "−$1,234.5"):
        assert spellings.Spelling.of(example).example == example
    for example in ("", "a", "2.5", "1.234.5", "12", "1,234,5"):
        with pytest.raises(ValueError, match=r"does not show how 1234\.5 is written"):
            spellings.Spelling.of(example)


@pytest.mark.parametrize("text", ["1,2,3", "12,34", "1.2", "0,123,456", "--5", "-$-5", "5 €", "", "007,5x"])
def test_what_is_no_number_of_a_spelling(text: str) -> None:
    assert spellings.Spelling.of("$1,234").plain(text) is None or text == "1.2"
    assert spellings.recognised([text, "1,5"]) in ((), (spellings.Spelling(","),))


AMBIGUOUS = [
    (["1,234", "2,500", "2,500"], "may be written like 1,5 or 1,234.5", 'c = {spelling = "1,234.5"}', [1234, 2500, 2500]),
    (["1,234", "2,500", "2,500"], "may be written like 1,5 or 1,234.5", 'c = {spelling = "1,5"}', [1.234, 2.5, 2.5]),
    (["01/02/1970", "03/01/1970", "03/01/1970"], "may be %d/%m/%Y or %m/%d/%Y", 'c = "date:%d/%m/%Y"', [31, 2, 2]),
    (["01/02/1970", "03/01/1970", "03/01/1970"], "may be %d/%m/%Y or %m/%d/%Y", 'c = "date:%m/%d/%Y"', [1, 59, 59]),
]


@pytest.mark.parametrize(("texts", "message", "types", "values"), AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_left_out_until_it_is_specified(
    texts: list[str], message: str, types: str, values: list[float], tmp_path: Path
) -> None:
    splits, column, _ = load(tmp_path, texts)
    assert column.kind == "ignore"
    assert any(message in note for note in splits.notes)
    with pytest.raises(DataError, match=message):
        load(tmp_path, texts, f'c = "{"date" if "date" in types else "number"}"')
    splits, column, cells = load(tmp_path, texts, types)
    assert not splits.notes
    unit = 86_400 if column.kind == "date" else 1
    np.testing.assert_allclose((column.numbers(cells)[0] * column.scale + column.loc) / unit, values)
    assert [column.text(value) for value in column.numbers(cells)[0]] == texts


#: dates, their format, the zone in which they are written, and what a note says of them; all come back as they were
DATES = [
    (["22/01/2024", "03/04/2024", "03/04/2024"], "%d/%m/%Y", "", "some could not be otherwise"),
    (["01/22/2024", "03/04/2024", "03/04/2024"], "%m/%d/%Y", "", "some could not be otherwise"),
    (["01-22-2024", "03-04-2024", "03-04-2024"], "%m-%d-%Y", "", "some could not be otherwise"),
    (["01/22/2024 01:30 PM", "03/04/2024 11:00 AM", "03/04/2024 11:00 AM"], "%m/%d/%Y %I:%M %p", "", "some could not be otherwise"),
    (["31.01.2024 10:30", "01.02.2024 11:00", "01.02.2024 11:00"], "%d.%m.%Y %H:%M", "", None),
    (["31 Jan 2024", "01 Feb 2024", "01 Feb 2024"], "%d %b %Y", "", None),
    (["Jan 31, 2024", "Feb 01, 2024", "Feb 01, 2024"], "%b %d, %Y", "", None),
    (["2024-01-31", "2024-01-31T10:00:00", "2024-02-01"], "%Y-%m-%d|%Y-%m-%dT%H:%M:%S", "", None),
    (["2024-01-31T10:00:00+02:00", "2024-02-01T00:30:00+02:00", "2024-02-01T00:30:00+02:00"], "%Y-%m-%dT%H:%M:%S%z", "+02:00", None),
    (["2024-01-31 10:00-0530", "2024-02-01 00:30-0530", "2024-02-01 00:30-0530"], "%Y-%m-%d %H:%M%z", "-0530", None),
]


@pytest.mark.parametrize(("texts", "form", "zone", "note"), DATES)
def test_dates_are_read_as_people_write_them_and_written_so(
    texts: list[str], form: str, zone: str, note: str | None, tmp_path: Path
) -> None:
    splits, column, cells = load(tmp_path, texts)
    assert (column.kind, column.format, column.spelling) == ("date", form, zone)
    assert [said for said in splits.notes if note is None or note not in said] == []
    assert len(splits.notes) == (note is not None)
    assert [column.text(value) for value in column.numbers(cells)[0]] == texts


def test_dates_of_several_zones_are_the_same_moments_in_utc(tmp_path: Path) -> None:
    splits, column, cells = load(tmp_path, ["1970-01-01T02:00:00+02:00", "1970-01-02T00:00:00+01:00", "1970-01-02T00:00:00+01:00"])
    np.testing.assert_allclose(column.numbers(cells)[0] * column.scale + column.loc, [0, 82_800, 82_800], atol=1e-6)
    assert column.text(column.numbers(cells)[0][0]) == "1970-01-01T00:00:00+0000"
    assert any("several time zones" in note for note in splits.notes)


@pytest.mark.parametrize("form", dates.ISO)
def test_quick_and_slow_readers_of_dates_agree(form: str) -> None:
    from datetime import datetime

    for text in ("2024-01-31", "2024-1-31", "2024-02-30", "0000-01-01", "2024-01-31T24:00", "2024-01-31T10:00:60", "2024-01-31 10:00Z"):
        for end in ("", "T10:00", "T10:00:05", "T10:00:05.123456", " 10:00:05.1", "T10:00Z", "T10:00:00+02:00", " 23:59:59.999999Z"):
            try:
                read = datetime.strptime(text + end, form)
                wanted = ((read if read.tzinfo else read.replace(tzinfo=dates.UTC)) - dates.EPOCH).total_seconds()
            except ValueError:
                assert dates.moment(text + end, form) is None
            else:
                assert dates.moment(text + end, form) == wanted


# --- marks of missing cells ------------------------------------------------------------------------------

MARKED = ["?", "-", "--", "None", "none", "n/a", ".", "#DIV/0!", "NAN", "missing"]


@pytest.mark.parametrize("mark", MARKED)
@pytest.mark.parametrize(
    "others", [["1.5", "2.5", "2.5"], ["yes", "no", "no"], ["2024-01-31", "2024-02-01", "2024-02-01"], ["1,5", "2,5", "2,5"]]
)
def test_one_mark_among_regular_cells_is_missing_with_a_note(mark: str, others: list[str], tmp_path: Path) -> None:
    whole, usual, _ = load(tmp_path, others * 20)
    splits, column, cells = load(tmp_path, [*others * 20, mark])
    assert (column.kind, column.missing) == (usual.kind, (mark,))
    assert cells[60] is None
    assert f"column 'c': 1 cells that say '{mark}' are taken as missing" in " ".join(splits.notes)
    assert len(splits.notes) == len(whole.notes) + 1
    as_text = load(tmp_path, [*others * 20, mark], f"c = {{keep = [{json.dumps(mark)}]}}")[1]
    assert as_text.kind == "category"
    assert mark in as_text.levels


def test_a_mark_among_categories_is_one(tmp_path: Path) -> None:
    splits, column, _ = load(tmp_path, ["a", "b", "?", "b"])
    assert (column.kind, column.levels, splits.notes) == ("category", ("?", "a", "b"), ())


@pytest.mark.parametrize("keep", [True, False])
def test_a_mark_among_categories_that_is_missing_in_another_column_is_noted(keep: bool, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,w\n" + "1.5,a\n2.5,b\n2.5,b\n-,?\n?,a\n-,-\n" * 5, encoding="utf-8")
    (tmp_path / "t.toml").write_text('w = {keep = ["?", "-"]}' if keep else "", encoding="utf-8")
    splits = data.load(tmp_path / "t.csv", types=tmp_path / "t.toml")
    assert splits.schema is not None
    assert splits.schema.columns[1].levels == ("-", "?", "a", "b")
    note = "column 'w': '-' or '?' is one of its categories, and missing in other columns; if it means missing here too"
    assert splits.notes[1:] == (() if keep else (f"""{note}: w = {{missing = ["-", "?"]}} in a file for --types""",))


def test_other_texts_among_numbers_and_numbers_far_off_are_noted(tmp_path: Path) -> None:
    numbers = [str(number % 40) for number in range(120)]
    splits, column, _ = load(tmp_path, [*numbers, "refused"])
    assert column.kind == "category"
    assert splits.notes == (
        """column 'c': all but 1 cells are numbers; if 'refused' mean missing: c = {missing = ["refused"]} in a file for --types""",
    )
    for far in ("-999", "9999", "-999.0"):
        splits, column, _ = load(tmp_path, [*numbers, far])
        assert column.kind in ("number", "count")
        said = f"column 'c': {far} (1 cells) is far from all other values; if it means missing"
        assert splits.notes == (f"""{said}: c = {{missing = ["{far}"]}} in a file for --types""",)
    assert len(load(tmp_path, [*numbers, "-999", "-99"])[0].notes) == 2
    for near in ("39", "-1", "77"):
        assert load(tmp_path, [*numbers, near])[0].notes == ()
    assert load(tmp_path, [*map(str, range(900, 1040)), *map(str, range(900, 1040))])[0].notes == ()  # 999 is one of them


SAID: list[tuple[str, dict[str, str]]] = [
    ('missing = ["-999"]', {}),
    ("missing = [-999]", {}),
    ('c = {missing = ["-999"]}', {}),
    ('[c]\nmissing = ["?", "-999"]\nkind = "count"\n', {}),
    ("", {"missing_as": "?,-999"}),
]


@pytest.mark.parametrize(("types", "options"), SAID)
def test_a_mark_can_be_specified(types: str, options: dict[str, str], tmp_path: Path) -> None:
    splits, column, cells = load(tmp_path, ["0", "5", "-999", "9", "-999.0", "5"], types, **options)
    assert column.kind == "count"
    assert splits.notes == ()
    assert list(cells) == ["0", "5", None, "9", None, "5"]
    assert "-999" in column.missing


@pytest.mark.parametrize("types", ['keep = ["NA"]', 'c = {keep = ["NA"]}', 'c = {kind = "category", keep = ["NA"]}'])
def test_north_america_is_kept(types: str, tmp_path: Path) -> None:
    splits, column, cells = load(tmp_path, ["NA", "EU", "", "AS", "AS", "null"], types)
    assert (column.kind, column.levels, splits.notes) == ("category", ("AS", "EU", "NA"), ())
    assert list(cells) == ["NA", "EU", None, "AS", "AS", None]
    assert list(tables.read(tmp_path / "t.csv").cells["c"]) == [None, "EU", None, "AS", "AS", None]


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ('c = {colour = "red"}', "cannot have the key 'colour'"),
        ('c = {missing = "?"}', "column 'c' needs a list of texts"),
        ('missing = "?"', r"t\.toml: missing needs a list of texts, such as \[\"\?\", \"-999\"\], not '\?'"),
        ("missing = -999", r"t\.toml: missing needs a list of texts"),
        ("keep = [[1]]", r"t\.toml: keep needs a list of texts"),
        ('missing = "number"', "no column 'missing'"),
        ("c = {keep = [[1]]}", "needs a list of texts"),
        ('c = {kind = "colour"}', "cannot be 'colour'"),
        ('c = {spelling = "12"}', "'12' does not show how 1234.5 is written"),
        ('c = {spelling = "1,5"}', "'7.5' is not a number such as 1,5"),
        ('c = "number"\nmissing = ["7.5", "2.5"]', "is specified as number, but is empty"),
    ],
)
def test_words_that_make_no_sense_are_refused(types: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, ["7.5", "2.5", "2.5"], types)


# --- what a run keeps ------------------------------------------------------------------------------------


def test_another_table_is_read_by_the_words_of_the_first(tmp_path: Path) -> None:
    _, column, _ = load(tmp_path, ["1,5", "2,5", "-999", "2,5", "?"], 'c = {missing = ["-999"]}')
    schema = Schema.read(json.loads(json.dumps(Schema((column,)).words())))
    assert schema.columns == (column,)
    other = tables.read(table(tmp_path, ["4,5", "-999", ".", "?", "NA"], "u.csv"))
    cells, notes = tables.by_schema(other, schema)
    assert list(cells["c"]) == ["4,5", None, None, None, None]
    assert notes == ("""column 'c': 1 cells that say '.' are taken as missing; as values: c = {keep = ["."]} in a file for --types""",)
    alone, _ = tables.by_schema(tables.read(table(tmp_path, ["."], "v.csv")), schema)
    assert list(alone["c"]) == [None]
    like = schema.like(cells).columns[0]
    assert like.text(like.numbers(cells["c"])[0][0]) == "4,5"
    plain = schema.like({"c": ["1234.5", None]}).columns[0]
    assert plain.text(plain.numbers(["1234.5"])[0][0]) == "1234.5"


def test_numbers_of_a_file_with_types_are_never_spelled(tmp_path: Path) -> None:
    """1.234 is written as a number of thousands would be."""
    _, column, _ = load(tmp_path, ["1.234,5", "2.000,0", "2.000,0"])
    assert column.spelling == "1.234,5"
    pyarrow.parquet.write_table(pyarrow.table({"c": [1.234, 2.5, None], "t": ["?", "1,5", "NA"]}), tmp_path / "t.parquet")
    cells, _ = tables.by_schema(tables.read(tmp_path / "t.parquet"), Schema((column,)))
    assert list(cells["t"]) == ["?", "1,5", "NA"]
    like = column.like(cells["c"])
    np.testing.assert_allclose(like.numbers(cells["c"])[0] * column.scale + column.loc, [1.234, 2.5, np.nan])


@pytest.mark.parametrize("kind", ["", 'kind = "number", '])
def test_texts_of_a_file_with_types_are_spelled_and_its_numbers_are_not(kind: str, tmp_path: Path) -> None:
    cells = {"c": ["1,5 €", "2,25 €", "2,25 €", None], "n": [1.234, 2.5, 2.5, None]}
    pyarrow.parquet.write_table(pyarrow.table(cells), tmp_path / "t.parquet")
    (tmp_path / "t.toml").write_text("".join(f'{name} = {{{kind}spelling = "1,5 €"}}\n' for name in cells), encoding="utf-8")
    splits = data.load(tmp_path / "t.parquet", types=tmp_path / "t.toml")
    assert splits.schema is not None
    assert splits.whole is not None
    loc, scale = (np.array([getattr(column, part) for column in splits.schema.columns]) for part in ("loc", "scale"))
    truth = [[1.5, 1.234], [2.25, 2.5], [2.25, 2.5], [np.nan, np.nan]]
    np.testing.assert_allclose(splits.whole[:].numpy() * scale + loc, truth, rtol=1e-6)
    assert [column.text((1.5 - column.loc) / column.scale) for column in splits.schema.columns] == ["1,50 €", "1.500"]


def test_a_schema_of_0_1_0_is_read(tmp_path: Path) -> None:
    _, column, _ = load(tmp_path, ["1.5", "2.5", "2.5"])
    words = Schema((column,)).words()
    for each in words["columns"]:
        for key in ("spelling", "missing", "keep"):
            del each[key]
    assert Schema.read(json.loads(json.dumps(words))).columns == (column,)
    for damaged in ({"spelling": "12"}, {"spelling": 3}, {"missing": [1]}, {"keep": 5}):
        with pytest.raises((TypeError, ValueError)):
            Schema.read({"columns": [{**words["columns"][0], **damaged}]})


# --- texts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 7, MANY + 1])
def test_a_column_is_its_distinct_texts(n: int) -> None:
    cells = [None if row % 5 == 3 else str(row % 11) for row in range(n)]
    texts = Texts.of(cells)
    assert list(texts) == cells
    assert texts == cells
    assert texts[: n // 2] == cells[: n // 2]
    assert texts.distinct == list(dict.fromkeys(cell for cell in cells if cell is not None))
    assert texts.counts().tolist() == [cells.count(text) for text in texts.distinct]
    assert texts.there == n - cells.count(None)
    assert list(texts.without(frozenset({"2", "nowhere"}))) == [None if cell == "2" else cell for cell in cells]
    assert Marks(("2",), ("",)).among(texts) == {text for text in texts.distinct if text == "2"}
