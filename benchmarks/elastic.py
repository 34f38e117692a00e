"""Machines of a training die and others come, again and again: does each training end, and with the curve of one that nobody disturbed?

    python benchmarks/elastic.py --trials 10 --cut 2

It needs root, on Linux. Each machine is a network namespace with an address of its own, in which ``lowerbound launch`` runs; what they
send one another goes through this process, which lets each packet wait five milliseconds. Two nodes begin. At a random step one of them,
also by chance, is killed (its agent and its workers, SIGKILL) or cut off (its packets are lost, and it knows nothing), and a third is
started. The store where they meet is on a fourth. Writes ``benchmarks/results/elastic.json``.
"""

from __future__ import annotations

import argparse
import fcntl
import heapq
import json
import os
import random
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results" / "elastic.json"
IP = shutil.which("ip") or "/usr/sbin/ip"
SOURCE = str(Path(__file__).parents[1] / "src")
DELAY = 0.005  # seconds that a packet is under way
STORE, *NODES = (f"elastic-{os.getpid()}-{number}" for number in range(1, 5))
ENDPOINT = "10.77.0.1:29400"
EPOCHS, STEPS = 40, 12  # of the bundled digits at batches of 128
WORDS = f"train digits --epochs {EPOCHS} --network mlp:16 --latent 2 --precision float32 --device cpu --save-every 20".split()
WITHIN = 1200  # seconds of a trial
TUNSETIFF, TAP_WITHOUT_HEADER = 0x400454CA, 0x1002


class Switch(threading.Thread):
    """A network of namespaces, whose packets all go through here; those from and to ``cut`` ones are lost."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(daemon=True)
        self.cut: set[int] = set()
        self.taps = [self._namespace(name, number) for number, name in enumerate(names, 1)]

    def _namespace(self, name: str, number: int) -> int:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", f"tap{number}".encode(), TAP_WITHOUT_HEADER))
        for words in (
            f"netns add {name}",
            f"link set tap{number} netns {name}",
            f"-n {name} addr add 10.77.0.{number}/24 dev tap{number}",
            f"-n {name} link set tap{number} up",
            f"-n {name} link set lo up",
            f"netns exec {name} sysctl -qw net.ipv4.tcp_retries2=8",  # as the guide advises: else those cut off wait a quarter of an hour
        ):
            subprocess.run([IP, *words.split()], check=True)
        return tap

    def run(self) -> None:
        """Take each packet, and five milliseconds later give it to all others; until the namespaces are gone."""
        with suppress(OSError):
            self._run()

    def _run(self) -> None:
        under_way: list[tuple[float, int, int, bytes]] = []
        for number in iter(int, None):
            wait = max(under_way[0][0] - time.monotonic(), 0) if under_way else None
            for tap in select.select(self.taps, [], [], wait)[0]:
                heapq.heappush(under_way, (time.monotonic() + DELAY, number, tap, os.read(tap, 65536)))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, origin, packet = heapq.heappop(under_way)
                for tap in {*self.taps} - {origin}:
                    if not self.cut & {tap, origin}:
                        os.write(tap, packet)


def pids(name: str) -> list[int]:
    """The processes of a namespace."""
    found = subprocess.run([IP, "netns", "pids", name], capture_output=True, text=True, check=False).stdout
    return [int(number) for number in found.split()]


def kill(name: str) -> None:
    """End all of a namespace at once."""
    for pid in pids(name):
        os.kill(pid, signal.SIGKILL)


def start(name: str, words: list[str], log: Path) -> subprocess.Popen[bytes]:
    """``lowerbound launch`` in a namespace."""
    command = [IP, "netns", "exec", name, sys.executable, "-m", "lowerbound", "launch", "--rdzv-endpoint", ENDPOINT, *words]
    with log.open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": SOURCE})


def metrics(folder: Path) -> list[dict[str, object]]:
    """The lines of a run so far."""
    path = folder / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait(jobs: Iterable[subprocess.Popen[bytes]], until: float, is_so: Callable[[], bool]) -> None:
    """Until it is so. Errors: TimeoutError, also where a job has failed, or none is left."""
    while not is_so():
        codes = [job.poll() for job in jobs]
        if time.monotonic() > until or any(codes) or None not in codes:
            raise TimeoutError
        time.sleep(0.05)


def curve(folder: Path) -> list[float]:
    """The bounds of a run by epoch, of training and held-out data."""
    return [line[part]["bound"] for line in metrics(folder) for part in ("train", "validation")]  # type: ignore[index]


def train(switch: Switch, folder: Path, number: int, how: str | None, chance: random.Random) -> dict[str, object]:
    """One training by two nodes, one of which ends in this way after some epochs."""
    until, run = time.monotonic() + WITHIN, folder / f"run-{number}"
    store = start(STORE, ["--store-only"], folder / "store.log")
    words = ["--nnodes", "1:4", "--rdzv-id", f"trial-{number}", "--", *WORDS, "--out", str(run)]
    jobs = {name: start(name, words, folder / f"{name}.log") for name in NODES[:2]}
    trial: dict[str, object] = {"how": how}
    try:
        if how is not None:
            after, name = chance.randrange(1, EPOCHS - 8), chance.choice(NODES[:2])
            wait(jobs.values(), until, lambda: len(metrics(run)) >= after)
            time.sleep(chance.random() * 0.3)
            gone, before = time.monotonic(), len(metrics(run))
            if how == "killed":
                kill(name)
            else:
                switch.cut.add(switch.taps[1 + NODES.index(name)])
            jobs.pop(name)
            jobs[NODES[2]] = start(NODES[2], words, folder / f"{NODES[2]}.log")
            wait(jobs.values(), until, lambda: len(metrics(run)) > before)
            trial |= {"node": 1 + NODES.index(name), "epoch": before, "seconds_until_next_epoch": round(time.monotonic() - gone, 1)}
        wait(jobs.values(), until, lambda: all(job.poll() == 0 for job in jobs.values()))
        trial["ended"] = (run / "result.json").exists()
    except TimeoutError:
        trial["ended"] = False
    finally:
        for name in (STORE, *NODES):
            kill(name)
        store.wait()
        switch.cut.clear()
    return trial


def main() -> None:
    """One training that nobody disturbs, then the trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--cut", type=int, default=2, help="so many of them lose their network instead of being killed")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chance, folder, trials = random.Random(args.seed), Path(tempfile.mkdtemp(prefix="elastic-")), []  # noqa: S311
    print(f"logs: {folder}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    switch = Switch([STORE, *NODES])
    switch.start()
    try:
        train(switch, folder, 0, None, chance)
        usual = curve(folder / "run-0")
        for number in range(1, args.trials + 1):
            trial = train(switch, folder, number, "cut off" if number > args.trials - args.cut else "killed", chance)
            found = curve(folder / f"run-{number}")
            same = len(found) == len(usual) == 2 * EPOCHS
            trial["difference"] = max(abs(a - b) / abs(b) for a, b in zip(found, usual, strict=True)) if same else None
            trials.append(trial)
            print(json.dumps(trial), flush=True)
            write(trials)
    finally:
        for name in (STORE, *NODES):
            subprocess.run([IP, "netns", "del", name], check=False)
    if all(trial["ended"] for trial in trials):
        shutil.rmtree(folder)


def write(trials: list[dict[str, object]]) -> None:
    """What was found so far, as JSON."""
    words = {"torch": torch.__version__, "command": " ".join(WORDS), "steps": EPOCHS * STEPS, "delay_seconds": DELAY, "nodes": "1:4"}
    RESULTS.write_text(json.dumps({**words, "trials": trials}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
