"""``make faults``: everything in the table, as often as it says, and docs/reliability.md of what happened."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import torch

from faults.table import FAULTS, Fault

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "faults.json"
PAGE = ROOT / "docs" / "reliability.md"
INTRODUCTION = """# What was done to it, and what happened

Made by `make faults`, which tries all of this (an hour or two); the tests try a little of each. "The same weights to the last bit" is
held against a training of the same recipe (a cosine schedule, moving average and best weights with it) that nothing happened to.
"""


def main() -> int:
    """All faults, or those whose name has a word in it; results there are of others are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD", help="faults that have this in their name")
    parser.add_argument("--share", type=float, default=1.0, metavar="X", help="of how often the table says")
    typed = parser.parse_args()
    torch.set_num_threads(1)
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for fault in FAULTS:
        if typed.only in fault.what:
            found[fault.what] = tried(fault, max(1, round(typed.share * fault.often)))
            RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            PAGE.write_text(page(found), encoding="utf-8")
    return int(any(found[name]["wrong"] for name in found))


def tried(fault: Fault, times: int) -> dict[str, object]:
    """One fault, and what is kept of it."""
    _tell(f"{fault.what} …")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcome = fault.run(Path(folder), times)
    for wrong in outcome.wrong:
        _tell(f"  WRONG {wrong}")
    machine = f"{platform.system()}, Python {platform.python_version()}, torch {torch.__version__}"
    seconds = round(time.perf_counter() - started)
    return {
        "tried": times,
        "unit": fault.unit,
        "counts": outcome.counts,
        "wrong": outcome.wrong,
        "seconds": seconds,
        "day": str(date.today()),
        "machine": machine,
    }


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def page(found: dict[str, dict[str, object]]) -> str:
    """The table."""
    lines = ["| fault | tried | what happened | wrong | seconds |", "|---|---|---|---|---|"]
    for fault in FAULTS:
        if fault.what not in found:
            lines.append(f"| {fault.what} | not yet | | | |")
        else:
            row = found[fault.what]
            counts = row["counts"]
            outcomes = "; ".join(what if fault.unit == "seconds" else f"{times:,} {what}" for what, times in counts.items())  # type: ignore[attr-defined]
            wrong = len(row["wrong"])  # type: ignore[arg-type]
            lines.append(f"| {fault.what} | {row['tried']:,} {row['unit']} | {outcomes} | {wrong or 'none'} | {row['seconds']:,} |")
    machines = "; ".join(sorted({f"{row['machine']} ({row['day']})" for row in found.values()}))
    return "\n".join([INTRODUCTION, *lines, "", f"On {machines}.", ""])


if __name__ == "__main__":
    sys.exit(main())
