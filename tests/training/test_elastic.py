"""Trainings whose processes come and go: launched for real on this machine, and played in this process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch.distributed as dist
from commands import complaint

from lowerbound.data.streams import on_disk
from lowerbound.errors import RunError
from lowerbound.interfaces.cli import main
from lowerbound.recipes.recipe import Recipe
from lowerbound.runs import layout
from lowerbound.runs import run as runs
from lowerbound.runs.elastic import begun_or_resumed, is_complete
from lowerbound.runs.experiment import Experiment
from lowerbound.training.processes import ProcessGroup, joined

RECIPE = Recipe(data="digits", network="mlp:16", precision="float32", epochs=40)


def words(folder: Path, epochs: int) -> list[str]:
    recipe = ["--network", "mlp:16", "--precision", "float32", "--epochs", str(epochs)]
    return ["train", "digits", *recipe, "--out", str(folder), "--device", "cpu", "--save-every", "20"]


# --- in this process -------------------------------------------------------------------------------


def test_a_run_is_begun_where_there_is_none_and_else_taken_up(tmp_path: Path) -> None:
    first = begun_or_resumed(RECIPE, tmp_path / "r", device="cpu")
    next(first.train())
    first.save()
    assert begun_or_resumed(RECIPE, tmp_path / "r", device="cpu").state.step == 1


def test_a_run_whose_data_stayed_on_disk_by_their_size_is_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its recipe says so, and that of the command does not."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((600, 4), np.float32))
    monkeypatch.setattr(on_disk, "memory", lambda: 1_000)
    recipe = Recipe(data=str(tmp_path / "x.npy"), network="mlp:8", epochs=1, pixels="grey")
    first = begun_or_resumed(recipe, tmp_path / "r", device="cpu")
    next(first.train())
    first.save(), first.close()
    again = begun_or_resumed(recipe, tmp_path / "r", device="cpu")
    assert again.state.step == 1
    list(again.train())
    again.finish()
    assert is_complete(tmp_path / "r", recipe)
    assert not is_complete(tmp_path / "r", replace(recipe, stream=False))


def test_what_may_start_again_goes_on_and_says_when_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "1")
    folder = tmp_path / "r"
    left = Experiment.begin(replace(RECIPE, epochs=2), folder, device="cpu")
    next(left.train())
    left.save()
    left.close()
    assert "holds a run already" in complaint(capsys, *words(folder, 3))
    assert "--overwrite would replace the run" in complaint(capsys, *words(folder, 2), "--overwrite")
    assert main(words(folder, 2)) == 0
    result = (folder / layout.RESULT).read_bytes()
    capsys.readouterr()
    for again in (words(folder, 2), ["resume", str(folder)], ["resume", str(folder), "--epochs", "2"]):
        assert main(again) == 0
        assert "is complete" in capsys.readouterr().out
    assert (folder / layout.RESULT).read_bytes() == result
    assert not is_complete(folder, replace(RECIPE, epochs=3))


def test_a_group_that_is_there_is_taken_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ray makes one before a worker's function is called."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with joined("cpu") as (group, device):
            assert (group.rank, group.size, device) == (0, 1, "cpu")
        assert dist.is_initialized()
    finally:
        dist.destroy_process_group()


def test_machines_that_see_other_states_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = Experiment.begin(RECIPE, tmp_path / "r", device="cpu")
    left.close()
    find = ProcessGroup.broadcast

    def other(group: ProcessGroup, find_step: Callable[[], object]) -> object:
        found = find(group, find_step)
        return found + 20 if isinstance(found, int) else found

    monkeypatch.setattr(ProcessGroup, "broadcast", other)
    with pytest.raises(RunError, match="stands at step 0 here and at 20 where the first process is"):
        Experiment.resume(tmp_path / "r", device="cpu")


# --- several processes -----------------------------------------------------------------------------


def launched(options: Sequence[str], verb: Sequence[str]) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "lowerbound", "launch", *options, "--", *verb]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for_epochs(job: subprocess.Popen[str], folder: Path, epochs: int) -> None:
    metrics, until = folder / layout.METRICS, time.monotonic() + 200
    while not (metrics.exists() and len(metrics.read_text().splitlines()) >= epochs):
        assert job.poll() is None, job.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)


def workers(job: subprocess.Popen[str]) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(job.pid)], capture_output=True, text=True, check=False).stdout
    return [int(number) for number in found.split()]


def must_be_as_undisturbed(folder: Path, epochs: int) -> None:
    alone = Experiment.begin(
        Recipe(data="digits", network="mlp:16", precision="float32", epochs=epochs), folder.parent / "one", device="cpu"
    )
    list(alone.train())
    found, usual = ([line["train"]["bound"] for line in runs.read_metrics(path)] for path in (folder, alone.run.folder))
    assert len(found) == epochs
    assert found == pytest.approx(usual, rel=1e-4)


@pytest.mark.long
def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    job = launched(["--nproc-per-node", "2"], words(tmp_path / "r", 40))
    wait_for_epochs(job, tmp_path / "r", 3)
    os.kill(max(workers(job)), signal.SIGKILL)
    out, err = job.communicate(timeout=300)
    assert job.returncode == 0, err
    assert out.count("report:") == 1
    must_be_as_undisturbed(tmp_path / "r", 40)


@pytest.mark.long
def test_a_node_that_comes_later_is_let_in(tmp_path: Path) -> None:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        options = ["--nnodes", "1:2", "--rdzv-endpoint", f"127.0.0.1:{trial.getsockname()[1]}"]
    verb, folder = words(tmp_path / "r", 100_000), tmp_path / "r"
    first = launched(options, verb)
    wait_for_epochs(first, folder, 3)
    second, until = launched(options, verb), time.monotonic() + 200
    while not workers(second):
        assert second.poll() is None, second.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
    wait_for_epochs(second, folder, len(runs.read_metrics(folder)) + 2)
    for job in (first, second):
        job.terminate()
    out, other = (job.communicate(timeout=200)[0] for job in (first, second))
    assert out.count("stopped after step") >= 1, "to let the other in"
    assert (out + other).count("stopped after step") == 2, "by whoever was the first process, and all was saved"
    done = runs.read_metrics(folder)
    assert [line["epoch"] for line in done] == list(range(1, len(done) + 1))
    must_be_as_undisturbed(folder, len(done))
