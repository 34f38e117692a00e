"""Cells as values, and values as cells: at the limits of numbers and calendars, and in the spelling of another file."""

from __future__ import annotations

import math
from dataclasses import replace

import pyarrow
import pytest

from lowerbound.data import dates
from lowerbound.data.column import Column

NUMBERS = {
    "1 NA 3": [1, None, 3],
    "1 3.0 +2": [1, 3, 2],
    "1990 1990.5 NA": [1990.0, 1990.5, None],
    "9223372036854775807 1": [2**63 - 1, 1],
    "9223372036854775808 NA": [2.0**63, None],
    "1e30 1": [1e30, 1.0],
    "9223372036854775809 NA": ["9223372036854775809", None],
}


@pytest.mark.parametrize("texts", NUMBERS)
def test_whole_numbers_get_a_type_that_holds_them(texts: str) -> None:
    cells = [None if text == "NA" else text for text in texts.split()]
    found = Column("x", "number", decimals=0).typed(cells)
    assert found == NUMBERS[texts]
    assert [type(value) for value in found] == [type(value) for value in NUMBERS[texts]]
    assert pyarrow.array(found).to_pylist() == found


@pytest.mark.parametrize("form", dates.FORMATS)
def test_a_date_is_within_the_calendar(form: str) -> None:
    for seconds in (-1e300, -1e11, dates.FIRST, dates.LAST, 1e12, 1e300):
        text = dates.as_date(seconds, form)
        found = dates.moment(text, form)
        assert found is not None
        assert text == dates.as_date(found, form)
        assert ("9999" if seconds > 0 else "0001") in text


LIKE = [
    (Column("x", "boolean", ("No", "Yes")), "true NA FALSE", "FALSE true"),
    (Column("x", "boolean", ("No", "Yes")), "T", "F T"),
    (Column("x", "boolean", ("No", "Yes")), "True NA", "False True"),
    (Column("x", "boolean", ("No", "Yes")), "1.0 NA", "0.0 1.0"),
    (Column("x", "boolean", ("No", "Yes")), "yes Yes no NO", "no Yes"),
    (Column("x", "boolean", ("No", "Yes")), "NA", "No Yes"),
    (
        Column("x", "date", scale=1e5, format="%Y-%m-%d"),
        "2020-01-31T00:00:00.000000 NA",
        "1970-01-01T00:00:00.000000 1970-01-02T00:00:00.000000",
    ),
    (
        Column("x", "date", scale=1e5, format="%Y-%m-%d"),
        "2020-01-31T00:00:00 2020-01-31T00:00:01",
        "1970-01-01T00:00:00 1970-01-02T03:46:40",
    ),
    (Column("x", "date", scale=86400.0, format="%Y-%m-%dT%H:%M:%SZ"), "NA 2020-01-31", "1970-01-01 1970-01-02"),
    (Column("x", "date", scale=86400.0, format="%d/%m/%Y"), "2020-01-31T00:00+02:00", "1970-01-01T00:00+02:00"),
    (Column("x", "date", scale=86400.0, format="%d/%m/%Y"), "31/01/2020", "01/01/1970"),
    (Column("x", "date", scale=86400.0, format="%Y-%m-%d"), "NA", "1970-01-01 1970-01-02"),
    (Column("x", "category", ("10", "20", "a", "007")), "10.0 NA a", "10.0 20.0 a 007"),
    (Column("x", "category", ("10.0", "20.0", "2.5")), "20", "10 20 2.5"),
    (Column("x", "category", ("10", "20")), "10.0 20", "10 20"),
    (Column("x", "category", ("1", "1.0", "2")), "1.0 1", "1 1.0 2"),
    (Column("x", "category", ("1", "1.0", "2")), "2.0", "1 1.0 2"),
    (Column("x", "constant", ("10",)), "10.0 NA", "10.0"),
]


@pytest.mark.parametrize(("column", "there", "written"), LIKE)
def test_a_column_is_written_in_the_spelling_of_another_table(column: Column, there: str, written: str) -> None:
    """``written`` are the cells for 0, 1, …; every cell of ``there`` can be read."""
    texts = [None if text == "NA" else text for text in there.split()]
    like = column.like(texts)
    assert [like.text(float(value)) for value in range(len(written.split()))] == written.split()
    values, strange = replace(like, kind="category" if like.kind == "constant" else like.kind).numbers(texts)
    assert not strange
    assert [value is None for value in texts] == [math.isnan(value) for value in values]
    assert like.like(texts) == like
