"""Runs of several seeds are those of one each, to the bit, and go on where they were left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import lowerbound as lb
from lowerbound.errors import DataError, RunError, UsageError
from lowerbound.interfaces import seeds
from lowerbound.interfaces.cli import main
from lowerbound.interfaces.seeds import Setting, train_seeds
from lowerbound.runs.experiment import Experiment

RECIPE = lb.Recipe(data="digits", latent="2", epochs=2, network="mlp:16")
CPU = Setting(device="cpu")


def figures(folder: Path) -> list[dict[str, object]]:
    """What each epoch left, but for its time."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: line[name] for name in ("epoch", "train", "validation")} for line in lines]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeds")
    assert sorted(each.seed for each in train_seeds(RECIPE, [0, 1, 5], folder, CPU)) == [0, 1, 5]
    return folder


@pytest.mark.parametrize("seed", [0, 5])
def test_each_is_the_run_of_its_seed_by_one_thread(three: Path, tmp_path: Path, seed: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        experiment = Experiment.begin(lb.Recipe(**{**RECIPE.words(), "seed": seed}), tmp_path / "alone", device="cpu")
        for _ in experiment.train():
            pass
        result = experiment.finish()
    finally:
        torch.set_num_threads(before)
    ours, alone = three / f"seed-{seed}", tmp_path / "alone"
    assert figures(ours) == figures(alone)
    assert (ours / "weights.safetensors").read_bytes() == (alone / "weights.safetensors").read_bytes()
    assert json.loads((ours / "result.json").read_text())["test"] == result["test"]
    assert (ours / "report.html").is_file()


def test_what_is_complete_is_not_trained_again(three: Path) -> None:
    before = (three / "seed-1" / "result.json").stat().st_mtime_ns
    (found,) = train_seeds(RECIPE, [1], three, CPU)
    assert found.result["epochs"] == 2
    assert (three / "seed-1" / "result.json").stat().st_mtime_ns == before
    with pytest.raises(RunError):  # another recipe's run is there
        list(train_seeds(lb.Recipe(**{**RECIPE.words(), "latent": "3"}), [1], three, CPU))


def test_the_command_says_each_and_how_far_they_differ(three: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "digits", "--latent", "2", "--epochs", "2", "--network", "mlp:16", "--device", "cpu"]
    assert main([*words, "--seeds", "0-1,5", "--out", str(three), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    bounds = [run["test"]["bound"] for run in said["runs"]]
    assert [run["seed"] for run in said["runs"]] == [0, 1, 5]
    assert said["mean"]["bound"] == pytest.approx(sum(bounds) / 3)
    assert said["standard_deviation"]["bound"] == pytest.approx(float(torch.tensor(bounds, dtype=torch.float64).std()))
    assert main([*words, "--seeds", "5", "--out", str(three)]) == 0
    assert "seed 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "3-1"], "'3-1' is no seed"),
        (["--seeds", "a"], "'a' is no seed"),
        (["--seeds", "1,1"], "named twice"),
        (["--seeds", "0-1", "--seed", "3"], "leave --seed out"),
    ],
)
def test_a_mistake_gets_one_line(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "digits", *words, "--out", str(tmp_path / "r")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_an_error_of_one_ends_all_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        list(train_seeds(lb.Recipe(data="nowhere.npy"), [0, 1, 2], tmp_path, CPU))
    with pytest.raises(UsageError, match="named twice"):
        list(train_seeds(RECIPE, [1, 1], tmp_path, CPU))


@pytest.mark.long  # a minute; of one training tests/runs/test_trainer.py says the same
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to ask a process with")
def test_what_is_interrupted_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "lowerbound", "train", "digits", "--latent", "2", "--network", "mlp:16", "--epochs", "400"]
    words += ["--seeds", "0-1", "--device", "cpu", "--save-every", "90000"]
    with subprocess.Popen([*words, "--out", str(tmp_path / "left")], stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        metrics = tmp_path / "left" / "seed-0" / "metrics.jsonl"
        deadline = time.monotonic() + 120
        while not (metrics.is_file() and metrics.read_text().count("\n") > 2):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 130, out
    assert not (tmp_path / "left" / "seed-0" / "result.json").exists()
    for name in ("left", "whole"):
        subprocess.run([*words, "--out", str(tmp_path / name)], check=True, capture_output=True, env=os.environ)
    for seed in (0, 1):
        left, whole = tmp_path / "left" / f"seed-{seed}", tmp_path / "whole" / f"seed-{seed}"
        assert figures(left) == figures(whole)
        assert (left / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()


def _killed(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_process_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seeds, "_trained", _killed)
    with pytest.raises(RunError, match="was killed"):
        list(train_seeds(RECIPE, [0, 1], tmp_path, CPU))
