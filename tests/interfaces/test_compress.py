"""``compress`` and ``decompress`` on the command line: what comes back, what is printed, and what is refused in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import answer, complaint
from trainings import whole

from lowerbound.interfaces.cli import main
from lowerbound.runs.run import Run

pytest.importorskip("constriction", reason="pip install 'lowerbound[compression]'")


@pytest.fixture(scope="module")
def levels_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one of the levels of a pixel."""
    folder = tmp_path_factory.mktemp("runs") / "levels"
    whole(folder, likelihood="beta-binomial", epochs=2)
    return folder


@pytest.fixture(scope="module")
def file(levels_run: Path) -> Path:
    """Twenty digits."""
    path = levels_run.parent / "digits.lbz"
    assert main(["compress", str(levels_run), "--rows", "20", "--block", "8", "-o", str(path)]) == 0
    return path


def test_data_come_back_as_their_files_have_them(levels_run: Path, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "decompress", file, "-o", tmp_path / "back.npy")
    assert (found["n"], found["run"]) == (20, str(levels_run))
    back = np.load(tmp_path / "back.npy")
    from lowerbound.data import load

    digits = load("digits").whole
    assert digits is not None
    assert (back == digits.array[:20].numpy()).all()
    assert back.dtype == np.uint8
    answer(capsys, "decompress", file, "--rows", "6:11", "-o", tmp_path / "some.npz")
    assert (np.load(tmp_path / "some.npz")["data"] == back[6:11]).all()


def test_sizes_stand_beside_the_bound_and_others(levels_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "digits.lbz"
    found = answer(capsys, "compress", levels_run, "--split", "test", "-o", path)
    assert found["bytes"]["lowerbound"] == path.stat().st_size
    bits = found["bits_per_dim"]
    assert bits["lowerbound"] == pytest.approx(8 * path.stat().st_size / (found["n"] * 64))
    assert bits["lowerbound"] == pytest.approx(bits["bound"], rel=0.03)
    assert {"gzip", "bz2", "lzma", "WebP, a sheet"} < set(bits)
    assert main(["compress", str(levels_run), "--split", "test", "-o", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "−bound" in shown
    assert shown.endswith(f"{path.stat().st_size:,} bytes: {path}\n")


def test_binarized_greys_are_noted(digits_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "compress", digits_run.folder, "--rows", "30", "--seed", "4", "-o", tmp_path / "d.lbz")
    assert found["binarized"]
    assert found["notes"] == ["grey pixels were binarized (seed 4): the file holds those zeros and ones"]
    answer(capsys, "decompress", tmp_path / "d.lbz", "-o", tmp_path / "d.npy")
    assert set(np.unique(np.load(tmp_path / "d.npy"))) == {0, 255}


def test_a_run_is_found_beside_its_file_or_where_it_is_said_to_be(
    levels_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(levels_run, tmp_path / "here" / "run")
    monkeypatch.chdir(tmp_path / "here")
    answer(capsys, "compress", "run", "--rows", "3", "-o", "d.lbz")
    monkeypatch.chdir(tmp_path)
    answer(capsys, "decompress", "here/d.lbz", "-o", "back.npy")
    shutil.move(tmp_path / "here" / "run", tmp_path / "there")
    assert "by the run run, which is not there; say where it is with --run" in complaint(
        capsys, "decompress", "here/d.lbz", "-o", "back.npy"
    )
    answer(capsys, "decompress", "here/d.lbz", "--run", "there", "-o", "back.npy")


def test_what_is_wrong_is_one_line(
    levels_run: Path, file: Path, digits_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    back = tmp_path / "back.npy"
    damaged = tmp_path / "damaged.lbz"
    damaged.write_bytes(file.read_bytes()[:-3])
    assert "is cut short in block 2: examples 16 to 19 are lost" in complaint(capsys, "decompress", damaged, "-o", back)
    assert "these weights are others" in complaint(capsys, "decompress", file, "--run", digits_run.folder, "-o", back)
    assert "no file of lowerbound compress" in complaint(capsys, "decompress", __file__, "-o", back)
    assert "No such file" in complaint(capsys, "decompress", tmp_path / "none.lbz", "-o", back)
    assert "--rows '1-2' is not understood" in complaint(capsys, "decompress", file, "--rows", "1-2", "-o", back)
    assert "has 20 examples, and none of these rows" in complaint(capsys, "decompress", file, "--rows", "20:", "-o", back)
    assert "name the output FILE.lbz" in complaint(capsys, "compress", levels_run, "-o", tmp_path / "d.zip")
    assert not back.exists()


def test_a_run_that_no_code_is_made_of_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole(tmp_path / "greys", likelihood="gaussian", epochs=1)
    said = complaint(capsys, "compress", tmp_path / "greys", "-o", tmp_path / "d.lbz")
    assert "Gaussian gives no probability to exact values" in said
    assert "beta-binomial" in said
    assert not (tmp_path / "d.lbz").exists()


def test_without_constriction_the_extra_is_named(
    levels_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "constriction", None)
    assert "pip install 'lowerbound[compression]'" in complaint(capsys, "compress", levels_run, "-o", tmp_path / "d.lbz")


def test_a_table_comes_back_to_the_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "table.csv"
    table.write_text("x,y\n" + "".join(f"{row * 37 % 101 / 10:.1f},{'ab'[row % 2]}\n" for row in range(60)))
    assert main(["train", str(table), "--likelihood", "columns", "--epochs", "1", "--batch", "10", "--out", str(tmp_path / "run")]) == 0
    found = answer(capsys, "compress", tmp_path / "run", table, "-o", tmp_path / "t.lbz")
    assert found["n"] == 60
    assert set(found["bytes"]) == {"lowerbound", "gzip", "bz2", "lzma"}
    answer(capsys, "decompress", tmp_path / "t.lbz", "-o", tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == table.read_bytes()
    assert "holds a table; name the output FILE.csv or FILE.tsv" in complaint(
        capsys, "decompress", tmp_path / "t.lbz", "-o", tmp_path / "b.npy"
    )
    assert "leave out --rows and --split" in complaint(capsys, "compress", tmp_path / "run", "--rows", "3", "-o", tmp_path / "t.lbz")


def test_an_array_with_holes_comes_back_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance, path = np.random.default_rng(0), tmp_path / "x.npy"
    counts = chance.poisson(3, (60, 5)).astype(np.float32)
    counts[chance.random(counts.shape) < 0.2] = np.nan
    np.save(path, counts)
    assert main(["train", str(path), "--likelihood", "poisson", "--epochs", "1", "--batch", "10", "--out", str(tmp_path / "run")]) == 0
    found = answer(capsys, "compress", tmp_path / "run", path, "-o", tmp_path / "x.lbz")
    assert found["bits_per_dim"]["lowerbound"] == pytest.approx(8 * found["bytes"]["lowerbound"] / np.isfinite(counts).sum())
    answer(capsys, "decompress", tmp_path / "x.lbz", "-o", tmp_path / "back.npy")
    back = np.load(tmp_path / "back.npy")
    assert back.dtype == counts.dtype
    assert np.array_equal(back, counts, equal_nan=True)
