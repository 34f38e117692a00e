"""The verb ``help``: what can be said to an option of a recipe, exit codes, and the options of a verb."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from lowerbound.errors import UsageError, nearest
from lowerbound.interfaces.cli import parser
from lowerbound.interfaces.cli.answer import EXIT_CODES, Answer
from lowerbound.interfaces.cli.options import Parser
from lowerbound.interfaces.trackers.table import TRACKERS
from lowerbound.recipes.contexts import MISSING
from lowerbound.recipes.recipe import GROUPS, fields_of
from lowerbound.recipes.zoo import ZOO

CODES = "exit-codes"


def explained(args: Namespace) -> Answer:
    """A topic, or the list of topics. Errors: UsageError for an unknown one."""
    topic, tables = args.topic, _tables()
    if topic is None:
        lines = [f"  {name:<{_width(known())}}  {text}" for name, (text, _) in tables.items()]
        lines += [f"  {name:<{_width(known())}}  {verb.help}" for name, verb in parser.VERBS.items()]
        return Answer("\n".join(["lowerbound help TOPIC, of:", *lines]), {"topics": known()})
    if topic in tables:
        text, rows = tables[topic]
        lines = [f"  {word:<{_width(rows)}}  {said}" for word, said in rows.items()]
        return Answer("\n".join([f"{topic}: {text}", "", *lines]), {"topic": topic, "about": text, "words": rows})
    if topic not in parser.VERBS:
        raise UsageError(f"no help on '{topic}'{nearest(topic, known())}")
    alone, verb = Parser(prog=f"lowerbound {topic}", description=parser.VERBS[topic].help), parser.VERBS[topic]
    verb.options(alone)
    text = alone.format_help().rstrip()
    return Answer(text, {"topic": topic, "about": verb.help, "help": text})


def known() -> list[str]:
    """All topics."""
    return [*_tables(), *parser.VERBS]


def _tables() -> dict[str, tuple[str, dict[str, str]]]:
    """Topic → a line on it, and its words with what each is."""
    found = {CODES: ("with what a command exits", {str(code): text for code, text in EXIT_CODES.items()})}
    for group in GROUPS:
        for field in fields_of(group):
            if field.metadata["table"]:
                found[field.name.replace("_", "-")] = field.metadata["help"], _said(field.metadata["table"])
    models = {name: f"{row.source}: " + (" ".join(f"{word}={value}" for word, value in row.words.items())) for name, row in ZOO.items()}
    found["missing"] = "what is missing, of complete and after --given observed", _said(MISSING)
    found["recipe"] = "models by name", models
    found["log"] = "trackers that a training is given to", {name: row.help for name, row in TRACKERS.items()}
    return found


def _said(table: Mapping[str, Any]) -> dict[str, str]:
    """Word, with the numbers that it usually has → what it is."""
    return dict((name, row) if isinstance(row, str) else (row.usage(name), row.help) for name, row in table.items())


def _width(words: Any) -> int:
    return max(map(len, words))
