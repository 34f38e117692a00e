"""Several processes: ``python benchmarks/processes.py --out FILE.json``, on a machine of two cores that does nothing else.

Steps a second of one process and of two, of one thread each, in turns: on this machine, and on two nodes whose packets take 5 ms each
way (``link``), where gradients are sent as they are found, and where all are sent after the backward pass. With ``--before SRC``, the
``src`` of another checkout, that one takes its turns too. Figures are medians over turns, ratios medians of the turns' ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import link
import torch

HERE = Path(__file__).parent
#: the words of a recipe, rows a step, and steps that are timed
NETWORKS: dict[str, tuple[dict[str, Any], int, int]] = {
    "lesson": ({"network": "mlp:512", "latent": 20}, 512, 40),
    "z50, K = 50": ({"network": "mlp:200-200", "latent": 50, "objective": "iwae:50"}, 128, 12),
}
DELAY, PORT = 0.005, 29_611
ONE, TWO, BEFORE_ONE, BEFORE_TWO, FAR, LATE = "one", "two", "one before", "two before", "two, 5 ms", "two, 5 ms, sent at the end"


def work(network: str, late: bool) -> float:
    """Seconds a step, the first ones left out."""
    import lowerbound as lb
    from lowerbound.training import processes

    if late:
        from lowerbound.training.gradient_sum import GradientSum

        GradientSum._done = lambda self, weight: self._waiting.discard(weight)  # sends nothing; so that all is left to finish
        finish = GradientSum.finish

        def all_at_the_end(self: Any) -> Any:
            for bucket in self.buckets[:-1]:
                self._send(bucket)
            return finish(self)

        GradientSum.finish = all_at_the_end
    words, batch, steps = NETWORKS[network]
    torch.set_num_threads(1)
    data = lb.data.load("mnist").train
    with processes.joined("cpu") as (group, _):
        made = lb.build(lb.Recipe(data="mnist", **words), (1, 28, 28))
        running = lb.fit(made.vae, data, epochs=5, batch=batch, objective=made.objective, group=group)
        for _ in islice(running, 4):
            pass
        group.barrier()
        started = time.perf_counter()
        for _ in islice(running, steps):
            pass
        group.barrier()
        return (time.perf_counter() - started) / steps


def measured(network: str, size: int, src: Path, nodes: bool = False, late: bool = False) -> float:
    """Seconds a step of so many processes, as the first has it."""
    words = [sys.executable, str(HERE / "processes.py"), "--work", network, *(["--late"] if late else [])]
    started = []
    for rank in range(size):
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(src), "PYTHONWARNINGS": "ignore"}
        if size > 1:
            where = {"MASTER_ADDR": link.address(0) if nodes else "127.0.0.1", "MASTER_PORT": str(PORT)}
            environment |= {"RANK": str(rank), "WORLD_SIZE": str(size), **where}
        if nodes:
            environment["GLOO_SOCKET_IFNAME"] = link.device(rank)
        command = link.inside(rank, words) if nodes else words
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    said = [process.communicate()[0] for process in started]
    return float(said[0].split()[-1])


def ways(src: Path, before: Path | None) -> dict[str, Callable[[str], float]]:
    """What takes turns."""

    def far(late: bool) -> Callable[[str], float]:
        def measure(network: str) -> float:
            with link.nodes(2, DELAY):
                return measured(network, 2, src, nodes=True, late=late)

        return measure

    found: dict[str, Callable[[str], float]] = {
        ONE: lambda network: measured(network, 1, src),
        TWO: lambda network: measured(network, 2, src),
        FAR: far(False),
        LATE: far(True),
    }
    if before is not None:
        found |= {BEFORE_ONE: lambda network: measured(network, 1, before), BEFORE_TWO: lambda network: measured(network, 2, before)}
    return found


def weights(network: str) -> int:
    """How many there are, and so numbers in a gradient."""
    import lowerbound as lb

    made = lb.build(lb.Recipe(data="mnist", **NETWORKS[network][0]), (1, 28, 28))
    return sum(weight.numel() for weight in made.vae.parameters())


def summary(turns: list[dict[str, float]]) -> dict[str, float]:
    """Medians of seconds a step, and of what turns say of one another."""
    found = {f"{way}, ms": 1e3 * median(turn[way] for turn in turns) for way in turns[0]}
    found["two processes over one"] = median(turn[ONE] / turn[TWO] for turn in turns)
    found["hidden of the sum over 5 ms"] = median(1 - (turn[FAR] - turn[TWO]) / (turn[LATE] - turn[TWO]) for turn in turns)
    for now, then in ((ONE, BEFORE_ONE), (TWO, BEFORE_TWO)):
        if then in turns[0]:
            found[f"{then} over now"] = median(turn[then] / turn[now] for turn in turns)
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", choices=[*NETWORKS], help=argparse.SUPPRESS)
    parser.add_argument("--late", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--networks", nargs="*", default=[*NETWORKS], choices=[*NETWORKS])
    parser.add_argument("--out", type=Path)
    typed = parser.parse_args()
    if typed.work:
        print(work(typed.work, typed.late))
        return
    found: dict[str, Any] = {"load before": round(os.getloadavg()[0], 2), "torch": torch.__version__}
    for network in typed.networks:
        each = ways(HERE.parent / "src", typed.before)
        turns = [{way: measure(network) for way, measure in each.items()} for _ in range(typed.turns)]
        found[network] = {"batch": NETWORKS[network][1], "weights": weights(network), **summary(turns)}
        print(network, json.dumps(found[network]), flush=True)
    if typed.out:
        typed.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
