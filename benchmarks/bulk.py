"""Scoring in bulk by Ray: ``python benchmarks/bulk.py --folder SCRATCH --rows 10000000 --out benchmarks/results/bulk.json``.

A table of six columns is written once, a model trained on its first rows. Measured, each a command of its own: rows scored a second by one
and by two local workers, Ray's start included, and without Ray; and whether a worker that is killed with SIGKILL in the middle leaves the
same files, to the byte, as no Ray at all. All with one thread a process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

GROUP, TRAINED = 250_000, 20_000
LOWERBOUND = (sys.executable, "-m", "lowerbound")


def table(folder: Path, rows: int) -> Path:
    """A Parquet file of one factor, seen in numbers, counts and categories, some cells missing."""
    path = folder / f"table-{rows}.parquet"
    if not path.is_file():
        random, writer = np.random.default_rng(0), None
        for start in range(0, rows, GROUP):
            n = min(GROUP, rows - start)
            z = random.normal(size=n)
            reals = {f"x{i}": z * i / 2 + random.normal(size=n) for i in range(1, 4)}
            columns = {
                **reals,
                "n": random.poisson(np.exp(z / 2)),
                "k": np.where(z > 0, "u", "v"),
                "m": np.digitize(z, [-1, 1]).astype(str),
            }
            holes = random.random((len(columns), n)) < 0.1
            arrays = {name: pyarrow.array(column, mask=hole) for (name, column), hole in zip(columns.items(), holes, strict=True)}
            part = pyarrow.table(arrays)
            writer = writer or pyarrow.parquet.ParquetWriter(path.with_suffix(".coming"), part.schema)
            writer.write_table(part)
        assert writer is not None
        writer.close()
        path.with_suffix(".coming").rename(path)
    return path


def trained(folder: Path, source: Path) -> Path:
    """A run of the first rows, which are taken away, so that no row is ranked among them: ranks take twenty times as long as log p(x)."""
    few, run = folder / "few.parquet", folder / "run"
    if not run.is_dir():
        first = next(pyarrow.parquet.ParquetFile(source).iter_batches(TRAINED))
        pyarrow.parquet.write_table(pyarrow.Table.from_batches([first]), few)
        subprocess.run([*LOWERBOUND, "train", str(few), "--recipe", "miwae", "--epochs", "3", "-o", str(run)], check=True)
        few.unlink()
    return run


def scored(command: list[str], output: Path, *words: str, kill: bool = False) -> float:
    """Seconds of a command that has a folder of parts for its output; with ``kill`` one of its workers is killed after its first parts."""
    started, environment = time.perf_counter(), {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([*command, *words, "-o", str(output)], env=environment) as process:
        if kill:
            threading.Thread(target=killed, args=(process.pid, output), daemon=True).start()
        assert process.wait() == 0, output
    return time.perf_counter() - started


def killed(pid: int, output: Path) -> None:
    """Kill a worker of Ray's below a process, once a few parts are there."""
    while len(list(output.glob("part-*"))) < 3:
        time.sleep(0.2)
    os.kill(
        next(each for each in descendants(pid) if Path(f"/proc/{each}/cmdline").read_bytes().startswith(b"ray::MapWorker")), signal.SIGKILL
    )


def descendants(pid: int) -> list[int]:
    """The processes below one."""
    children = [int(each) for task in Path(f"/proc/{pid}/task").iterdir() for each in (task / "children").read_text().split()]
    return [each for child in children for each in (child, *descendants(child))]


def sums(folder: Path) -> list[str]:
    """SHA-256 of each part."""
    return [hashlib.sha256(part.read_bytes()).hexdigest() for part in sorted(folder.glob("part-*"))]


def main() -> None:
    """Write the figures."""
    asked = argparse.ArgumentParser(description=__doc__)
    for name, kind, usual in (("folder", Path, None), ("rows", int, 10_000_000), ("samples", int, 10), ("out", Path, None)):
        asked.add_argument(f"--{name}", type=kind, default=usual, required=usual is None)
    args = asked.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    source = table(args.folder, args.rows)
    command = [*LOWERBOUND, "score", str(trained(args.folder, source)), str(source), "--samples", str(args.samples)]
    ray = ("--engine", "ray", "--workers")
    ways = {"here": (), "one worker": (*ray, "1"), "two workers": (*ray, "2"), "one of two killed": (*ray, "2")}
    outputs = {name: args.folder / f"parts-{name.replace(' ', '-')}-{time.time_ns()}" for name in ways}
    found: dict[str, Any] = {"rows": args.rows, "samples": args.samples, "load before": os.getloadavg(), "cores": os.cpu_count()}
    seconds = {name: scored(command, outputs[name], *words, kill="killed" in name) for name, words in ways.items()}
    wanted = sums(outputs["here"])
    found |= {"seconds": seconds, "rows a second": {name: args.rows / each for name, each in seconds.items()}, "parts": len(wanted)}
    found["two workers over one"], found["load after"] = seconds["one worker"] / seconds["two workers"], os.getloadavg()
    found["same files"] = {name: sums(output) == wanted for name, output in outputs.items()}
    args.out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
