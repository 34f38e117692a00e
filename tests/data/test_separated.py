"""CSV files rewritten with another delimiter."""

from __future__ import annotations

from pathlib import Path

import pytest

from lowerbound.data import csv_files


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("given", "delimiter", "expected"),
    [
        ("a,b\r\n1,2\r\n", "\t", "a\tb\r\n1\t2\r\n"),
        ("\ufeff\n\na;b\n\n1;2 \n\n;4", "\t", "\ufeff\n\na\tb\n\n1\t2 \n\n\t4"),
        ('a,"b"\n"x" \t,\ty\tz\n', "\t", 'a\t"b"\n"x"\t"y\tz"\n'),
        ('a;b;c\td\n1,"\tu "" v\n', ",", '"a;b;c",d\n"1,""","u """" v"\n'),
        ("a,b\t\n1,2\t3\n", ",", '"a,b",\n"1,2",3\n'),
    ],
)
def test_another_delimiter_keeps_the_cells(given: str, delimiter: str, expected: str, tmp_path: Path) -> None:
    names = {"\t": ("t.csv", "u.tsv"), ",": ("t.tsv", "u.csv")}[delimiter]
    old = csv_files.read(written(tmp_path / names[0], given.encode()))
    new = csv_files.read(written(tmp_path / names[1], old.separated(delimiter).filled({})))
    assert (new.cells, new.delimiter) == (old.cells, delimiter)
