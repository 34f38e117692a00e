"""The figures of docs/choose.md, of what ``choosing`` measured; all else of the page is as it was.

Between ``<!-- table: QUESTION -->`` and ``<!-- end -->`` stands the table of a question, between ``<!-- gain: QUESTION / CHOICE -->`` and
``<!-- -->`` by how much a choice's log p(x) is above that which the others are beside, a choice being named as in its table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from choosing import QUESTIONS, ROOT, SEES, Question, Words, job
from entries import Entry

PAGE = ROOT / "docs" / "choose.md"
#: of values whose squared errors are all of one unit
COMPARABLE = ("digits", "mnist", "fashion", "cells")
#: what stands before a word in a choice's name
BEFORE = {"posterior": "q ", "scale": "σ ", "kl": "KL ", SEES: "encoder sees "}
#: words that all choices of a question share, by how the question's name begins
SHARED = {"estimators of classes": ("prior", "posterior", "latent"), "priors of two": ("latent",)}


@dataclass(frozen=True)
class Found:
    """A choice: the entries of its seeds, in their order."""

    name: str
    entries: Sequence[Entry]

    def over(self, figure: str) -> float:
        """A figure's mean over seeds."""
        return mean(entry[figure] for entry in self.entries)

    @property
    def each(self) -> list[float]:
        """log p of each example, the mean over seeds."""
        return [mean(values) for values in zip(*(entry["each"] for entry in self.entries), strict=True)]


def difference(one: Found, other: Found) -> tuple[float, float]:
    """By how much the one's log p(x) is above the other's, by seeds that both have, and its standard error over examples and over seeds."""
    both = min(len(one.entries), len(other.entries))
    one, other = (Found(some.name, some.entries[:both]) for some in (one, other))
    pairs = [a - b for a, b in zip(one.each, other.each, strict=True)]
    by_seed = [a["log p"] - b["log p"] for a, b in zip(one.entries, other.entries, strict=True)]
    over_seeds = stdev(by_seed) ** 2 / len(by_seed) if len(by_seed) > 1 else 0.0
    return mean(by_seed), (stdev(pairs) ** 2 / len(pairs) + over_seeds) ** 0.5


def name_of(choice: Words, question: str) -> str:
    """A choice in words."""
    shared = {word for start, words in SHARED.items() if question.startswith(start) for word in words}
    return ", ".join(f"{BEFORE.get(word, '')}`{value}`" for word, value in choice.items() if word not in shared)


def found(name: str, question: Question, entries: dict[str, Entry]) -> list[Found]:
    """The choices of a question that were measured, in their order."""
    made = []
    for choice in [*question.choices, *question.once]:
        keys = [job(question.data, choice, seed).key for seed in range(question.seeds)]
        there = [entries[key] for key in keys if "log p" in entries.get(key, {})]
        made += [Found(name_of(choice, name), there)] if there else []
    return made


def table(name: str, question: Question, entries: dict[str, Entry]) -> str:
    """A row for each choice, beside one of them."""
    choices = found(name, question, entries)
    if len(choices) <= question.beside:
        return "*Not measured.*"
    usual, error = choices[question.beside], question.data in COMPARABLE
    lines = [["", "log p(x)", f"beside {usual.name}", "bound", "KL", "active units", *(["squared error"] if error else [])]]
    lines.append(["---"] * len(lines[0]))
    best = max(choice.over("log p") for choice in choices)
    for choice in choices:
        log_p = minus(f"{choice.over('log p'):.2f}")
        gained = "" if choice is usual else gain(choice, usual)
        figures = [minus(f"{choice.over('bound'):.2f}"), f"{choice.over('KL'):.1f}", f"{choice.over('active'):.2g}"]
        figures += [f"{choice.over('error'):.4f}"] if error else []
        lines.append([choice.name, f"**{log_p}**" if choice.over("log p") == best else log_p, gained, *figures])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n*{DATA[question.data]}; {seeds_of(choices)}.*"


def seeds_of(choices: list[Found]) -> str:
    """From how many seeds they are."""
    counts = {choice.name: len(choice.entries) for choice in choices}
    most = max(counts.values())
    fewer = [name for name, count in counts.items() if count < most]
    said = f"{most} seed{'s' if most > 1 else ''}"
    return said + (f", {' and '.join(fewer)} from {min(counts.values())}" if fewer else "")


def gain(choice: Found, usual: Found) -> str:
    """The difference in log p(x) and its standard error."""
    value, error = difference(choice, usual)
    return minus(f"{value:+.2f} ± {error:.2f}")


def gain_of(question: str, name: str, entries: dict[str, Entry]) -> str:
    """That of a choice that is named as in its table, but for backquotes. Errors: SystemExit where there is no such."""
    choices = found(question, QUESTIONS[question], entries)
    named = {choice.name.replace("`", ""): choice for choice in choices}
    if name not in named:
        raise SystemExit(f"docs/choose.md asks for '{name}' of '{question}', and there are {json.dumps([*named], ensure_ascii=False)}")
    return gain(named[name], choices[QUESTIONS[question].beside])


def minus(number: str) -> str:
    """With a minus sign in place of a hyphen."""
    return number.replace("-", "−")


#: what was trained on, in words
DATA = {
    "digits": "1,418 digits of 8 × 8, 179 scored",
    "mnist": "5,000 images of MNIST, binarized, 200 scored",
    "fashion": "3,000 images of Fashion-MNIST, 256 greys, 200 scored",
    "colours": "2,910 patches of two photographs, counts of colours, 400 scored",
    "cells": "343 rows of 30 numbers, 113 scored",
    "patients": "266 rows of 11 columns of three kinds, 88 scored",
}


def page(text: str, entries: dict[str, Entry]) -> str:
    """The page's text with tables and gains between their marks. Errors: SystemExit for marks of what there is not."""

    def put(mark: re.Match[str]) -> str:
        if mark[1] not in QUESTIONS:
            raise SystemExit(
                f"docs/choose.md asks for the question '{mark[1]}', and there are {json.dumps([*QUESTIONS], ensure_ascii=False)}"
            )
        return f"<!-- table: {mark[1]} -->\n\n{table(mark[1], QUESTIONS[mark[1]], entries)}\n\n<!-- end -->"

    def said(mark: re.Match[str]) -> str:
        return f"<!-- gain: {mark[1]} / {mark[2]} -->{gain_of(mark[1], mark[2], entries)}<!-- -->"

    text = re.sub(r"<!-- table: (.+?) -->.*?<!-- end -->", put, text, flags=re.DOTALL)
    return re.sub(r"<!-- gain: (.+?) / (.+?) -->.*?<!-- -->", said, text)


def write(entries: dict[str, Entry]) -> None:
    """Write the page anew. Errors: as for ``page``."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), entries), encoding="utf-8")
