"""Rows of the tables of words: each stands for something that is there, with the numbers that its class has."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowerbound.errors import RecipeError
from lowerbound.recipes.contexts import CONTEXTS, MISSING, OF_LABELS
from lowerbound.recipes.grammar import LARGEST, At, Word, make, read
from lowerbound.recipes.recipe import Recipe
from lowerbound.vae.objectives.elbo import ELBO
from lowerbound.vae.objectives.kl import ClosedKL, SampledKL
from lowerbound.vae.objectives.renyi import Renyi
from lowerbound.vae.schedules import Constant, Linear

TABLES = {field.name: field.metadata["table"] for field in dataclasses.fields(Recipe) if field.metadata["table"]} | {"missing": MISSING}
ROWS = {f"{family} {name}": row for family, table in TABLES.items() for name, row in table.items() if isinstance(row, Word)}
#: numbers that are not what their class has by itself: Rényi's α is 0 there, which is IWAE
OTHER = {("objective renyi", "alpha")}


def parts(row: Word) -> Iterator[Word | At]:
    """What else a row names."""
    for value in row.fixed.values():
        if isinstance(value, (Word, At)):
            yield value
        if isinstance(value, Word):
            yield from parts(value)


@pytest.mark.parametrize("name", ROWS)
def test_what_a_row_names_is_there_and_takes_what_it_says(name: str) -> None:
    row = ROWS[name]
    assert row.help
    assert not row.help.endswith(".")
    parameters = inspect.signature(row.find()).parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for argument in [*row.numbers, *row.fixed, *([row.text] if row.text else [])]:
        assert argument in parameters or open_ended
    for part in parts(row):
        assert callable(part.find())


ROOT = Path(__file__).parents[2]
TEXTS = [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
#: options in messages and pages with a word that has numbers, ``--objective beta-linear:1:10``
ADVISED = {
    (path.relative_to(ROOT).as_posix(), option, word)
    for path in TEXTS
    for option, word in re.findall(r"--([a-z-]+) ([a-z-]+(?::[0-9.]*[0-9])+)(?![:\w])", path.read_text(encoding="utf-8"))
    if option in TABLES and option != "network"
}


@pytest.mark.parametrize(("where", "option", "word"), sorted(ADVISED))
def test_words_with_numbers_that_are_advised_mean_something(where: str, option: str, word: str) -> None:
    """They are understood, and of an objective the KL counts at last."""
    row, written = read(option, word, TABLES[option])
    if option == "objective":
        made = row.make(written, kl=ClosedKL())
        assert getattr(made.at(math.inf), "weight_of_kl", 1.0) > 0


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.numbers])
def test_usual_numbers_are_those_of_the_class(name: str) -> None:
    row = ROWS[name]
    for argument, usual in row.numbers.items():
        parameter = inspect.signature(row.find()).parameters.get(argument)
        own = inspect.Parameter.empty if parameter is None else parameter.default
        if own is not inspect.Parameter.empty and (name, argument) not in OTHER:
            assert (type(own), own) == (type(usual), usual)


def test_the_contexts_of_labels_are_known() -> None:
    assert CONTEXTS.keys() >= OF_LABELS


TABLE = {
    "pair": Word("vae.objectives.renyi:Renyi", "", {"samples": 2, "alpha": 0.5}),
    "all": Word("recipes.grammar:At", "", text="place"),
}


def test_numbers_are_read_and_those_left_out_are_the_usual_ones() -> None:
    assert make("word", "pair:7", TABLE) == Renyi(0.5, 7)
    assert make("word", "pair:7:0.25", TABLE, samples=3, nothing=4) == Renyi(0.25, 7)
    assert make("word", "all:a:b", TABLE) == At("a:b")
    assert TABLE["pair"].usage("pair") == "pair:2:0.5"
    assert (TABLE["pair"].pattern("pair"), TABLE["all"].pattern("all")) == ("pair:SAMPLES:ALPHA", "all:PLACE")


def test_what_is_offered_is_taken_by_name_and_what_is_fixed_stays() -> None:
    offered = {"kl": ClosedKL(), "other": 1}
    assert Word("vae.objectives.elbo:ELBO", "").make(**offered) == ELBO(ClosedKL())
    fixed = {"kl": Word("vae.objectives.kl:SampledKL", ""), "beta": Word("vae.schedules:Constant", "", {"value": 2.0})}
    assert Word("vae.objectives.elbo:ELBO", "", {"samples": 3}, fixed).make(**offered) == ELBO(SampledKL(), 3, Constant(2.0))
    assert Word("recipes.objectives:scheduled", "", {}, {"schedule": At("vae.schedules:Linear")}).arguments({}, {})["schedule"] is Linear


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("par", "unknown word 'par'; did you mean 'pair'"),
        ("pair:1:2:3", "word 'pair:1:2:3' has too many numbers; write pair:2:0.5"),
        ("pair:0", "word 'pair:0' is not understood; write pair:2:0.5"),
        ("pair:1.5", "is not understood"),
        ("pair:1:x", "is not understood"),
        (f"pair:{LARGEST + 1}", "samples must be at most 1,000,000, not 1,000,001"),
    ],
)
def test_what_is_no_word_is_refused(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read("word", text, TABLE)


def test_tables_import_nothing_heavy() -> None:
    code = "import sys, lowerbound.recipes.page; print(sorted({'torch', 'numpy', 'numba'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
