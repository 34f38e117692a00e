"""The words of a recipe as options: all of them, by their groups, for ``train``, and those that say how data are read for ``data``."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Sequence
from typing import Any

from lowerbound.interfaces.cli import options
from lowerbound.interfaces.cli.options import Parser
from lowerbound.recipes.page import option
from lowerbound.recipes.recipe import GROUPS, READING, Recipe, fields_of, word_type

FIELDS = {field.name: field for field in dataclasses.fields(Recipe)}
RANGE = option("range")


def train(parser: Parser) -> None:
    """Those of ``train``."""
    parser.add_argument("data", nargs="?", metavar="DATA", default=argparse.SUPPRESS, help=_help(FIELDS["data"]))
    for name, text in GROUPS.items():
        group = parser.add_argument_group(name, text or None)
        for field in fields_of(name):
            if field.name != "data":
                _recipe_option(group, field)
    group = parser.add_argument_group("the run")
    group.add_argument(
        "--recipe", metavar="NAME|FILE", help="a model by name (see lowerbound recipes), or a recipe.toml; words typed here win"
    )
    group.add_argument("-o", "--out", metavar="FOLDER", help="the run's folder (default: runs/ and the name of the data)")
    group.add_argument("--overwrite", action="store_true", help="replace the run that is there")
    text = "a run for each seed, 0-9 or 0,3,7, in FOLDER/seed-N, as many at a time as there are processors; again, it goes on"
    group.add_argument("--seeds", type=options.seeds, metavar="LIST", help=text)
    options.save_every(group)
    options.log(group)
    options.machine(group)


def _recipe_option(group: Any, field: dataclasses.Field[Any]) -> None:
    name, text = option(field.name), _help(field)
    if word_type(field) is bool:
        group.add_argument(name, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
        return
    group.add_argument(name, type=word_type(field), metavar=field.metadata["metavar"], default=argparse.SUPPRESS, help=text)


def _help(field: dataclasses.Field[Any]) -> str:
    """What is said of a recipe's word: what it is, the words that it may be with their usual numbers, its default."""
    text, table = field.metadata["help"], field.metadata["table"]
    if table:
        text += ": " + ", ".join(name if isinstance(row, str) else row.usage(name) for name, row in table.items())
    if field.default is not None and field.default is not False:
        text += f" (default: {field.default})"
    return str(text.replace("%", "%%"))


def datasets(parser: Parser) -> None:
    """Those of ``data``."""
    parser.add_argument("source", nargs="?", metavar="SOURCE", help="a name, a file or a folder: what is read of it")
    for word in READING:
        _recipe_option(parser, FIELDS[word])
    options.output(parser, ".png: a sheet of its images", required=False)
    options.data_dir(parser)


def shard(parser: Parser) -> None:
    """Those of ``shard``."""
    parser.add_argument("source", metavar="SOURCE", help="a name, a file or a folder; what can stay on disk is read in pieces")
    for word in (word for word in READING if word != "stream"):
        _recipe_option(parser, FIELDS[word])
    parser.add_argument("--counts", action="store_true", help="whole numbers are counts, for a likelihood of counts (default: greys)")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="a new folder, which every verb then reads block by block")
    options.data_dir(parser)


def joined(argv: Sequence[str]) -> list[str]:
    """The words with a range that begins with a minus put to its option, or it would be taken for one."""
    words: list[str] = []
    for word in argv:
        if words and words[-1] == RANGE and re.fullmatch("-[0-9.].*", word):
            words[-1] = f"{RANGE}={word}"
        else:
            words.append(word)
    return words
