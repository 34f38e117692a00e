"""docs/benchmarks.md and its figure, of what ``speed`` measured: medians over turns, the spread, and each goal beside what was reached."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure
from speed import LIMIT, LOOP, NETWORKS, OURS, PYTHAE, RESULT, SINGLE

DOCS = Path(__file__).parents[1] / "docs"
NOTES = Path(__file__).parent / "speed_notes.md"
PAGE, PICTURE = DOCS / "benchmarks.md", DOCS / "benchmarks.png"
JAX = ("NumPyro", "JAX scan")
Found = dict[str, Any]

INTRODUCTION = """# How fast it is

Made by `make bench`: this project, its peers and the machine's limit do the same work in turns, each in an environment of its own, by its
ordinary public interface, at its own default precision. A figure is the median over turns (least to greatest); a ratio is the median of
the turns' ratios. The limit is the matrix products of a step alone, in the type in which the machine is fastest, and one pass of Adam
over the weights: no data, no activations, no bound.
"""


@dataclass(frozen=True)
class Goal:
    """A figure, what was asked of it, and how it is found; ``more`` where larger is better."""

    what: str
    asked: float
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


GOALS = [
    Goal("training, lesson's network, over pythae", 4, lambda found: ratio(found, "lesson", PYTHAE), "{:.2f} ×"),
    Goal("over the plain PyTorch loop with a DataLoader", 3, lambda found: ratio(found, "lesson", LOOP), "{:.2f} ×"),
    Goal("over the best JAX version", 1.15, over_best_jax, "{:.2f} ×"),
    Goal("of the machine's limit", 0.7, lambda found: ratio(found, "lesson", LIMIT), "{:.2f}"),
    Goal("time to the bound that pythae has after 20 epochs of MNIST, latent 20", 8, of_seconds("quality"), "{:.1f} ×"),
    Goal("IWAE, K = 50, over pythae's", 3, lambda found: ratio(found, "deep, K = 50", PYTHAE), "{:.2f} ×"),
    Goal("log p(x), 5,000 draws, over pythae's get_nll", 6, of_seconds("density"), "{:.1f} ×"),
    Goal(
        "`lowerbound --help`, seconds", 0.25, lambda found: median(found["start"]["--help"]) if "start" in found else None, "{:.2f}", False
    ),
    Goal("memory for 1 GB of uint8, above 1.3 times that, MB", 600, held, "{:,.0f}", False),
    Goal("held-out bound after five epochs, below the plain loop's, percent", 0.1, off, "{:+.3f}", False),
]


def page(result: dict[str, Any]) -> str:
    """All of it."""
    found, machine = result["found"], result["machine"]
    parts = [INTRODUCTION, goals(found), "![Images/s](benchmarks.png)\n", "## Training, images/s\n", training(found)]
    parts += ["## The rest\n", rest(found), profile(found), NOTES.read_text(encoding="utf-8")]
    missing = "".join(f" Missing: {name}, {why}." for name, why in result["missing"].items())
    where = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join([*parts, f"Measured in {result['seconds']:,} s: {where}.{missing}\n"])


def goals(found: Found) -> str:
    """Each beside what was reached."""
    lines = ["| figure | goal | measured | |", "|---|---|---|---|"]
    for goal in GOALS:
        value = goal.find(found)
        shown = "not measured" if value is None else goal.words.format(value)
        reached = value is not None and (value >= goal.asked if goal.more else value <= goal.asked)
        sign = "≥" if goal.more else "≤"
        lines.append(f"| {goal.what} | {sign} {goal.asked:g} | {shown} | {'reached' if reached else '**not reached**'} |")
    return "\n".join(lines) + "\n"


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
    rows = [f"| {kind} | {value:,.0f} | {value / of['in all']:.0%} |" for kind, value in of.items()]
    return "\n".join(["## Where a step of the lesson's network spends its time\n", "| | µs | |", "|---|---|---|", *rows, ""])


def _seconds(values: list[float]) -> str:
    return "–" if not values else f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def picture(found: Found) -> Figure:
    """Bars of images a second, a panel for each network; ours in the strong colour, the limit hatched."""
    networks = [network for network in NETWORKS if found["training"].get(network)]
    figure = Figure(figsize=(11, 2.6 + 0.02), layout="constrained")
    for panel, network in zip(figure.subplots(1, len(networks)), networks, strict=True):
        of = found["training"][network]
        names = list(of)[::-1]
        values = [median(of[name]) for name in names]
        errors = [[value - min(of[name]) for name, value in zip(names, values, strict=True)]]
        errors += [[max(of[name]) - value for name, value in zip(names, values, strict=True)]]
        colors = [
            "#0072b2" if name == OURS else "#56b4e9" if name == SINGLE else "#ffffff" if name == LIMIT else "#999999" for name in names
        ]
        bars = panel.barh(names, values, color=colors, edgecolor="#333333", linewidth=0.6, xerr=errors, error_kw={"elinewidth": 0.8})
        for bar, name in zip(bars, names, strict=True):
            bar.set_hatch("///" if name == LIMIT else None)
        panel.set_title(network, fontsize=9)
        panel.tick_params(labelsize=7)
        panel.set_xlabel("images a second", fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value else "0")
    return figure


if __name__ == "__main__":
    measured = json.loads(RESULT.read_text(encoding="utf-8"))
    PAGE.write_text(page(measured), encoding="utf-8")
    picture(measured["found"]).savefig(PICTURE, dpi=150)
