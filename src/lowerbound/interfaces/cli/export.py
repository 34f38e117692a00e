"""``lowerbound export``: a run as files that others run."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.export import export as exporting
from lowerbound.runs import run as runs


def export(args: Namespace) -> Answer:
    """Write the files, and say what each is given and gives."""
    found = exporting(runs.load(args.run, "cpu"), args.output, args.to, args.opset)
    console.notes(args, [f"no {name}: {reason}" for name, reason in found.refused.items()])
    lines = [_line(graph) for graph in found.card.get("graphs", {}).values()] or [found.card["file"]]
    values = {"output": str(found.folder), "graphs": found.card.get("graphs", {}), "refused": found.refused}
    return Answer("\n".join([*lines, f"what they are: {found.folder / 'README.md'}"]), values)


def _line(graph: dict[str, Any]) -> str:
    return f"{graph['file']}: {', '.join(graph['inputs'])} → {', '.join(graph['outputs'])}"
