"""``lowerbound data SOURCE`` says what is read of it, and shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import answer, complaint
from PIL import Image

from lowerbound.interfaces.cli import main

RANDOM = np.random.default_rng(0)


def test_a_named_set_is_described_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "data", "digits", "-o", tmp_path / "s.png")
    assert found["parts"] == {"train": 1457, "validation": 161, "test": 179}
    assert found["shape"] == [1, 8, 8]
    assert (found["values"], found["least"], found["greatest"], found["missing"]) == ("greys", 0, 1, 0)
    assert sum(found["classes"].values()) == 1797
    with Image.open(tmp_path / "s.png") as image:
        assert image.width == image.height > 300
        assert np.asarray(image).std() > 20


KINDS = {
    "bits": (RANDOM.random((40, 5)) < 0.3).astype(np.uint8),
    "greys": RANDOM.integers(0, 256, (40, 6, 6)).astype(np.uint8),
    "reals": RANDOM.normal(size=(40, 5)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_numbers_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    np.save(tmp_path / "a.npy", KINDS[kind])
    found = answer(capsys, "data", tmp_path / "a.npy")
    assert found["values"] == kind
    assert found["classes"] == {}
    assert any("read as bits" in note for note in found["notes"]) == (kind == "bits")


def test_a_range_and_a_size_are_those_of_a_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(20):
        Image.fromarray(RANDOM.integers(0, 4096, (9, 7)).astype(np.uint16)).save(tmp_path / f"{number}.png")
    dark = answer(capsys, "data", tmp_path)
    assert dark["greatest"] < 0.07
    assert "greatest value is 40" in dark["notes"][0]
    found = answer(capsys, "data", tmp_path, "--range", "0:4095", "--size", 4)
    assert (found["shape"], found["notes"]) == ([1, 4, 4], [])
    assert 0.4 < found["mean"] < 0.6


def test_missing_values_are_counted_and_mistakes_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = RANDOM.normal(size=(40, 5))
    values[3, 2] = values[7, 0] = np.nan
    np.save(tmp_path / "a.npy", values)
    assert answer(capsys, "data", tmp_path / "a.npy")["missing"] == 2
    assert "not images" in complaint(capsys, "data", tmp_path / "a.npy", "-o", tmp_path / "s.png")
    assert "leave that out" in complaint(capsys, "data", tmp_path / "a.npy", "--size", "4")
    assert "name it too" in complaint(capsys, "data", "--types", "x.toml")
    (tmp_path / "t.csv").write_text("a,b\n" + "1.5,2\n2.5,3\n" * 5)
    assert "a range is for arrays" in complaint(capsys, "data", tmp_path / "t.csv", "--range", "0:1")


def test_notes_on_reading_reach_every_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """stderr, ``--json``, data.json, result.json, the report, ``show`` and what is done with the run."""
    bits = np.random.default_rng(0).random((60, 4, 4)) < 0.3
    np.savez(tmp_path / "bits.npz", images=bits.astype(np.uint8), junk=np.zeros(3))
    source, run = str(tmp_path / "bits.npz"), tmp_path / "run"
    left, of_bits = f"{source}: not read: junk", f"{source}: whole numbers 0 and 1 are read as bits; where 255 is white, say --range 0:255"
    assert main(["train", source, "--epochs", "1", "--network", "mlp:4", "--batch", "16", "--out", str(run), "--json"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["notes"][:2] == [of_bits, left]
    assert printed.err.count(left) == 1
    for name in ("data.json", "result.json"):
        assert json.loads((run / name).read_text())["notes"][:2] == [of_bits, left], name
    assert left in (run / "report.html").read_text()
    assert main(["show", str(run)]) == 0
    assert left in capsys.readouterr().out
    score = ["score", str(run), source, "--samples", "2", "-o", str(tmp_path / "s.csv")]
    for words, noted in ((["evaluate", str(run), "--samples", "2"], [left, of_bits]), (score, [left])):
        assert main([*words, "--json"]) == 0
        printed = capsys.readouterr()
        assert json.loads(printed.out)["notes"] == noted
        assert f"note: {left}" in printed.err
