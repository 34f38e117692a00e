"""A run of every kind and format that there was, as it was written then: it loads, says what it said, is evaluated, and goes on."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from commands import answer

from lowerbound.evaluation.mean_bound import mean_bound
from lowerbound.interfaces.cli import main
from lowerbound.runs.data_record import FORMAT
from lowerbound.runs.experiment import Experiment
from lowerbound.runs.run import load, read_metrics

FORMATS = Path(__file__).parent / "formats"
KINDS = ["vae", "conditional", "m2", "table", "completion"]
RUNS = sorted(path.relative_to(FORMATS).as_posix() for path in FORMATS.glob("*/*/"))


@pytest.fixture(params=RUNS)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a run, its table beside it, which its recipe names as somebody does who is there."""
    number, kind = request.param.split("/")
    shutil.copytree(FORMATS / number / kind, tmp_path / kind)
    shutil.copy(FORMATS / number / "people.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    return Path(kind)


def test_there_is_one_of_each() -> None:
    assert sorted(RUNS) == sorted(f"{number}/{kind}" for number in range(1, FORMAT + 1) for kind in KINDS)


def test_nothing_of_a_machine_is_in_it() -> None:
    for path in FORMATS.glob("*/*/*.*"):
        assert path.suffix == ".safetensors" or '"/' not in path.read_text(), path


def test_it_is_what_it_was(folder: Path) -> None:
    run = load(folder, "cpu")
    then, test = run.result()["test"], run.read().test
    found = [mean_bound(run.vae, test, objective=run.parts.objective, seed=seed) for seed in range(20)]
    for name in ("bound", "kl"):  # which were of one such seed
        each = torch.tensor([getattr(one, name) for one in found])
        assert abs(then[name] - float(each.mean())) < 5 * float(each.std()) + 1e-3, name


def test_it_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "show", folder)
    assert (found["epochs"], found["result"]) == (2, load(folder, "cpu").result())


def test_it_is_evaluated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "evaluate", folder, "--samples", "20", "--rows", "8", "--device", "cpu")
    assert math.isfinite(found["log_likelihood"]["mean"])
    then = load(folder, "cpu").evaluation()
    assert then is None or found.keys() >= then.to_json().keys()


def test_what_was_evaluated_is_read(tmp_path: Path) -> None:
    for run in (load(FORMATS / name, "cpu") for name in RUNS if name.endswith("m2")):
        then = run.evaluation()
        assert (then.rows, sum(map(sum, then.classifier.confusion))) == (run.record.test, run.record.test)
        kept = json.loads((FORMATS / "1" / "m2" / "evaluation.json").read_text())
        assert {key: kept[key] for key in then.to_json()} == then.to_json()
        assert main(["plot", str(run.folder), "density", "-o", str(tmp_path / "density.png")]) == 0


def test_it_goes_on(folder: Path) -> None:
    experiment = Experiment.resume(folder, epochs=4, device="cpu")
    list(experiment.train())
    assert experiment.finish()["epochs"] == 4
    bounds = [line["train"]["bound"] for line in read_metrics(folder)]
    assert len(bounds) == 4
    assert bounds[-1] > bounds[0]
