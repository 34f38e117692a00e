"""How fast it is, beside its peers and the machine's limit: ``make bench``.

Each worker of ``peers/`` is a process in an environment of its own, made here (``benchmarks/environments/``). They take turns, so that
what else the machine does meets all of them. ``benchmarks/results/speed-KIND.json``, KIND being that of the processor, keeps each figure
of each turn; ``speed_page`` makes docs/benchmarks.md and its figure of all kinds. A peer that cannot be installed, or fails, is said to be
missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from peer_environment import TORCH, environment

import lowerbound as lb

HERE = Path(__file__).parent
RESULTS = HERE / "results"
ROWS = 20_000  # of an epoch that is timed
TURNS = 5
SEEDS = 3
NETWORKS = ("lesson", "deep", "deep, K = 5", "deep, K = 50", "convolutional")
FEW = {"deep, K = 50": 2_000, "deep, K = 5": 10_000, "convolutional": 4_000}  # rows of what takes long


@dataclass
class Peer:
    """A worker, and what its environment wants: packages, and those whose dependencies are left out."""

    script: str
    packages: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    process: Any = field(default=None, repr=False)

    def start(self, name: str) -> None:
        """In this project's environment where it needs no other."""
        folder = SHARED.get(name, name).split()[0].lower()
        python = sys.executable if not self.packages else str(environment(folder, self.packages, self.alone))
        threads = {"OMP_NUM_THREADS": str(os.cpu_count())}
        self.process = subprocess.Popen(
            [python, "-W", "ignore", str(HERE / "peers" / self.script), *self.words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | threads,
        )

    def ask(self, **task: Any) -> dict[str, float] | None:
        """The answer to a task; None where it has none."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer: dict[str, float] = json.loads(line) if line else {"missing": True}
        return None if "missing" in answer else answer


OURS, SINGLE, LOOP, PYTHAE, LIMIT = "lowerbound", "lowerbound, float32", "PyTorch loop", "pythae 0.1.2", "the machine's limit"
PEERS = {
    OURS: Peer("ours.py"),
    SINGLE: Peer("ours.py", words=("--precision", "float32")),
    LOOP: Peer("loop.py"),
    PYTHAE: Peer(
        "pythae_peer.py",
        (TORCH, "numpy", "imageio", "cloudpickle", "pydantic", "scipy", "scikit-learn", "tqdm", "typing_extensions"),
        ("pythae==0.1.2",),
    ),
    "NumPyro": Peer("numpyro_peer.py", ("numpyro", "jax", "optax")),
    "JAX scan": Peer("jax_scan.py", ("jax", "optax", "numpy")),
    "Keras 3": Peer("keras_peer.py", ("keras", "jax")),
    LIMIT: Peer("limit.py"),
}
SHARED = {"JAX scan": "NumPyro"}  # whose environment serves it too


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--only", nargs="*", choices=[*PEERS], default=[*PEERS])
    parser.add_argument("--tasks", nargs="*", choices=[*TASKS], default=[*TASKS])
    typed = parser.parse_args()
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        greys = _greys(Path(folder) / "greys.npy")
        for name in typed.only:
            try:
                PEERS[name].start(name)
            except (subprocess.CalledProcessError, OSError) as error:
                missing[name] = str(error)
        peers = {name: PEERS[name] for name in typed.only if name not in missing}
        for task in typed.tasks:
            _keep(task, TASKS[task](greys, peers, typed.turns), missing)


def _keep(task: str, answer: dict[str, Any], missing: dict[str, str]) -> None:
    """One task's figures into the result file of this kind of machine; the others' stay as they were found."""
    where = machine()
    result_file = RESULTS / f"speed-{where['kind']}.json"
    before = json.loads(result_file.read_text(encoding="utf-8")) if result_file.exists() else {}
    result = {"machine": where, "missing": before.get("missing", {}) | missing, "found": before.get("found", {}) | {task: answer}}
    result_file.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _greys(path: Path) -> str:
    """MNIST, all 70,000 images, as a file that every worker can read."""
    splits = lb.data.load("mnist")
    rows = [part.array.reshape(-1, 784).numpy() for part in (splits.train, splits.test)]
    np.save(path, np.concatenate(rows))
    return str(path)


def machine() -> dict[str, Any]:
    """What it ran on, and what was chosen there."""
    import torch

    from lowerbound.interfaces.machine import machine as of_library
    from lowerbound.system.products import BFLOAT16, PRODUCTS

    found = of_library()
    kind = BFLOAT16 if found["chosen"][PRODUCTS.title]["answer"] == BFLOAT16 else found["instructions"].lower()
    return {
        "kind": kind,
        "processor": found["processor"],
        "chosen": {title: choice["answer"] for title, choice in found["chosen"].items()},
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


# --- tasks -------------------------------------------------------------------------------------------


def training(greys: str, peers: dict[str, Peer], turns: int) -> dict[str, Any]:
    """Images a second of an epoch, by network and peer, one for each turn."""
    found: dict[str, dict[str, list[float]]] = {network: {} for network in NETWORKS}
    for _ in range(turns):
        for network in NETWORKS:
            rows = FEW.get(network, ROWS)
            for name, peer in peers.items():
                answer = peer.ask(do="train", path=greys, network=network, rows=rows)
                if answer is not None:
                    found[network].setdefault(name, []).append(rows / answer["seconds"])
    return found


def quality(greys: str, peers: dict[str, Peer], turns: int) -> dict[str, Any]:
    """Seconds of pythae's 20 epochs of MNIST, latent 20, and of this project until its held-out bound is pythae's."""
    theirs = peers[PYTHAE].ask(do="quality", path=greys, rows=60_000, held_out=10_000, epochs=20) if PYTHAE in peers else None
    if theirs is None:
        return {}
    ours = [peers[OURS].ask(do="quality", path=greys, rows=60_000, held_out=10_000, target=theirs["bound"]) for _ in range(turns)]
    return {PYTHAE: [theirs], OURS: ours}


def equal(greys: str, peers: dict[str, Peer], turns: int) -> dict[str, Any]:
    """The held-out bound after five epochs of the lesson's network, of each precision and of the plain loop, from several seeds."""
    task = {"do": "equal", "path": greys, "network": "lesson", "rows": 60_000, "held_out": 10_000, "epochs": 5}
    return {name: [peers[name].ask(**task, seed=seed) for seed in range(SEEDS)] for name in (OURS, SINGLE, LOOP) if name in peers}


def density(greys: str, peers: dict[str, Peer], turns: int) -> dict[str, Any]:
    """Seconds of log p(x) by 5,000 draws of 64 images of the lesson's network, in turns."""
    return in_turns(peers, (OURS, PYTHAE), turns, do="density", path=greys, images=64, samples=5_000)


def throughput(greys: str, peers: dict[str, Peer], turns: int) -> dict[str, Any]:
    """Seconds of sampling, encoding and reconstructing 10,000 images of the lesson's network, in turns."""
    return in_turns(peers, (OURS, PYTHAE), turns, do="throughput", path=greys, rows=10_000)


def in_turns(peers: dict[str, Peer], names: tuple[str, ...], turns: int, **task: Any) -> dict[str, Any]:
    """The answers of some peers, one after the other, several times."""
    found: dict[str, list[Any]] = {name: [] for name in names if name in peers}
    for _ in range(turns):
        for name, answers in found.items():
            answers.append(peers[name].ask(**task))
    return found


def profile(greys: str, peers: dict[str, Peer], turns: int) -> dict[str, Any]:
    """Where a step of the lesson's network spends its time, in microseconds."""
    return peers[OURS].ask(do="profile", path=greys, network="lesson", rows=ROWS) or {}


def start(greys: str, peers: dict[str, Peer], turns: int) -> dict[str, Any]:
    """Seconds of ``--help``, of the import, and of everything until a first step of training is done."""
    code = "import lowerbound as lb; vae = lb.build(lb.Recipe(), (1, 8, 8)).vae; next(lb.fit(vae, lb.data.load('digits').train, epochs=1))"
    commands = {"--help": ["-m", "lowerbound", "--help"], "import": ["-c", "import lowerbound"], "first step": ["-c", code]}
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(2 * turns):
        for name, words in commands.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            found[name].append(time.perf_counter() - started)
    return found


def memory(greys: str, peers: dict[str, Peer], turns: int) -> dict[str, Any]:
    """Peak memory, in bytes, of a training on a uint8 set of a gigabyte, read from a .npy file by the command line."""
    rows = 2**30 // 784
    with tempfile.TemporaryDirectory() as folder:
        data = np.lib.format.open_memmap(f"{folder}/large.npy", mode="w+", dtype=np.uint8, shape=(rows, 28, 28))
        images = np.load(greys, mmap_mode="r").reshape(-1, 28, 28)
        for begin in range(0, rows, len(images)):
            data[begin : begin + len(images)] = images[: len(data[begin : begin + len(images)])]
        data.flush()
        words = ["train", f"{folder}/large.npy", "--epochs", "1", "--batch", "2048", "--out", f"{folder}/run"]
        code = f"import resource, sys; from lowerbound.interfaces.cli import main; sys.argv[1:] = {words!r}; main(sys.argv[1:]); "
        code += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return {"bytes": int(done.stdout.splitlines()[-1]), "of data": rows * 784}


TASKS = {
    "training": training,
    "quality": quality,
    "equal": equal,
    "density": density,
    "throughput": throughput,
    "profile": profile,
    "start": start,
    "memory": memory,
}

if __name__ == "__main__":
    main()
