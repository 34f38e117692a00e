"""Data larger than memory: ``python benchmarks/streams.py --folder SCRATCH --gigabytes 20 --out FILE.json``.

Rows of 784 random bytes are written once as shards. Measured, each in a process of its own that may have 2 GB (a memory cgroup, its page
cache counted, where one may be made): the most resident memory of a training on all shards, and its pace; reading alone, without a step,
of what is not in the page cache, beside ``dd`` of as many bytes. And, without a limit and of as many rows as fit, the pace of a training on
shards that are in the page cache, over that on the same rows in memory, interleaved, the median of the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

import lowerbound as lb
from lowerbound.data import Dataset
from lowerbound.data.streams.writing import ShardWriter
from lowerbound.training.batches import batches_of

PIXELS, BATCH, PIECE = 784, 128, 100_000
LIMIT = 2 * 2**30
CGROUP = Path("/sys/fs/cgroup/memory/lowerbound-streams")
SMALL = 400_000  # rows of what is compared with memory
TURNS, STEPS = 7, 400

# --- data --------------------------------------------------------------------------------------------


def made(folder: Path, rows: int) -> Path:
    """Shards of as many rows, a thousandth of them test data; made where they are not there."""
    target = folder / f"shards-{rows}"
    if not (target / "shards.json").is_file():
        random = np.random.default_rng(0)
        with ShardWriter(target) as writer:
            for start in range(0, rows, PIECE):
                n = min(PIECE, rows - start)
                writer.add("train", Dataset(torch.from_numpy(np.frombuffer(random.bytes(n * PIXELS), np.uint8).reshape(n, PIXELS).copy())))
            writer.add("test", Dataset(torch.zeros(1000, PIXELS, dtype=torch.uint8)))
    return target


def forget(folder: Path) -> None:
    """Have nothing of the folder in the page cache."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# --- what is measured, each in a process of its own ----------------------------------------------------


def vae() -> lb.VAE:
    """The lesson's network."""
    with lb.seeding.seeded(0, "weights"):
        return lb.VAE(
            prior=lb.priors.StandardNormal(2),
            likelihood=lb.likelihoods.Bernoulli(lb.nn.mlp(2, 512, PIXELS)),
            posterior=lb.posteriors.DiagonalGaussian(lb.nn.mlp(PIXELS, 512, 4)),
        )


