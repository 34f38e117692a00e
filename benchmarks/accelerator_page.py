"""docs/accelerator.md, of what ``accelerator`` found: images a second, memory, how every model did, what failed and what was left out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
RESULT = HERE / "results" / "accelerator.json"
PAGE = HERE.parent / "docs" / "accelerator.md"
RUN = "a run by its commands"
Result = dict[str, Any]

INTRODUCTION = """# On an accelerator

Made by `make accelerator`: the ways to train one network in turns on one device, which is waited for before and after each turn. A figure
is the median over turns (least to greatest). `lowerbound` reads greys from CPU memory and multiplies in the device's fastest type; the
PyTorch loops have the same networks in single precision. Memory is the most that tensors took at once in the first steps.
"""


def page(result: Result) -> str:
    """All of it."""
    parts = [INTRODUCTION, f"Data: {result['data']}.\n", "## Training, images/s\n", rates(result["images/s"])]
    parts += ["## Peak memory, MB\n", memory(result["memory"]), "## Every model\n", models(result)]
    parts += [*faults(result["faults"]), *left_out(result)]
    where = ", ".join(f"{name} {value}" for name, value in result["machine"].items())
    return "\n".join([*parts, f"Measured in {result['seconds']:,.0f} s of {result['allowed']:,.0f}: {where}.\n"])


def rates(found: dict[str, dict[str, list[float]]]) -> str:
    """A row for each way, a column for each network."""
    return _table(found, lambda values: f"{median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})")


def memory(found: dict[str, dict[str, int | None]]) -> str:
    """The same of bytes."""
    return _table(found, lambda value: "–" if value is None else f"{value / 1e6:,.1f}")


def _table(found: dict[str, dict[str, Any]], say: Any) -> str:
    ways = list(dict.fromkeys(way for of in found.values() for way in of))
    rows = [[way, *(say(of[way]) if way in of else "–" for of in found.values())] for way in ways]
    return _rows(["", *found], rows)


def models(result: Result) -> str:
    """A row for each model, a column for each check: passed, failed, or why not asked."""
    asked = [name.split(": ") for name in (*result["parts"], *result["skipped"]) if ": " in name and not _is_timing(name, result)]
    names, checks = list(dict.fromkeys(name for name, _ in asked)), list(dict.fromkeys(check for _, check in asked))
    rows = [[name, *(_told(f"{name}: {check}", result) for check in checks)] for name in names]
    return _rows(["", *checks], rows) + f"\nA run by its commands: {_told(RUN, result)}.\n"


def _is_timing(part: str, result: Result) -> bool:
    return part.split(": ")[0] in result["images/s"]


def _told(part: str, result: Result) -> str:
    if part in result["faults"]:
        return "**failed**"
    if part in result["missing"]:
        return str(result["missing"][part])
    return "passed" if part in result["parts"] else "no time"


def faults(found: dict[str, list[str]]) -> Iterable[str]:
    """The last lines of what each part that failed said."""
    if found:
        yield "## What failed\n"
    for name, lines in found.items():
        yield "\n".join([f"{name}:\n", "```text", *lines, "```\n"])


def left_out(result: Result) -> Iterable[str]:
    """What there was no time for, and what the machine lacks."""
    if result["skipped"]:
        yield f"No time was left for {len(result['skipped'])} parts: {'; '.join(result['skipped'])}.\n"
    reasons = sorted(set(result["missing"].values()))
    if reasons:
        yield f"Left out: {'; '.join(reasons)}.\n"


def _rows(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
