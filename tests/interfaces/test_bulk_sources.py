"""Sources of answers in parts: held-out rows, labels by name, files of several kinds; folders beside the answer; pieces that stay small."""

from __future__ import annotations

from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
from commands import complaint

from lowerbound.data.arrow_groups import Groups
from lowerbound.data.streams.row_ranges import RowRanges
from lowerbound.errors import DataError
from lowerbound.interfaces.bulk.job import name, named
from lowerbound.interfaces.cli import main
from lowerbound.nn.memory import in_batches


def numbers(rows: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return (random.normal(size=(rows, 1)) * [1, 2, 3, 4] + random.normal(size=(rows, 4))).astype(np.float32)


def columns_of(file: Path) -> dict[str, list[object]]:
    parts = sorted(file.glob("part-*")) if file.is_dir() else [file]
    return dict(pyarrow.concat_tables([pyarrow.parquet.read_table(part) for part in parts]).to_pydict())


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_run_whose_data_stayed_on_disk_held_out_blocks(split: str, tmp_path: Path) -> None:
    """Which rows these are the run knows; by a row's number alone most of them would be others, of which it learned."""
    np.save(tmp_path / "x.npy", numbers(3_000))
    recipe = ["--likelihood", "gaussian", "--network", "mlp:8", "--epochs", "1", "--stream"]
    assert main(["train", str(tmp_path / "x.npy"), *recipe, "-o", str(tmp_path / "r")]) == 0
    words = ["score", str(tmp_path / "r"), "--split", split, "--samples", "4"]
    assert main([*words, "-o", str(tmp_path / "one.parquet")]) == 0
    assert main([*words, "-o", f"{tmp_path}/parts/"]) == 0
    assert columns_of(tmp_path / "parts")["log_p"] == columns_of(tmp_path / "one.parquet")["log_p"]


def test_the_run_s_column_of_labels_is_that_of_the_parts(tmp_path: Path) -> None:
    values, kinds = numbers(400), np.array(["left", "right"])[np.arange(400) % 2]
    pyarrow.parquet.write_table(pyarrow.table({"x": values.tolist(), "kind": kinds}), tmp_path / "v.parquet")
    recipe = ["--likelihood", "gaussian", "--network", "mlp:8", "--epochs", "1", "--label-column", "kind"]
    assert main(["train", str(tmp_path / "v.parquet"), *recipe, "-o", str(tmp_path / "r")]) == 0
    assert main(["score", str(tmp_path / "r"), "--samples", "4", "-o", f"{tmp_path}/parts/"]) == 0
    assert columns_of(tmp_path / "parts")["label"] == kinds.tolist()


def test_files_of_several_kinds_are_one_line(tmp_path: Path) -> None:
    """Also where only some of their rows are looked at."""
    for number, column in (("1", pyarrow.array([0.5] * 300)), ("2", pyarrow.array(["a"] * 300))):
        pyarrow.parquet.write_table(pyarrow.table({"a": column}), tmp_path / f"{number}.parquet")
    with pytest.raises(DataError, match="several kinds of columns"):
        RowRanges(str(tmp_path)).look(100)


@pytest.mark.parametrize("writer", [pyarrow.ipc.new_file, pyarrow.ipc.new_stream])
def test_an_arrow_file_is_the_same_at_a_path_and_at_an_address(writer: Any, tmp_path: Path) -> None:
    """A stream at an address is read whole for the rows that are asked for, and not kept before."""
    wanted = pyarrow.table({"a": [*range(10)]})
    with writer(tmp_path / "t.arrow", wanted.schema) as written:
        written.write_table(wanted, max_chunksize=4)
    path, address = RowRanges(str(tmp_path / "t.arrow")), RowRanges((tmp_path / "t.arrow").as_uri())
    for ranges in (path, address):
        assert len(ranges) == 10
        assert ranges.read(3, 9).equals(wanted.slice(3, 6).combine_chunks())
        assert ranges.look(10).equals(wanted)
    held = Groups(tmp_path / "t.arrow", lambda: pyarrow.OSFile(str(tmp_path / "t.arrow")))
    assert held.sizes == ([4, 4, 2] if writer is pyarrow.ipc.new_file else [10])
    assert held._stream is None


def test_a_look_holds_the_rows_that_it_found_and_not_their_groups(tmp_path: Path) -> None:
    table = pyarrow.table({"a": np.random.default_rng(0).normal(size=200_000)})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet", row_group_size=4_000)
    before = pyarrow.total_allocated_bytes()
    found = RowRanges(str(tmp_path / "t.parquet"))
    rows = found.look(1_000)
    found._kept = None
    assert len(rows) == 1_000
    assert pyarrow.total_allocated_bytes() - before < table.nbytes / 20


def test_a_folder_beside_the_answer_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, theirs = tmp_path / "t.parquet", tmp_path / "s-cells" / "part-00000.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"a": numbers(300)[:, 0], "b": numbers(300)[:, 1]}), table)
    assert main(["train", str(table), "--recipe", "miwae", "--epochs", "1", "-o", str(tmp_path / "r")]) == 0
    capsys.readouterr()
    theirs.parent.mkdir()
    theirs.write_bytes(b"somebody's")
    said = complaint(capsys, "score", tmp_path / "r", "--samples", 4, "--cells", "-o", f"{tmp_path}/s/")
    assert "s-cells is not empty" in said
    assert theirs.read_bytes() == b"somebody's"


def test_the_order_of_names_is_that_of_rows() -> None:
    for parts in (3, 100_000, 1_234_567):
        names = [name(number, parts) for number in (0, 1, parts // 2, parts - 1)]
        assert names == sorted(names)
    assert name(2, 3) == "part-00002.parquet"


def test_an_ending_comes_before_what_an_address_asks_for() -> None:
    assert named("s3://bucket/scores?region=eu", "-cells") == "s3://bucket/scores-cells?region=eu"
    assert named("what?", "-cells") == "what?-cells"


def test_batches_of_several_kinds_soon_end_at_one_row() -> None:
    """Where memory is what limits them; three odd numbers would make a piece of a hundred thousand rows."""
    sizes = [in_batches(memory, 1_000, "an example", most=100) for memory in (37_000, 53_000, 64_000, 99_000, 100_000, 10**9)]
    assert sizes == [32, 32, 64, 64, 100, 100]
    assert lcm(64, *sizes) == 1_600
