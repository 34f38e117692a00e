"""docs/benchmarks.md and its figure, of what ``speed`` measured: medians over turns, the spread, and each goal beside what was reached."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure
from speed import LIMIT, LOOP, NETWORKS, OURS, PYTHAE, RESULTS, SINGLE

DOCS = Path(__file__).parents[1] / "docs"
NOTES = Path(__file__).parent / "speed_notes.md"
PAGE, PICTURE = DOCS / "benchmarks.md", DOCS / "benchmarks.png"
JAX = ("NumPyro", "JAX scan")
Found = dict[str, Any]
BFLOAT16, AVX2 = "bfloat16", "avx2"
#: kinds of processors, as pages call them
KINDS = {BFLOAT16: "bfloat16", AVX2: "AVX2"}

INTRODUCTION = """# How fast it is

Made by `make bench`: this project, its peers and the machine's limit do the same work in turns, each in an environment of its own, by its
ordinary public interface, at its own default precision. A figure is the median over turns (least to greatest); a ratio is the median of
the turns' ratios. The limit is the matrix products of a step alone, in the type in which the machine is fastest, and one pass of Adam
over the weights: no data, no activations, no bound.
"""


@dataclass(frozen=True)
class Goal:
    """A figure, what was asked of it by kind of processor, and how it is found; ``more`` where larger is better."""

    what: str
    asked: dict[str, float]
    find: Callable[[Found], float | None]
    words: str
    more: bool = True


def ratio(found: Found, network: str, theirs: str, ours: str = OURS) -> float | None:
    """Median over turns of our images a second over theirs."""
    of = found["training"].get(network, {})
    return median(a / b for a, b in zip(of[ours], of[theirs], strict=True)) if ours in of and theirs in of else None


def over_best_jax(found: Found) -> float | None:
    """The least of the ratios to each that there is."""
    ratios = [one for name in JAX if (one := ratio(found, "lesson", name)) is not None]
    return min(ratios) if ratios else None


def of_seconds(task: str) -> Callable[[Found], float | None]:
    """Median of pythae's seconds over ours."""

    def find(found: Found) -> float | None:
        of = found.get(task) or {}
        if OURS not in of or PYTHAE not in of or not all(one.get("reached", True) for one in of[OURS]):
            return None
        return median(one["seconds"] for one in of[PYTHAE]) / median(one["seconds"] for one in of[OURS])

    return find


def off(found: Found) -> float | None:
    """By how much, in percent, the held-out bound differs from the plain loop's."""
    of = found.get("equal") or {}
    mean = {name: sum(one["bound"] for one in of[name]) / len(of[name]) for name in of}
    return None if OURS not in mean or LOOP not in mean else 100 * (mean[LOOP] - mean[OURS]) / abs(mean[LOOP])


def held(found: Found) -> float | None:
    """Bytes above 1.3 times the data, in MB."""
    of = found.get("memory")
    return None if not of else (of["bytes"] - 1.3 * of["of data"]) / 1e6


def of_start(found: Found) -> float | None:
    """Seconds until ``--help`` has answered."""
    return median(found["start"]["--help"]) if "start" in found else None


def everywhere(asked: float) -> dict[str, float]:
    """The same of all kinds."""
    return dict.fromkeys((BFLOAT16, AVX2), asked)


GOALS = [
    Goal("training, lesson's network, over pythae", {BFLOAT16: 3.2, AVX2: 2.3}, lambda found: ratio(found, "lesson", PYTHAE), "{:.2f} ×"),
    Goal("over the plain PyTorch loop with a DataLoader", everywhere(3), lambda found: ratio(found, "lesson", LOOP), "{:.2f} ×"),
    Goal("over the best JAX version", {BFLOAT16: 1.4, AVX2: 1.2}, over_best_jax, "{:.2f} ×"),
    Goal("of the machine's limit", {BFLOAT16: 0.85, AVX2: 1.0}, lambda found: ratio(found, "lesson", LIMIT), "{:.2f}"),
    Goal("time to the bound that pythae has after 20 epochs of MNIST, latent 20", everywhere(8), of_seconds("quality"), "{:.1f} ×"),
    Goal("IWAE, K = 50, over pythae's", everywhere(3), lambda found: ratio(found, "deep, K = 50", PYTHAE), "{:.2f} ×"),
    Goal("log p(x), 5,000 draws, over pythae's get_nll", everywhere(8), of_seconds("density"), "{:.1f} ×"),
    Goal("`lowerbound --help`, seconds", everywhere(0.25), of_start, "{:.2f}", False),
    Goal("memory for 1 GB of uint8, above 1.3 times that, MB", everywhere(600), held, "{:,.0f}", False),
    Goal("held-out bound after five epochs, below the plain loop's, percent", everywhere(0.1), off, "{:+.3f}", False),
]


def page(results: dict[str, dict[str, Any]]) -> str:
    """All of it."""
    parts = [INTRODUCTION, goals(results), "![Images/s](benchmarks.png)\n"]
    for kind, result in results.items():
        found = result["found"]
        parts += [
            f"## Two cores with {KINDS[kind]}: training, images/s\n",
            training(found),
            "### The rest\n",
            rest(found),
            profile(found),
            where(result),
        ]
    return "\n".join([*parts, NOTES.read_text(encoding="utf-8")])


def where(result: dict[str, Any]) -> str:
    """What it was measured on, and what was chosen there."""
    machine = {name: value for name, value in result["machine"].items() if name not in ("kind", "chosen")}
    missing = "".join(f" Missing: {name}, {why}." for name, why in result["missing"].items())
    chosen = "; ".join(f"{title}: {answer}" for title, answer in result["machine"].get("chosen", {}).items())
    said = "Measured on: " + ", ".join(f"{name} {value}" for name, value in machine.items()) + f".{missing}"
    return said + (f" Chosen by measurement: {chosen}.\n" if chosen else "\n")


