"""What may be specified in Python of the columns of a frame, and what a frame may hold: read, left out with a note, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lowerbound import data
from lowerbound.errors import DataError

FRAME = pd.DataFrame({"size": [1.5, 2, 3] * 7, "n": [0, 1, 3] * 7, "kind": ["x", "y", "?"] * 7})


def test_types_are_a_mapping_of_what_a_file_would_say(tmp_path: Path) -> None:
    types = {"n": "category", "size": {"min": 0, "max": 5}, "missing": ["?"]}
    file = tmp_path / "t.toml"
    file.write_text('missing = ["?"]\nn = "category"\nsize = {min = 0, max = 5}\n')
    schema = data.load(FRAME, types=types).schema
    assert schema == data.load(FRAME, types=file).schema
    assert schema is not None
    assert [column.kind for column in schema.columns] == ["number", "category", "category"]
    assert schema.columns[2].levels == ("x", "y")


WRONG = {
    "no kind": ({"size": "numeric"}, "types: column 'size' cannot be 'numeric'"),
    "a number": ({"size": 3}, "types: column 'size' cannot be 3"),
    "no column": ({"sizes": "number"}, "no column 'sizes', which the types specify"),
    "no key": ({"size": {"type": "number"}}, "types: column 'size' cannot have the key 'type'"),
    "no number": ({"size": {"min": "low"}}, "types: column 'size' "),
    "no list of texts": ({"missing": "?"}, "types: missing needs a list of texts"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_types_are_refused(name: str) -> None:
    types: Any
    types, message = WRONG[name]
    with pytest.raises(DataError, match=message):
        data.load(FRAME, types=types)


HELD = {
    "complex numbers": (np.arange(21) + 1j, "of no type that a table can have: .*column c with type complex128"),
    "objects": ([object()] * 21, "of no type that a table can have"),
    "numbers and texts": ([1, "a", 2.5] * 7, "of no type that a table can have"),
    "∞": ([np.inf, *[1.5] * 20], "column 'c', row 1: 'inf' is not a number"),
}
LEFT_OUT = {
    "lists": [[1]] * 21,
    "lists of several lengths": [[1] * (row % 3) for row in range(21)],
    "periods": pd.period_range("2024-01", periods=21, freq="M"),
    "intervals": pd.interval_range(0, 21),
    "dictionaries": [{"a": 1}] * 21,
    "durations": pd.to_timedelta(np.arange(21), "h"),
    "bytes": [b"a"] * 21,
}


@pytest.mark.parametrize("name", HELD)
def test_what_no_table_can_hold_is_refused(name: str) -> None:
    column, message = HELD[name]
    with pytest.raises(DataError, match=message):
        data.load(FRAME.assign(c=column))


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_no_model_can_have_is_left_out(name: str) -> None:
    splits = data.load(FRAME.assign(c=pd.Series(LEFT_OUT[name])))
    assert splits.schema is not None
    assert splits.schema.columns[-1].kind == "ignore"
    assert "column 'c' has a type that is not supported and is left out" in splits.notes
