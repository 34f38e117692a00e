"""docs/scale.md, from what was measured: ``python benchmarks/scale_page.py`` after ``processes.py`` and ``streams.py``.

A step of P machines takes what its share of the batch takes on their cores, the optimizer's pass, and the sum of gradients, of which
nothing is hidden behind the backward pass, as was measured. A ring sends 2 (P − 1) / P of a gradient's bytes through each link, in
2 (P − 1) turns.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "scale.md"

CORES = 16  # of a machine
ADAM = 1.3e-9  # seconds a weight, of one pass of one core
Link = tuple[float, float]
LINKS: dict[str, Link] = {"1 Gb/s": (1e9 / 8, 2e-4), "10 Gb/s": (1e10 / 8, 5e-5), "100 Gb/s": (1e11 / 8, 1e-5)}  # bytes/s, seconds a turn
USUAL = "10 Gb/s"
MACHINES = (1, 2, 4, 16)
ROWS, BYTES = (10**6, 10**7, 10**8, 10**9), 784
PAYS = 0.75  # of as many times the examples of one machine as there are machines
DEVICE = 1e14  # operations a second that an accelerator does, of several times as many on paper


@dataclass(frozen=True)
class Work:
    """A training: its rows a step, numbers of a gradient, seconds of one core an example; and what two processes gave over one."""

    name: str
    batch: int
    weights: int
    seconds: float
    two: float

    def step(self, machines: int, link: Link, batch: int) -> float:
        """Seconds of a step."""
        speed, turn = link
        share, size = self.seconds * batch / (machines * CORES), 4 * self.weights
        total = 2 * (machines - 1) * (size / machines / speed + turn)
        return share + ADAM * self.weights + total

    def examples(self, machines: int, link: Link, batch: int | None = None) -> float:
        """Examples a second."""
        return (batch or self.batch) / self.step(machines, link, batch or self.batch)

    def least_batch(self, machines: int, link: Link) -> int:
        """Rows a step from which so many machines pay."""
        batch = 2
        while self.examples(machines, link, batch) < PAYS * machines * self.examples(1, link, batch):
            batch *= 2
        return batch


def works() -> list[Work]:
    """What ``processes.py`` measured, less the optimizer's pass."""
    found = json.loads((RESULTS / "processes.json").read_text(encoding="utf-8"))
    rows = {name: row for name, row in found.items() if isinstance(row, dict)}

    def of_one(name: str, row: dict[str, Any]) -> Work:
        seconds = (row["one, ms"] / 1e3 - ADAM * row["weights"]) / row["batch"]
        return Work(name, row["batch"], row["weights"], seconds, row["two processes over one"])

    return [of_one(name, row) for name, row in rows.items()]


def table(head: list[str], rows: list[list[Any]]) -> str:
    """Markdown's."""
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def duration(seconds: float) -> str:
    """In the unit that a person would use."""
    unit, size = next(((unit, size) for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)) if seconds >= size), ("s", 1))
    return f"{seconds / size:.2g} {unit}" if seconds / size < 100 else f"{seconds / size:.0f} {unit}"


def page() -> str:
    """The document."""
    each = works()
    by_link = [*product(each, LINKS.items())]
    fastest = max(each, key=lambda one: one.examples(1, LINKS[USUAL]))
    parts = [
        "# Where one machine, several machines and accelerators stop paying\n",
        "On paper, by `python benchmarks/scale_page.py`, from seconds a step of one thread that "
        "`benchmarks/processes.py` measured on AVX2 cores.\n"
        f"A machine is taken to have {CORES} such cores that scale fully. Several add gradients in a ring, of which "
        "nothing is hidden, as was\n"
        "measured. No cluster was at hand; what was tried are [namespaces of one machine](guide/machines.md).\n",
        table(
            ["network", "weights", "rows a step", "µs of a core an example", "two processes over one, measured"],
            [[one.name, f"{one.weights:,}", one.batch, f"{1e6 * one.seconds:.0f}", f"{one.two:.2f}"] for one in each],
        ),
        "## Examples a second\n",
        table(
            ["network", "link", *(f"{n} machine{'s' * (n > 1)}" for n in MACHINES)],
            [[one.name, name, *(f"{one.examples(n, link):,.0f}" for n in MACHINES)] for one, (name, link) in by_link],
        ),
        f"Rows a step from which machines give {PAYS:.0%} of what their number promises:\n",
        table(
            ["network", "link", *(f"{n} machines" for n in MACHINES[1:])],
            [[one.name, name, *(f"{one.least_batch(n, link):,}" for n in MACHINES[1:])] for one, (name, link) in by_link],
        ),
        "Larger steps are not better ones: a batch of some thousand rows learns less from each. So a small network is "
        "a matter of one machine,\n"
        "whatever the number of rows, and several machines are for models that compute long for an example.\n",
        "## An epoch\n",
        table(
            ["rows", f"of {BYTES} bytes", *(f"{one.name}, {n} machine{'s' * (n > 1)}" for one in each for n in (1, 16))],
            [
                [
                    f"{rows:,}",
                    f"{rows * BYTES / 1e9:,.1f} GB",
                    *(duration(rows / one.examples(n, LINKS[USUAL])) for one in each for n in (1, 16)),
                ]
                for rows in ROWS
            ],
        ),
        f"Sixteen machines are those with a link of {USUAL}.\n",
        "## Reading, and accelerators\n",
        reading(fastest),
    ]
    return "\n".join(parts)


def reading(fastest: Work) -> str:
    """What disks must give, and what an accelerator would have to be given."""
    wanted, operations, source = fastest.examples(1, LINKS[USUAL]) * BYTES / 1e6, 6 * fastest.weights, RESULTS / "streams.json"
    measured = ""
    if source.exists():
        read = json.loads(source.read_text(encoding="utf-8"))
        pace, disk = median(one["MB_per_second"] for one in read["reading"]), median(read["dd_MB_per_second"])
        measured = f" One process read {pace:,.0f} MB/s of rows that were not in the page cache, where `dd` read {disk:,.0f}."
    return (
        f"One machine asks {wanted:,.0f} MB/s of its disk for the {fastest.name} network, and less for the other.{measured}\n"
        "Rows are no reason for a second machine, then; computing is. Each process reads all blocks ([streaming](guide/streaming.md)).\n\n"
        f"No accelerator was at hand either. On paper an example of the {fastest.name} network is "
        f"{operations / 1e6:.1f} million operations; a device\n"
        f"that does 10¹⁴ a second would take {DEVICE / operations / 1e6:,.0f} million examples, "
        f"{DEVICE / operations * BYTES / 1e9:,.0f} GB, in each, "
        "which no disk gives. It pays for networks that need\na hundred times as much an example, as convolutional "
        "hierarchies and K = 50 draws do, "
        "and for data that stay in its memory.\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