def goals(results: dict[str, dict[str, Any]]) -> str:
    """Each beside what was reached, a column for each kind of processor, and one for accelerators."""
    lines = [
        "| figure | " + " | ".join(f"two cores with {KINDS[kind]}: asked | measured" for kind in results) + " |",
        "|---" * (1 + 2 * len(results)) + "|",
    ]
    for goal in GOALS:
        cells = []
        for kind, result in results.items():
            value, asked = goal.find(result["found"]), goal.asked[kind]
            shown = "not measured" if value is None else goal.words.format(value)
            reached = value is not None and (value >= asked if goal.more else value <= asked)
            cells += [f"{'≥' if goal.more else '≤'} {asked:g}", shown if reached else f"**{shown}**"]
        lines.append(f"| {goal.what} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "Bold is not reached. Accelerators: not run.", ""])


def training(found: Found) -> str:
    """A row for each peer, a column for each network."""
    networks = [network for network in NETWORKS if found["training"].get(network)]
    peers = list(dict.fromkeys(name for network in networks for name in found["training"][network]))
    lines = ["| | " + " | ".join(networks) + " |", "|---" * (len(networks) + 1) + "|"]
    for name in peers:
        cells = [spread(found["training"][network].get(name)) for network in networks]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def spread(values: list[float] | None) -> str:
    """Median, least and greatest."""
    return "–" if not values else f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"


def rest(found: Found) -> str:
    """What is not training."""
    lines = ["| | " + " | ".join((OURS, PYTHAE)) + " |", "|---|---|---|"]
    named = {"density": "log p(x) of 64 images by 5,000 draws, seconds", "quality": "time to quality, seconds"}
    for task, what in named.items():
        cells = [_seconds([one["seconds"] for one in found.get(task, {}).get(name, [])]) for name in (OURS, PYTHAE)]
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    for what in ("sample", "encode", "reconstruct"):
        cells = [_seconds([one[what] for one in found.get("throughput", {}).get(name, [])]) for name in (OURS, PYTHAE)]
        lines.append(f"| {what} 10,000 images, seconds | " + " | ".join(cells) + " |")
    for what, values in found.get("start", {}).items():
        lines.append(f"| {what}, seconds | {_seconds(values)} | – |")
    for name, answers in found.get("equal", {}).items():
        bounds = [one["bound"] for one in answers]
        bound = f"{sum(bounds) / len(bounds):.3f} nats, {len(bounds)} seeds"
        lines.append(f"| held-out bound after five epochs: {name} | {bound} | – |")
    if of := found.get("quality"):
        ours = of[OURS][0]
        lines.append(f"| … its bound, nats, and epochs | {ours['bound']:.2f}, {ours['epochs']} | {of[PYTHAE][0]['bound']:.2f}, 20 |")
    if of := found.get("memory"):
        lines.append(f"| peak memory, MB, of a uint8 set of {of['of data'] / 1e6:,.0f} MB | {of['bytes'] / 1e6:,.0f} | – |")
    return "\n".join(lines) + "\n"


def profile(found: Found) -> str:
    """Where a step's time goes."""
    of = found.get("profile") or {}
    rows = [f"| {kind} | {value:,.0f} | {value / of['in all']:.0%} |" for kind, value in of.items() if value]
    return "\n".join(["### Where a step of the lesson's network spends its time\n", "| | µs | |", "|---|---|---|", *rows, ""])


def _seconds(values: list[float]) -> str:
    return "–" if not values else f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def picture(results: dict[str, dict[str, Any]]) -> Figure:
    """Bars of images a second, a row for each kind of processor, a panel for each network."""
    networks = [network for network in NETWORKS if any(result["found"]["training"].get(network) for result in results.values())]
    figure = Figure(figsize=(12, 2.8 * len(results)), layout="constrained")
    rows = figure.subfigures(len(results), squeeze=False)[:, 0]
    for row, (kind, result) in zip(rows, results.items(), strict=True):
        row.suptitle(f"Images/s, two cores with {KINDS[kind]}", fontsize=10)
        for panel, network in zip(row.subplots(1, len(networks)), networks, strict=True):
            _bars(panel, result["found"]["training"].get(network) or {})
            panel.set_title(network, fontsize=8)
    return figure


def _bars(panel: Any, of: dict[str, list[float]]) -> None:
    """Ours in the strong colour, the limit hatched."""
    names = list(of)[::-1]
    values = [median(of[name]) for name in names]
    errors = [[value - min(of[name]) for name, value in zip(names, values, strict=True)]]
    errors += [[max(of[name]) - value for name, value in zip(names, values, strict=True)]]
    strong = {OURS: "#0072b2", SINGLE: "#56b4e9", LIMIT: "#ffffff"}
    style = {"edgecolor": "#333333", "linewidth": 0.6, "xerr": errors, "error_kw": {"elinewidth": 0.8}}
    bars = panel.barh(names, values, color=[strong.get(name, "#999999") for name in names], **style)
    for bar, name in zip(bars, names, strict=True):
        bar.set_hatch("///" if name == LIMIT else None)
    panel.tick_params(labelsize=7)
    panel.spines[["top", "right"]].set_visible(False)
    panel.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value else "0")


if __name__ == "__main__":
    files = {kind: RESULTS / f"speed-{kind}.json" for kind in KINDS}
    measured = {kind: json.loads(file.read_text(encoding="utf-8")) for kind, file in files.items() if file.exists()}
    PAGE.write_text(page(measured), encoding="utf-8")
    picture(measured).savefig(PICTURE, dpi=150)
