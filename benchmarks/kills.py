"""Trainings on shards that are killed: ``python benchmarks/kills.py --folder SCRATCH --kills 50 --others 20``.

A tiny model is trained from the command line on a folder of shards, killed (SIGKILL) at a random moment after its first state was kept, and
resumed: its weights are to be, byte for byte, those of one that nobody disturbed. Others are killed as one process and resumed as two
(torchrun): each writes down which rows a step asked for, which are to be each row once an epoch, and of a step taken twice the same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.data.streams.blocks import StreamedRows
from lowerbound.data.streams.writing import ShardWriter
from lowerbound.runs import layout
from lowerbound.runs.run import is_begun
from lowerbound.runs.snapshots import Every
from lowerbound.training.processes import joined

WORDS: dict[str, Any] = {"epochs": 3, "batch": 64, "network": "mlp:32", "seed": 1}
SAVED, REPEATED = 40, 20  # steps between states; times that the digits are repeated
HANGS = 600.0  # seconds


def made(folder: Path) -> Path:
    """Shards of 35,940 digits, a little noise on each."""
    digits, noise = lb.data.load("digits").whole[:], torch.Generator().manual_seed(0)
    if not (folder / "shards" / "shards.json").is_file():
        with ShardWriter(folder / "shards") as writer:
            for _ in range(REPEATED):
                writer.add("train", Dataset((digits + 0.05 * torch.rand(digits.shape, generator=noise)).clamp(0, 1)))
    return folder / "shards"


def started(*words: object, processes: int = 1) -> subprocess.Popen[bytes]:
    """A command of Python's, by torchrun where it is several."""
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    known: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
    return subprocess.Popen([sys.executable, *several, *map(str, words)], **known)


def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for its end, which is to be a good one."""
    _, errors = process.communicate(timeout=HANGS)
    if process.returncode:
        raise SystemExit(f"{process.args} ended with {process.returncode}: {errors.decode()[-2000:]}")


def begun(run: Path, *words: object) -> subprocess.Popen[bytes]:
    """A training in a new folder, once there is something to go on from."""
    shutil.rmtree(run, ignore_errors=True)
    process = started(*words)
    while not is_begun(run) and process.poll() is None:
        time.sleep(0.01)
    return process


def killed(run: Path, seconds: float, chance: random.Random, *words: object) -> float:
    """Begin a training and kill it at a random moment of the seconds that one takes, which is given, and again if it had ended before."""
    process = begun(run, *words)
    time.sleep(moment := chance.random() * seconds)
    process.kill()
    process.communicate(timeout=HANGS)
    return moment if process.returncode == -signal.SIGKILL and not (run / layout.RESULT).is_file() else killed(run, seconds, chance, *words)


def same_weights(folder: Path, kills: int, chance: random.Random) -> dict[str, Any]:
    """The seconds that a training takes; for each kill after how many it came, and whether the weights are those of one left alone."""
    whole, run, found = folder / "whole", folder / "killed", []
    options = [word for name, value in WORDS.items() for word in (f"--{name}", value)]
    words = ["-m", "lowerbound", "train", made(folder), *options, "--save-every", SAVED, "--device", "cpu", "-o"]
    process, since = begun(whole, *words, whole), time.perf_counter()
    ended(process)
    seconds = time.perf_counter() - since
    for _ in range(kills):
        found.append({"after_seconds": killed(run, seconds, chance, *words, run)})
        ended(started("-m", "lowerbound", "resume", run, "--device", "cpu"))
        found[-1]["same"] = (run / layout.WEIGHTS).read_bytes() == (whole / layout.WEIGHTS).read_bytes()
        print(found[-1], flush=True)
    return {"seconds": seconds, "same": sum(one["same"] for one in found), "of": len(found), "kills": found}


def recording(folder: Path, shards: Path) -> None:
    """Train or resume, and write down at each step the rows that this process asked for; first where it begins, and of how many rows."""
    asked: list[tuple[int, list[int]]] = []
    select = StreamedRows.index_select

    def recorded(self: StreamedRows, axis: int, rows: torch.Tensor) -> torch.Tensor:
        asked.append((id(self), rows.tolist()))
        return select(self, axis, rows)

    StreamedRows.index_select = recorded  # type: ignore[method-assign]
    with joined("cpu") as (group, device):
        common: dict[str, Any] = {"device": device, "group": group, "every": Every(steps=SAVED)}
        again, recipe = is_begun(folder), lb.Recipe(data=str(shards), **WORDS)
        experiment = lb.Experiment.resume(folder, **common) if again else lb.Experiment.begin(recipe, folder, **common)
        train, first = experiment.trainer.setup.train, experiment.state.step
        with (folder.parent / f"rows-{int(again)}-{group.rank}.jsonl").open("w") as log:
            print(json.dumps([first, len(train)]), file=log, flush=True)
            asked.clear()
            for record in experiment.train():
                rows = [rows for of, rows in asked if of == id(train.array)][-1]  # before the first step it looked at some more
                print(json.dumps([record.step, rows]), file=log, flush=True)
                asked.clear()
        experiment.finish()


def same_rows(folder: Path, kills: int, chance: random.Random, seconds: float) -> dict[str, Any]:
    """For each kill the step that was gone on from, and whether all saw each row once an epoch, and at each step the rows of that step."""
    run, found = folder / "shared", []
    words, epochs = (Path(__file__).resolve(), "--child", run, made(folder)), WORDS["epochs"]
    for _ in range(kills):
        killed(run, seconds, chance, *words)
        ended(started(*words, processes=2))
        logs = [(folder / f"rows-{name}.jsonl").read_text().splitlines() for name in ("0-0", "1-0", "1-1")]
        (_, *before), ((step, rows), *mine), (_, *others) = ([json.loads(line) for line in log if line.endswith("]")] for log in logs)
        both = {number: sorted(some + more) for (number, some), (_, more) in zip(mine, others, strict=True)}
        seen = {number: sorted(some) for number, some in before if number <= step} | both
        steps = len(seen) // epochs
        each = [sorted(row for number, some in seen.items() if (number - 1) // steps == epoch for row in some) for epoch in range(epochs)]
        again = all(sorted(some) == both[number] for number, some in before if number in both)
        found.append({"resumed_from_step": step, "of": len(seen), "same": again and each == [[*range(rows)]] * epochs})
        print(found[-1], flush=True)
    return {"same": sum(one["same"] for one in found), "of": len(found), "kills": found}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        raise SystemExit(recording(Path(sys.argv[2]), Path(sys.argv[3])))
    parser = argparse.ArgumentParser(description="Trainings on shards, killed and resumed.")
    parser.add_argument("--folder", type=Path, required=True, help="where runs are made")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--others", type=int, default=20, help="kills of one process, resumed as two")
    typed, chance = parser.parse_args(), random.Random(0)  # noqa: S311 - moments of kills
    weights = same_weights(typed.folder, typed.kills, chance)
    rows = same_rows(typed.folder, typed.others, chance, weights["seconds"])
    found = json.dumps({"one_process": weights, "one_then_two": rows}, indent=2)
    (Path(__file__).parent / "results" / "kills.json").write_text(found + "\n", encoding="utf-8")
