"""The page of words, ``docs/words.md``: every word that a recipe takes, as its tables have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lowerbound.recipes.contexts import MISSING
from lowerbound.recipes.recipe import GROUPS, fields_of

HEAD = """# Words

What a recipe and the command line take, by option. A word may carry numbers after colons, as `iwae:5`; those that are left out are as in
the middle column. This page is what `lowerbound.recipes.page.page()` gives.
"""


def page() -> str:
    """The page as Markdown: a heading for each group of options, and a table for each option that takes words."""
    parts = [HEAD]
    for group, text in GROUPS.items():
        fields = [field for field in fields_of(group) if field.metadata["table"]]
        if fields:
            parts += [f"## {group.capitalize()}\n", *([f"{text}\n"] if text else [])]
            parts += [_section(option(field.name), field.metadata["help"], field.metadata["table"]) for field in fields]
    parts += ["## What is missing\n", _section("--missing", "of complete, and after --given observed", MISSING)]
    return "\n".join(parts)


def option(name: str) -> str:
    """A recipe's word as an option."""
    return "--" + name.replace("_", "-")


def _section(name: str, text: str, table: Mapping[str, Any]) -> str:
    rows = [f"| `{_pattern(word, row)}` | {_usual(word, row)} | {_help(row)} |" for word, row in table.items()]
    return "\n".join([f"`{name}`: {text}\n", "| word | usually | what it is |", "|---|---|---|", *rows, ""])


def _pattern(word: str, row: Any) -> str:
    return word if isinstance(row, str) else str(row.pattern(word))


def _usual(word: str, row: Any) -> str:
    usual = word if isinstance(row, str) else row.usage(word)
    return "" if usual == word else f"`{usual}`"


def _help(row: Any) -> str:
    found: str = row if isinstance(row, str) else row.help
    return found.replace("|", "\\|")
