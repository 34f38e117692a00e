"""How long the sentences of pages are, a hint for their authors: ``python tests/project/sentences.py docs/*.md docs/guide/*.md``.

For each page its number of sentences, their median and 90th percentile in words, and below each sentence of more than ``LONG`` words with
its line. Headings, tables, code, displayed formulas and lists of sources are no sentences; a formula or name in a line is a word.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LONG = 35
#: what is left out, in this order: front matter, comments, code, formulas on lines of their own
BLOCKS = (
    r"\A---\n.*?\n---\n",
    r"<!--.*?-->",
    r"^ *(`{3,}|~{3,}).*?^ *\1 *$",
    r"^\$\$.*?\$\$ *$",
)
#: and lines: headings, tables, indented code, rules, references of links, options and fences of directives
LINES = r"^(#{1,6} .*|[ \t]*\|.*|(?: {4,}|\t)(?![-*] |\d+\. ).*|[-=*_]{3,} *|\[[^\]]+\]:.*|:[\w-]+:.*|:{3,}.*|% .*)$"
#: a list's item begins a paragraph of its own; a number at a line's start within one is none, but for 1
ITEM, WITHIN = re.compile(r"\s*(?:[-*+]|\d+[.)]) "), re.compile(r"\s*(?:[-*+]|1[.)]) ")
#: what stands for one word in a sentence
SPANS = (
    (r"!\[([^\]]*)\]\([^)]*\)", ""),
    (r"\[([^\]]*)\]\([^)]*\)", r"\1"),
    (r"`+[^`]*`+", "Code"),
    (r"\$[^$]+\$", "Formula"),
    (r"<[^>]*>", "Link"),
)
ABBREVIATIONS = r"(?<!\be\.g)(?<!\bi\.e)(?<!\bal)(?<!\bvs)(?<!\bcf)(?<!\bno)"
#: the end of a sentence, the next of which begins with a capital, a figure or a letter of a formula
END = re.compile(ABBREVIATIONS + r"[.!?][)\"”*_]*\s+(?=[\"“(*_]*(?:[A-Z0-9Α-Ωα-ω.∇–-]|[a-z][(_|]|[b-z] ))")


class Sentence(NamedTuple):
    """Where it begins in its page, and what it says."""

    line: int
    text: str

    @property
    def words(self) -> int:
        """How many it has: what contains a letter or a digit."""
        return sum(any(map(str.isalnum, word)) for word in self.text.split())


def prose(text: str) -> str:
    """The page with as many lines, those that are no sentences being empty."""
    for block in BLOCKS:
        text = re.sub(block, lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(LINES, "", text, flags=re.MULTILINE)


def of_lines(text: str, place: str) -> str:
    """The text in one line, and then as many line ends as there were in its place."""
    return text.replace("\n", " ") + "\n" * place.count("\n")


def paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Each with the line that it begins in."""
    begun, lines = 0, []
    for number, line in enumerate([*prose(text).splitlines(), ""], 1):
        item = (WITHIN if lines else ITEM).match(line)
        if lines and (not line.strip() or item):
            yield begun, "\n".join(lines)
            lines = []
        if line.strip():
            begun = begun if lines else number
            lines.append(line[item.end() :] if item else line)


def sentences(text: str) -> Iterator[Sentence]:
    """Those of a page."""
    for line, paragraph in paragraphs(text):
        for pattern, put in SPANS:
            paragraph = re.sub(pattern, lambda found, put=put: of_lines(found.expand(put), found[0]), paragraph)
        start = 0
        for end in [*(found.end() for found in END.finditer(paragraph)), len(paragraph)]:
            said = paragraph[start:end]
            at = line + paragraph.count("\n", 0, start + len(said) - len(said.lstrip()))
            if any(map(str.isalnum, said)) and not said.lstrip().startswith("Source"):
                yield Sentence(at, " ".join(said.split()))
            start = end


def report(path: Path, long: int) -> Iterator[str]:
    """Lines about a page."""
    found = list(sentences(path.read_text(encoding="utf-8")))
    counts = sorted(sentence.words for sentence in found)
    if not counts:
        return
    over = sorted((sentence for sentence in found if sentence.words > long), key=lambda sentence: -sentence.words)
    most = counts[int(0.9 * (len(counts) - 1))]
    yield f"{path}: {len(found)} sentences, median {statistics.median(counts):g} words, nine in ten up to {most}, {len(over)} long"
    yield from (f"  {path.name}:{sentence.line}: {sentence.words} words: {sentence.text}" for sentence in over)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--long", type=int, default=LONG, help="how many words a sentence may have")
    typed = parser.parse_args()
    for page in typed.pages:
        sys.stdout.writelines(line + "\n" for line in report(page, typed.long))


if __name__ == "__main__":
    main()
