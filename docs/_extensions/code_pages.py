"""Before pages are written: mended links in those of source code, a shorter list of pages at the side, lists that are lists.

viewcode's links from the code to the API take the name by which a file's first class is public for that of all; a page's own name says
better. And a list of all pages beside every page takes minutes to write for some hundred pages: it opens where the reader is.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

BACK = re.compile(r'(?<=href=")((?:\.\./)+api/([\w.-]+)\.html)#([\w.]+)(?=")')
#: the parameters of a signature that is written in lines
PARAMETERS = re.compile(r'<dl>\s*(<dd><em class="sig-param">.*?)</dl>', re.DOTALL)
PARAMETER = re.compile(r"<dd>(.*?)</dd>", re.DOTALL)


def mended(match: re.Match[str]) -> str:
    """A link to the place of a class, function or method on the page that has its name."""
    page = match[2].removesuffix("-function")
    parent, _, name = page.rpartition(".")
    parts = match[3].split(".")
    at = max((index for index, part in enumerate(parts) if part == name), default=-1)  # a module may have the name of a function in it
    inside = parts[at:]
    return f"{match[1]}#{'.'.join(['lowerbound', *parent.split('.'), *inside] if parent else ['lowerbound', *inside])}"


def lists(words: dict[str, Any]) -> None:
    """Parameters are no definitions without a term, and captions of the list of pages are headings of a level: for screen readers."""
    words["body"] = PARAMETERS.sub(lambda match: PARAMETER.sub(r'<span class="parameter">\1</span>', match[1]), words.get("body", ""))
    if "furo_navigation_tree" in words:
        words["furo_navigation_tree"] = words["furo_navigation_tree"].replace('role="heading"', 'role="heading" aria-level="2"')


def context(app: Sphinx, page: str, template: str, words: dict[str, Any], doctree: Any) -> None:
    """Before the theme asks for the list of pages and the page is written."""
    if page.startswith("_modules/"):
        words["body"] = BACK.sub(mended, words["body"])
    toctree = words.get("toctree")
    if toctree:
        words["toctree"] = lambda **options: toctree(**{**options, "collapse": True})


def setup(app: Sphinx) -> dict[str, Any]:
    """Register one before the theme, the other after it."""
    app.connect("html-page-context", context, priority=400)
    app.connect("html-page-context", lambda app, page, template, words, doctree: lists(words), priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
