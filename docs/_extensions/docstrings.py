"""Docstrings as reStructuredText: they are written as plain text with formulas and names in double backticks, and doctests.

What would be markup of another kind (a bar, an asterisk, an underscore at the end of a word) is text, as x|z is. ``Errors:`` and
``Source:`` begin paragraphs of their own.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from sphinx.application import Sphinx

LABELS = re.compile(r"^(Errors|Source|Sources): ", re.MULTILINE)
LITERAL = re.compile(r"(``.+?``)", re.DOTALL)
MARKUP = re.compile(r"([|*`]|(?<=\w)_(?!\w))")
BEFORE, AFTER = " \n'\"([{<-/:", " \n'\")]}>-/\\:.,;!?"  # what may stand beside a literal


def prose(text: str) -> str:
    """A paragraph of text whose only markup is double backticks."""
    parts = LITERAL.split(text)
    parts[::2] = [MARKUP.sub(r"\\\1", part) for part in parts[::2]]
    for at in range(1, len(parts), 2):
        parts[at - 1] += "\\ " if parts[at - 1] and parts[at - 1][-1] not in BEFORE else ""
        parts[at + 1] = ("\\ " if parts[at + 1] and parts[at + 1][0] not in AFTER else "") + parts[at + 1]
    return "".join(parts)


def restructured(text: str) -> str:
    """A whole docstring; doctests and what is indented stay as they are."""
    text = LABELS.sub(lambda match: f"\n{match[0]}", text)
    paragraphs = [part if part.lstrip("\n").startswith((">>>", " ")) else prose(part) for part in re.split(r"\n{2,}", text)]
    return LABELS.sub(r"**\1:** ", "\n\n".join(paragraphs))


def first_sentence(what: Any) -> str:
    """The first sentence of a docstring in one line, without a colon that announces what comes after it."""
    paragraph = " ".join(inspect.cleandoc(what.__doc__ or "").split("\n\n")[0].split())
    sentence = re.split(r"(?<=[^.][.?!])\s+(?=[A-Z`*(])", re.split(r"\b(?:Errors|Sources?): ", paragraph)[0], maxsplit=1)[0]
    return prose(sentence.rstrip(": "))


def process(app: Sphinx, kind: str, name: str, what: Any, options: Any, lines: list[str]) -> None:
    """What autodoc is to take for the docstring."""
    lines[:] = restructured("\n".join(lines)).split("\n")


def skip(app: Sphinx, kind: str, name: str, what: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out what other libraries put into our classes, as scikit-learn's methods that route arguments."""
    module = getattr(what, "__module__", None) or getattr(getattr(what, "func", None), "__module__", None)
    return True if module and not module.startswith("lowerbound") else None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register both."""
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
