"""Answers in parts: the rows and numbers, to the bit, of the answer in one file; what was killed goes on; another answer is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
from commands import answer, complaint

from lowerbound import data
from lowerbound.evaluation import log_likelihood
from lowerbound.interfaces.bulk import job, task
from lowerbound.interfaces.cli import main
from lowerbound.runs.run import Run

ROWS = 420


@pytest.fixture(autouse=True)
def _several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of two batches of a table's rows; batches of arrays are a piece."""
    monkeypatch.setattr(task, "ROWS", 130)
    monkeypatch.setattr(log_likelihood, "MOST", log_likelihood.ROWS)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Parquet file with holes, in several row groups."""
    random = np.random.default_rng(0)
    z, holes = random.normal(size=ROWS), random.random((3, ROWS)) < 0.2
    columns = {"a": z + random.normal(size=ROWS), "b": random.poisson(np.exp(z / 2)), "c": np.where(z > 0, "u", "v").astype(object)}
    path = tmp_path_factory.mktemp("table") / "t.parquet"
    arrays = {name: pyarrow.array(column, mask=hole) for (name, column), hole in zip(columns.items(), holes, strict=True)}
    pyarrow.parquet.write_table(pyarrow.table(arrays), path, row_group_size=50)
    return path


@pytest.fixture(scope="module")
def table_run(table: Path) -> Path:
    folder = table.parent / "run"
    assert main(["train", str(table), "--recipe", "miwae", "--epochs", "1", "-o", str(folder)]) == 0
    return folder


def in_parts(folder: Path) -> Any:
    """All parts as one table."""
    files = sorted(folder.glob("part-*.parquet"))
    assert len(files) > 1
    return pyarrow.concat_tables([pyarrow.parquet.read_table(file) for file in files])  # of one schema, or it would complain


def same(parts: Any, whole: Any) -> None:
    """The same rows and numbers, whatever the types of columns; NaN is NaN."""
    assert parts["row"].to_pylist() == [*range(len(parts))]
    without = whole if "row" not in whole.column_names else whole.drop_columns("row")
    assert repr(parts.drop_columns("row").to_pydict()) == repr(without.to_pydict())


# --- of a table ----------------------------------------------------------------------------------------


def two_files(table: Path, folder: Path) -> str:
    whole = pyarrow.parquet.read_table(table)
    (folder / "tables").mkdir()
    pyarrow.parquet.write_table(whole.slice(0, 101), folder / "tables" / "1.parquet")
    pyarrow.feather.write_feather(whole.slice(101), folder / "tables" / "2.feather")
    return str(folder / "tables")


def as_csv(table: Path, folder: Path) -> str:
    pyarrow.csv.write_csv(pyarrow.parquet.read_table(table), folder / "t.csv", pyarrow.csv.WriteOptions(quoting_style="none"))
    return str(folder / "t.csv")


#: a way to have the table → what is named in its place
TABLES: dict[str, Callable[[Path, Path], str]] = {
    "file": lambda table, folder: str(table),
    "folder": two_files,
    "address": lambda table, folder: table.as_uri(),
    "CSV": as_csv,
}
SOURCES = [pytest.param(kind, marks=[] if kind in ("folder", "address") else pytest.mark.long) for kind in TABLES]


@pytest.mark.parametrize("kind", SOURCES)
def test_rows_are_scored_as_in_one_file(kind: str, table: Path, table_run: Path, tmp_path: Path) -> None:
    words, one = ["--samples", "20", "--cells", "--seed", "3"], tmp_path / "one.parquet"
    assert main(["score", str(table_run), str(table), *words, "-o", str(one)]) == 0
    assert main(["score", str(table_run), TABLES[kind](table, tmp_path), *words, "-o", f"{tmp_path}/parts"]) == 0
    for ending in ("", "-cells"):
        whole = pyarrow.parquet.read_table(one.with_name(f"one{ending}.parquet"))
        same(in_parts(tmp_path / f"parts{ending}"), whole)


@pytest.mark.parametrize("kind", SOURCES)
def test_a_table_is_filled_in_as_in_one_file(kind: str, table: Path, table_run: Path, tmp_path: Path) -> None:
    words, one = ["--samples", "20", "--draws", "2"], tmp_path / "one.parquet"
    assert main(["impute", str(table_run), str(table), *words, "-o", str(one)]) == 0
    assert main(["impute", str(table_run), TABLES[kind](table, tmp_path), *words, "-o", f"{tmp_path}/parts/"]) == 0
    for ending in ("", "-1", "-2", "-errors"):
        same(in_parts(tmp_path / f"parts{ending}"), pyarrow.parquet.read_table(one.with_name(f"one{ending}.parquet")))


def test_rows_of_a_table_are_drawn_as_in_one_file(table_run: Path, tmp_path: Path) -> None:
    for output in ("one.parquet", "parts"):
        assert main(["sample", str(table_run), "-n", "2100", "-o", str(tmp_path / output)]) == 0
    same(in_parts(tmp_path / "parts"), pyarrow.parquet.read_table(tmp_path / "one.parquet"))


@pytest.mark.parametrize("split", ["train", "test", "all"])
def test_a_part_of_the_data_is_that_of_one_file(split: str, table: Path, table_run: Path, tmp_path: Path) -> None:
    words = ["encode", str(table_run), str(table), "--split", split]
    assert main([*words, "-o", f"{tmp_path}/one.npy"]) == 0
    assert main([*words, "-o", f"{tmp_path}/parts"]) == 0
    (part,) = (tmp_path / "parts").glob("part-*")
    found = np.array(pyarrow.parquet.read_table(part)["latent"].to_pylist(), np.float32)
    assert (found == np.load(tmp_path / "one.npy")).all()


# --- of arrays -----------------------------------------------------------------------------------------


def digits() -> data.Dataset:
    found = data.load("digits").whole
    assert found is not None
    return found


def npy(folder: Path) -> str:
    np.save(folder / "d.npy", digits().array.numpy())
    return str(folder / "d.npy")


def shards(folder: Path) -> str:
    data.shard("digits", folder / "shards")
    return str(folder / "shards")


def vectors(folder: Path) -> str:
    columns = {"x": digits().array.numpy().reshape(-1, 8, 8).tolist(), "label": digits().names}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "d.parquet", row_group_size=500)
    return str(folder / "d.parquet")


ARRAYS: dict[str, Callable[[Path], str]] = {"named": lambda folder: "digits", "npy": npy, "shards": shards, "vectors": vectors}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("draw", [[], ["--draw", "--seed", "5"]], ids=["means", "draws"])
def test_latents_are_those_of_one_file(kind: str, draw: list[str], digits_run: Run, tmp_path: Path) -> None:
    words = ["encode", str(digits_run.folder), ARRAYS[kind](tmp_path), "--split", "all", *draw]
    assert main([*words, "-o", f"{tmp_path}/one.npz"]) == 0
    assert main([*words, "-o", f"{tmp_path}/parts"]) == 0
    found, whole = in_parts(tmp_path / "parts"), np.load(tmp_path / "one.npz")
    assert (np.array(found["latent"].to_pylist(), np.float32) == whole["latents"]).all()
    assert found["row"].to_pylist() == [*range(1797)]
    if "labels" in whole:
        assert found["label"].to_pylist() == whole["classes"][whole["labels"]].tolist()


@pytest.mark.parametrize("words", [[], ["--draw"]], ids=["means", "draws"])
def test_new_data_are_those_of_one_file(words: list[str], digits_run: Run, by_class_run: Run, tmp_path: Path) -> None:
    for number, run in enumerate((digits_run, by_class_run)):
        asked = ["sample", str(run.folder), "-n", "1300", *words]
        assert main([*asked, "-o", f"{tmp_path}/{number}.npy"]) == 0
        assert main([*asked, "-o", f"{tmp_path}/{number}"]) == 0
        values = np.array(in_parts(tmp_path / str(number))["values"].to_pylist())
        assert (values == np.load(tmp_path / f"{number}.npy").reshape(1300, -1)).all()


def test_the_first_rows_alone_are_scored(digits_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["score", digits_run.folder, "--rows", 70, "--samples", 5]
    answer(capsys, *words, "-o", tmp_path / "one.parquet")
    found = answer(capsys, *words, "-o", tmp_path / "parts")
    assert (found["n"], found["parts"], found["made"]) == (70, 1, 1)
    same(pyarrow.parquet.read_table(tmp_path / "parts" / "part-00000.parquet"), pyarrow.parquet.read_table(tmp_path / "one.parquet"))
    assert "there are only" in complaint(capsys, *words[:2], "--rows", 5000, "-o", tmp_path / "more")


# --- killed, and refused -------------------------------------------------------------------------------


def contents(folder: Path) -> dict[str, bytes]:
    return {f"{file.parent.name}/{file.name}": file.read_bytes() for file in sorted(folder.parent.glob(f"{folder.name}*/*"))}


def test_what_was_killed_goes_on_to_the_same_files(
    table: Path, table_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["score", table_run, table, "--samples", 20, "--cells"]
    (tmp_path / "whole").mkdir()
    answer(capsys, *words, "-o", tmp_path / "whole" / "parts")
    put, left = job.put, [4]  # the words, a part of two files, and one of the next part's two

    def killed(*arguments: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        put(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(job, "put", killed)
        assert main([*map(str, words), "-o", f"{tmp_path}/parts"]) == 130
    assert len(contents(tmp_path / "parts")) == 4
    before = (tmp_path / "parts" / "part-00000.parquet").stat().st_mtime_ns
    found = answer(capsys, *words, "-o", tmp_path / "parts")
    assert (found["parts"], found["made"]) == (4, 3)
    assert (tmp_path / "parts" / "part-00000.parquet").stat().st_mtime_ns == before
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole" / "parts")
    assert answer(capsys, *words, "-o", tmp_path / "parts")["made"] == 0


def test_a_folder_of_something_else_is_refused(table: Path, table_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["encode", table_run, table]
    answer(capsys, *words, "-o", tmp_path / "parts")
    assert "begun with seed 0, and this is 1" in complaint(capsys, *words, "--seed", 1, "-o", tmp_path / "parts")
    assert "begun with verb encode, and this is sample" in complaint(capsys, "sample", table_run, "-o", tmp_path / "parts")
    assert "begun with data" in complaint(capsys, *words, "--split", "test", "-o", tmp_path / "parts")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("")
    assert "not empty" in complaint(capsys, *words, "-o", f"{tmp_path}/mine/")
    (tmp_path / "parts" / job.MANIFEST).write_text("{")
    assert "damaged" in complaint(capsys, *words, "-o", tmp_path / "parts")


def test_options_that_do_not_suit_are_refused(
    table_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = ["-o", tmp_path / "parts"]
    assert "say that too" in complaint(capsys, "encode", table_run, "--workers", 2, *parts)
    assert "is a file" in complaint(capsys, "encode", table_run, "--engine", "ray", "-o", tmp_path / "one.npy")
    assert "did you mean 'ray'" in complaint(capsys, "encode", table_run, "--engine", "rya", *parts)
    assert "name a file" in complaint(capsys, "sample", table_run, "--where", "c=u", *parts)
    assert "no file or folder" in complaint(capsys, "encode", table_run, "file:///nowhere/t.parquet", *parts)
    assert "no address" in complaint(capsys, "encode", table_run, "nothing://nowhere/t.parquet", *parts)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'lowerbound[ray]'" in complaint(capsys, "encode", table_run, "--engine", "ray", *parts)
    assert not (tmp_path / "parts").exists()


def test_a_column_of_that_name_is_kept(table: Path, table_run: Path, tmp_path: Path) -> None:
    whole = pyarrow.parquet.read_table(table).append_column("row", pyarrow.array(["mine"] * ROWS))
    pyarrow.parquet.write_table(whole, tmp_path / "t.parquet")
    assert main(["impute", str(table_run), f"{tmp_path}/t.parquet", "--samples", "5", "-o", f"{tmp_path}/parts"]) == 0
    assert in_parts(tmp_path / "parts")["row"].to_pylist() == ["mine"] * ROWS


# --- by Ray --------------------------------------------------------------------------------------------
#: a verb in small pieces; of whoever makes them by Ray, one is killed once a part is there
VERB = """
import os, signal, sys
from pathlib import Path
from lowerbound.evaluation import log_likelihood
from lowerbound.interfaces.bulk import on_ray, task
from lowerbound.interfaces.cli import main
def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
def is_ours(pid):
    while pid > 1 and pid != os.getpid():
        pid = parent(pid)
    return pid == os.getpid()
def makers():
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and (place / "cmdline").read_bytes().startswith(b"ray::MapWorker") and is_ours(int(place.name)):
                yield int(place.name)
        except OSError:
            pass
def made(ray, workers, job, begun, numbers, done):
    killed = []
    def killing(number):
        done(number)
        if not killed:
            killed.extend(makers())
            os.kill(killed[0], signal.SIGKILL)
            print("killed one of", len(killed), flush=True)
    whole(ray, workers, job, begun, numbers, killing)
task.ROWS, log_likelihood.MOST, whole, on_ray._made = 64, 64, on_ray._made, made
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.long
def test_ray_makes_the_same_files_though_a_worker_is_killed(table: Path, table_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="pip install 'lowerbound[ray]'")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for name, more in {"ray": ["--engine", "ray", "--workers", "2"], "here": []}.items():
        words = ["score", str(table_run), table.as_uri(), "--samples", "2000", *more, "-o", str(tmp_path / name)]
        found = subprocess.run([sys.executable, "-c", VERB, *words], env=environment, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        assert ("killed one of 2" in found.stdout) == bool(more), found.stdout
    assert [*contents(tmp_path / "ray").values()] == [*contents(tmp_path / "here").values()]
