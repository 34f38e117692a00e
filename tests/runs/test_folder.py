"""A run folder as it is written: whose it is, what is removed from it, and what stays where writing fails."""

from __future__ import annotations

import contextlib
import errno
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest
from trainings import SMALL, begun, resumed

from lowerbound.errors import OutputError, RunError
from lowerbound.interfaces.cli import main
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.folder import EARNED
from lowerbound.runs.run import Run, is_begun, load


def test_a_taken_folder_is_left_alone(digits_run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds a run already"):
        Experiment.begin(Recipe(**SMALL), digits_run.folder, device="cpu")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(RunError, match="exists and is no run"):
            Experiment.begin(Recipe(**SMALL), tmp_path / "photos", overwrite=overwrite, device="cpu")
    assert (tmp_path / "photos" / "mine.txt").read_text() == "precious"


def test_overwriting_removes_a_run_and_nothing_else(digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / "notes.txt").write_text("mine")
    (folder / layout.FIGURES / "mine.txt").write_text("mine")
    Experiment.begin(Recipe(epochs=1), folder, overwrite=True, device="cpu")
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == sorted(
        [layout.LOCK, "notes.txt", layout.RECIPE, layout.DATA, layout.ENVIRONMENT, layout.WEIGHTS, layout.TRAINING]
    )
    assert [path.name for path in (folder / layout.FIGURES).iterdir()] == ["mine.txt"]


def test_an_overwriting_that_fails_leaves_the_old_run(digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "r")
    (folder / layout.FIGURES / "curves.png").unlink()
    (folder / layout.FIGURES / "curves.png").mkdir()
    with pytest.raises(OutputError, match="a folder stands where"):
        Experiment.begin(Recipe(**SMALL), folder, overwrite=True, device="cpu")
    assert load(folder).result() is not None


def test_a_full_disk_leaves_no_half_written_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="no space left on the disk"):
        Experiment.begin(Recipe(**SMALL), tmp_path / "r", device="cpu")
    assert not (tmp_path / "r").exists()


def test_a_run_without_its_states_is_not_taken_for_one_that_was_only_begun(digits_run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(digits_run.folder, tmp_path / "published")
    for name in (layout.TRAINING, layout.BEFORE):
        (folder / name).unlink(missing_ok=True)
    for name in (None, layout.RESULT, layout.REPORT, layout.METRICS, layout.RECIPE, layout.BEST):
        if name is not None:
            (folder / name).unlink()
        if any((folder / name).exists() for name in (*EARNED, layout.RECIPE)):
            with pytest.raises(RunError, match=r"holds a run already|is no run"):
                Experiment.begin(Recipe(**SMALL), folder, device="cpu")


@pytest.mark.parametrize("files", range(7))
def test_killed_as_it_began_it_is_in_nobodys_way(files: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = iter(range(files))

    def replace(path: Path, target: Path) -> Path:
        if next(written, None) is None:
            raise KeyboardInterrupt
        return original(path, target)

    original = Path.replace
    monkeypatch.setattr(Path, "replace", replace)
    with contextlib.suppress(KeyboardInterrupt):
        Experiment.begin(Recipe(**SMALL), tmp_path / "r", device="cpu").close()
    monkeypatch.undo()
    if is_begun(tmp_path / "r"):
        Experiment.resume(tmp_path / "r", device="cpu").close()
    else:
        Experiment.begin(Recipe(**SMALL), tmp_path / "r", device="cpu").close()


def test_two_trainings_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = begun(tmp_path / "r")
    list(islice(first.train(), 3))
    before = {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir() if path.is_file()}
    for words in (["resume", str(tmp_path / "r")], ["train", "--out", str(tmp_path / "r"), "--overwrite"]):
        with ThreadPoolExecutor(1) as elsewhere:  # as in another process
            assert elsewhere.submit(main, words).result() == 2
        assert "another training is writing into" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "r").iterdir() if path.is_file()} == before
    list(first.train())
    first.finish()
    resumed(tmp_path / "r", epochs=5)
