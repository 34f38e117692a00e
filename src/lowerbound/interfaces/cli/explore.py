"""``lowerbound explore``: runs as one page to drag about in, written as a file or served here."""

from __future__ import annotations

import webbrowser
from argparse import Namespace
from pathlib import Path
from typing import Any

from lowerbound.errors import UsageError
from lowerbound.figures.explorer.shown import of_run
from lowerbound.interfaces.cli import console
from lowerbound.interfaces.cli.console import Answer
from lowerbound.interfaces.cli.output import of_kind
from lowerbound.interfaces.cli.progress import stages
from lowerbound.interfaces.explorer import Explorer
from lowerbound.interfaces.explorer.server import Server
from lowerbound.runs import run as runs


def explore(args: Namespace) -> Answer:
    """Write the page, or serve it until Ctrl-C."""
    if args.output is not None and (args.port or args.no_browser):
        raise UsageError("a file is not served; leave out --port and --no-browser, or -o")
    if args.output is None and args.onnx is not None:
        raise UsageError("--onnx is for a file, which computes by itself; name it with -o, or leave out --onnx")
    path = None if args.output is None else of_kind(args.output, ".html")
    places = [Path(folder).resolve() for folder in args.runs]
    twice = next((folder for folder, place in zip(args.runs, places, strict=True) if places.count(place) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is given twice; name each run once")
    found = [runs.load(folder, args.device) for folder in args.runs]
    values: dict[str, Any] = {"runs": args.runs, "exact": args.exact}
    with stages() as stage:
        shown = [of_run(run, args.data_dir, stage) for run in found]
        explorer = Explorer(shown, args.exact, stage)
        server = explorer.serve(args.port, browser=False) if path is None else None
        size = 0 if path is None else explorer.write(path, args.onnx).stat().st_size
    console.notes(args, [one.note for one in shown if one.note is not None])
    if server is not None:
        return _served(args, server, values)
    return Answer(f"{size / 2**20:.1f} MiB, which need no server and no network: {path}", values | {"output": str(path), "bytes": size})


def _served(args: Namespace, server: Server, values: dict[str, Any]) -> Answer:
    with server:
        if not args.no_browser:
            webbrowser.open(server.address)
        values |= {"address": server.address}
        console.begun(args, Answer(f"{server.address}   Ctrl-C ends it", values))
        server.wait()
    return Answer("", values, silent=True)
