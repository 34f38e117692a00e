"""Lines of a CSV at once and one by one: the same cells to the byte; and messages that name row and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lowerbound import data
from lowerbound.data import csv_files, csv_lines
from lowerbound.errors import DataError

CELLS = st.sampled_from(["", "1", "-2.5", "NA", "a b", " x ", "é", '"q"', '"q, ""x"""', '"l\nm"', '"a" ', 'a"b', "\x0c", "\u2028", '"'])
TEXTS = st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["", "\n", "\r\n\r\n"]))
@example([['"1"', ""], ['"2"', "3"]], "\n", "\t", "\n")  # blanks after a quoted cell are its own, a tab that ends it is not
@example([["a", "b"], ["", ""]], "\n", ",", "")
def test_at_once_and_one_by_one_are_the_same(rows: list[list[str]], end: str, delimiter: str, last: str) -> None:
    text = end.join(delimiter.join(row) for row in rows) + last
    found = csv_lines.columns(text, delimiter)
    try:
        lines = csv_lines.lines(Path("t.csv"), text, delimiter)
        columns, ends, above = csv_lines.rows(Path("t.csv"), lines, "", len(lines[0][0]) if lines else 0)
    except DataError:
        assert found is None
        return
    assert found is None or (found == (columns, ends) and above == "")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("quoted", [False, True])
def test_lines_that_are_alike_are_read_at_once(end: str, quoted: bool) -> None:
    mark = '"' if quoted else ""
    text = end.join(["a,b", f"{mark}1{mark},2", "3,4", ""])
    assert csv_lines.columns(text, ",") == ([["a", f"{mark}1{mark}", "3"], ["b", "2", "4"]], [end] * 3)


#: a file, and how a message names the cell that is wrong: by its line, and its row among all that are not blank
WRONG = [
    ("x,y\n1,a\n2,b\nw,a\n", "line 4, column 'x', row 3: 'w'"),
    ("\n\nx,y\n\n1,a\n\n\n2,b\nw,a\n", "line 9, column 'x', row 3: 'w'"),
    ('x,y\n1,"a\nb\nc"\n2,b\nw,a\n', "line 6, column 'x', row 3: 'w'"),
    ("x,y\r\n,a\r\nNA,b\r\nw,a\r\n1,b\r\n", "line 4, column 'x', row 3: 'w'"),
    ("x,y\n,a\nNA,b\n1e400,a\n2,b\n2,a\n", "line 4, column 'x', row 3: '1e400'"),
    ("x,y\n1,a\n2,b\n3\n", "line 4: row 3 has 1 cells"),
    ('\nx,y\n1,"a\nb"\n\n3\n', "line 6: row 2 has 1 cells"),
    ('x,y\n\n1,a\n\n2,"b\n', "line 5: a quote does not close a cell in row 2"),
    ('x,"y\n1,2\n', "line 1: a quote does not close a cell in the line of names"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_message_names_line_and_row(text: str, message: str, tmp_path: Path) -> None:
    path, types = tmp_path / "t.csv", tmp_path / "t.toml"
    path.write_bytes(text.encode())
    types.write_text('x = "number"')
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        data.load(path, types=types)


def test_a_message_names_the_row_of_a_file_without_names(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('1,a\n2,b\n3,"c\n')
    with pytest.raises(DataError, match="line 3: a quote does not close a cell in row 3"):
        csv_files.read(path, header=False)
