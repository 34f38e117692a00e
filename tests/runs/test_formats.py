"""A run of every format that there was, as it was written then: it loads, says what it said, and goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lowerbound.evaluation.bound import score
from lowerbound.interfaces.cli import main
from lowerbound.runs import run as runs
from lowerbound.runs.data_record import FORMAT
from lowerbound.runs.experiment import Experiment

FORMATS = sorted(path for path in (Path(__file__).parent / "formats").iterdir() if path.is_dir())


def test_there_is_one_of_each() -> None:
    assert [path.name for path in FORMATS] == [str(number) for number in range(1, FORMAT + 1)]


@pytest.mark.parametrize("folder", FORMATS, ids=lambda path: path.name)
def test_it_is_what_it_was(folder: Path) -> None:
    run = runs.load(folder, "cpu")
    told, found = run.result()["test"], score(run.vae, run.read().test)
    assert found.bound == pytest.approx(told["bound"], abs=4 * told["bound_se"])  # its zeros and ones are drawn anew
    assert found.kl == pytest.approx(told["kl"], rel=0.1)
    assert main(["show", str(folder)]) == 0


@pytest.mark.parametrize("folder", FORMATS, ids=lambda path: path.name)
def test_it_goes_on(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "r")
    experiment = Experiment.resume(copy, epochs=4, device="cpu")
    list(experiment.train())
    assert experiment.finish()["epochs"] == 4
    bounds = [line["train"]["bound"] for line in runs.read_metrics(copy)]
    assert len(bounds) == 4
    assert bounds[-1] > bounds[0]