def resident() -> dict[str, float]:
    """The most memory that this process had, and what it has now of its own and of files, in MB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(("VmHWM", "Rss")))
    return {name: int(value.split()[0]) * 1024 / 1e6 for name, value in lines.items()}


def training(folder: Path, steps: int) -> dict[str, Any]:
    """Steps of a training on the shards."""
    train = lb.data.load(folder).train
    paces, started, rows = [], time.perf_counter(), 0
    for record in islice(lb.fit(vae(), train, epochs=1, batch=BATCH), steps):
        rows += record.rows
        if record.step % 200 == 0:
            paces.append(rows / (time.perf_counter() - started))
            started, rows = time.perf_counter(), 0
    return {"images_per_second": median(paces), "seconds_waiting": train.array.waited, **resident()}


def reading(folder: Path, most: int) -> dict[str, Any]:
    """Batches alone, in the order of an epoch, of at most so many rows."""
    train = lb.data.load(folder).train
    batches = batches_of(train, BATCH, 0, 0)
    started, rows = time.perf_counter(), 0
    for number in range(min(len(batches), most // BATCH)):
        rows += len(train[batches[number]])
    seconds = time.perf_counter() - started
    return {"rows_per_second": rows / seconds, "MB_per_second": rows * PIXELS / 1e6 / seconds, **resident()}


def beside_memory(folder: Path) -> dict[str, Any]:
    """Steps on shards that are in the page cache, and on the same rows in memory, in turns."""
    shards = lb.data.load(folder).train
    memory = Dataset(torch.cat([shards.array.index_select(0, rows) for rows in torch.arange(len(shards)).split(10_000)]))

    def endless(data: Dataset) -> Iterator[Any]:
        return lb.fit(vae(), data, epochs=1000, batch=BATCH)

    both, ratios = (endless(shards), endless(memory)), []
    for turn in range(TURNS + 1):
        seconds = []
        for steps in both if turn % 2 else both[::-1]:
            started = time.perf_counter()
            for _ in islice(steps, STEPS):
                pass
            seconds.append(time.perf_counter() - started)
        of_shards, of_memory = seconds if turn % 2 else seconds[::-1]
        ratios += [of_memory / of_shards] if turn else []  # the first turn compiles
    return {"of_memory": median(ratios), "ratios": ratios}


CHILDREN = {"training": training, "reading": reading, "beside_memory": beside_memory}

# --- the parent --------------------------------------------------------------------------------------


@contextmanager
def limited() -> Iterator[bool]:
    """A group of processes that have ``LIMIT`` bytes together; whether it could be made."""
    try:
        CGROUP.mkdir(exist_ok=True)
        (CGROUP / "memory.limit_in_bytes").write_text(str(LIMIT))
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        CGROUP.rmdir()


def child(name: str, *args: object, limit: bool = False) -> dict[str, Any]:
    """What one process measured."""
    words = [sys.executable, str(Path(__file__).resolve()), "--child", name, *map(str, args)]
    enter = (lambda: (CGROUP / "tasks").write_text(str(os.getpid()))) if limit else None
    found = subprocess.run(words, check=True, capture_output=True, text=True, preexec_fn=enter)
    measured: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    print(name, *args, {key: value if isinstance(value, list) else round(value, 3) for key, value in measured.items()}, flush=True)
    return measured


def dd(folder: Path, most: int) -> float:
    """MB/s of dd over the shards, of as many bytes at least, where they are not in the page cache."""
    forget(folder)
    started, done = time.perf_counter(), 0
    for path in sorted(folder.glob("train-*.npy")):
        subprocess.run(["/bin/dd", f"if={path}", "of=/dev/null", "bs=1M"], check=True, capture_output=True)
        done += path.stat().st_size
        if done >= most:
            break
    return done / 1e6 / (time.perf_counter() - started)


def measured(scratch: Path, gigabytes: float, steps: int) -> dict[str, Any]:
    """All of it."""
    rows = int(gigabytes * 1e9 / PIXELS)
    large, small = made(scratch, rows), made(scratch, min(rows, SMALL))
    some = min(rows, 6_000_000)
    with limited() as limit:
        forget(large)
        found: dict[str, Any] = {"rows": rows, "limited": limit, "training": child("training", large, steps, limit=limit)}
        pairs = []
        for _ in range(3):
            plain = dd(large, some * PIXELS)
            forget(large)
            pairs.append((child("reading", large, some, limit=limit), plain))
        found["reading"] = [one for one, _ in pairs]
        found["dd_MB_per_second"] = [plain for _, plain in pairs]
        found["of_dd"] = median(one["MB_per_second"] / plain for one, plain in pairs)
    found["beside_memory"] = child("beside_memory", small)
    found["reading_cached"] = child("reading", small, SMALL)
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        torch.set_num_threads(1)
        print(json.dumps(CHILDREN[sys.argv[2]](Path(sys.argv[3]), *map(int, sys.argv[4:]))))
        sys.exit()
    parser = argparse.ArgumentParser(description="Data larger than memory.")
    parser.add_argument("--folder", type=Path, required=True, help="where there is room for the data")
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--steps", type=int, default=20_000, help="of the training whose memory is measured")
    parser.add_argument("--out", type=Path, required=True)
    typed = parser.parse_args()
    typed.out.write_text(json.dumps(measured(typed.folder, typed.gigabytes, typed.steps), indent=2) + "\n", encoding="utf-8")
