"""Loops are compiled once: what one process kept the next one calls, without numba; and where nothing can be kept, all works as well."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lowerbound.system.compiled import loops

#: loops of two files: of tensors, and of arrays to the bit
CALLS = """
import sys, pathlib, numpy as np, torch
from lowerbound.system import compiled
from lowerbound.system.compiled import loops

loops._folders = lambda: [pathlib.Path(sys.argv[1])]
torch.manual_seed(0)
print(compiled.log_prob_of_bits(torch.randn(3, 5), torch.rand(3, 5).round()).tolist())
x = np.linspace(-2, 2, 6)
compiled.fixed.settle(6, 3, 2, 9.0, 3.0, np.zeros(2), x)
print(x.tolist(), "numba" in sys.modules)
"""


def called(folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", CALLS, str(folder)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only folder that there is for what is kept."""
    monkeypatch.setattr(loops, "_folders", lambda: [tmp_path])
    return tmp_path


RIGHT = [1.0, 2.0, -1.0, 0.0]  # .8, 3.2, −.6 and .2 as whole numbers, of at most 2


def found() -> list[float]:
    """What a loop makes of four numbers."""
    x = np.array([0.4, 1.6, -0.3, 0.1])
    loops.Loops("fixed").settle(4, 2, 2, 2.0, 2.0, np.zeros(2), x)
    return list(x.tolist())


@pytest.mark.long
def test_what_one_process_compiles_the_next_one_calls_without_numba(tmp_path: Path) -> None:
    first, second = called(tmp_path), called(tmp_path)
    assert "True" in first
    assert second == first.replace("True", "False")


def test_this_process_found_what_was_kept_or_keeps_it(nowhere: Path) -> None:
    first = found()
    (file,) = nowhere.iterdir()
    kept = file.stat()
    assert first == RIGHT == found()
    assert file.stat() == kept


@pytest.mark.parametrize("damage", [lambda kept: b"", lambda kept: kept[:-7], lambda kept: kept[:100] + b"\x01" + kept[101:]])
def test_what_was_damaged_is_compiled_again(nowhere: Path, damage) -> None:  # type: ignore[no-untyped-def]
    found()
    (file,) = nowhere.iterdir()
    kept = file.read_bytes()
    file.write_bytes(damage(kept))
    assert found() == RIGHT
    assert len(file.read_bytes()) == len(kept)


def test_a_folder_that_cannot_be_made_is_passed_over(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / "file").write_text("")
    monkeypatch.setattr(loops, "_folders", lambda: [nowhere / "file" / "below", nowhere / "made"])
    assert found() == RIGHT
    assert [path.suffix for path in (nowhere / "made").iterdir()] == [".machine"]


def test_without_a_folder_every_process_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_folders", list)
    assert found() == RIGHT


def test_a_loop_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="fixed has no loop unheard_of"):
        loops.Loops("fixed").unheard_of(1)
