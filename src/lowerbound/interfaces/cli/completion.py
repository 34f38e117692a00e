"""The verb ``completion``: a script for a shell, made of the parser by shtab. Source: https://github.com/iterative/shtab."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from lowerbound.errors import UsageError, nearest
from lowerbound.interfaces.cli import parser, recipe_options, topics
from lowerbound.interfaces.cli.answer import Answer
from lowerbound.interfaces.trackers.table import TRACKERS
from lowerbound.lab.names import EXPERIMENTS
from lowerbound.recipes.zoo import ZOO


def completion(args: Namespace) -> Answer:
    """The script of a shell. Errors: UsageError for a shell that is not known."""
    import shtab

    if args.shell not in parser.SHELLS:
        raise UsageError(f"unknown shell '{args.shell}'{nearest(args.shell, parser.SHELLS)}")
    whole = parser.parser()
    words = _words()
    for action in _actions(whole):
        known = words.get(str(action.metavar)) or _of_recipe(action)
        if known:
            action.choices = known
        elif action.metavar in PATHS:
            action.complete = {"RUN": shtab.DIRECTORY, "FOLDER": shtab.DIRECTORY}.get(action.metavar, shtab.FILE)  # type: ignore[attr-defined]
    script = shtab.complete(whole, args.shell)
    return Answer(script, {"shell": args.shell, "script": script})


#: what is a path, by what help says goes there
PATHS = ("RUN", "FOLDER", "FILE", "DATA", "TABLE", "LATENTS", "SOURCE", "PATH", "PACKAGE")


def _words() -> dict[str, list[str]]:
    """What can be said, by what help says goes there."""
    return {
        "FIGURE": list(parser.FIGURES),
        "EXPERIMENT": list(EXPERIMENTS),
        "TRACKER": list(TRACKERS),
        "NAME|FILE": list(ZOO),
        "SHELL": list(parser.SHELLS),
        "TOPIC": topics.known(),
    }


def _of_recipe(action: argparse.Action) -> list[str]:
    """The words of a recipe's option."""
    field = recipe_options.FIELDS.get(action.dest)
    table: Mapping[str, Any] | None = None if field is None else field.metadata["table"]
    return list(table or ())


def _actions(whole: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All options and positions of a parser and of those below it, but for the list of those."""
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
        else:
            yield action
