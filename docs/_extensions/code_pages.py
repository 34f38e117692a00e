"""Before pages are written: mended links in those of source code, and a shorter list of pages at the side of every page.

viewcode's links from the code to the API take the name by which a file's first class is public for that of all; a page's own name says
better. And a list of all pages beside every page takes minutes to write for some hundred pages: it opens where the reader is.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

BACK = re.compile(r'(?<=href=")((?:\.\./)+api/([\w.-]+)\.html)#([\w.]+)(?=")')


def mended(match: re.Match[str]) -> str:
    """A link to the place of a class, function or method on the page that has its name."""
    page = match[2].removesuffix("-function")
    parent, _, name = page.rpartition(".")
    parts = match[3].split(".")
    at = max((index for index, part in enumerate(parts) if part == name), default=-1)  # a module may have the name of a function in it
    inside = parts[at:]
    return f"{match[1]}#{'.'.join(['lowerbound', *parent.split('.'), *inside] if parent else ['lowerbound', *inside])}"


def context(app: Sphinx, page: str, template: str, words: dict[str, Any], doctree: Any) -> None:
    """Before the theme asks for the list of pages and the page is written."""
    if page.startswith("_modules/"):
        words["body"] = BACK.sub(mended, words["body"])
    toctree = words.get("toctree")
    if toctree:
        words["toctree"] = lambda **options: toctree(**{**options, "collapse": True})


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it before the theme."""
    app.connect("html-page-context", context, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
