"""After the build: every link, picture, script and style of every page leads to a file of the site, and to a place on it that exists.

Nothing of another host is loaded: a link to one may be followed, but a page that needs one to be shown is an error.
"""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)
TAG = re.compile(r"<([a-z][a-z0-9]*)\s([^<>]*)>")  # as Sphinx writes them; a parser takes ten times as long
ATTRIBUTE = re.compile(r'\b(id|name|href|src|rel)="([^"]*)"')


class Page:
    """The names of places on a page, what it links to, and what it loads."""

    def __init__(self, text: str):
        self.places: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        for tag, attributes in TAG.findall(text):
            words = {name: html.unescape(value) for name, value in ATTRIBUTE.findall(attributes)}
            self.places.update(words[name] for name in ("id", "name") if name in words)
            if "href" in words:
                (self.loaded if tag == "link" and words.get("rel") != "search" else self.links).add(words["href"])
            if "src" in words:
                self.loaded.add(words["src"])


@cache
def page(path: Path) -> Page:
    """The page in a file."""
    return Page(path.read_text(encoding="utf-8"))


def fault(path: Path, target: str, loads: bool) -> str | None:
    """What is wrong with a target of the page at ``path``, if anything is."""
    url = urlsplit(target)
    if url.scheme or url.netloc:
        return "loads from elsewhere" if loads and url.scheme != "data" else None
    found = (path.parent / unquote(url.path)).resolve() if url.path else path
    if not found.is_file():
        return "no such file"
    if url.fragment and found.suffix == ".html" and unquote(url.fragment) not in page(found).places:
        return "no such place on it"
    return None


def faults(site: Path) -> list[str]:
    """``PAGE: TARGET: what is wrong``, one a fault of a site."""
    page.cache_clear()
    found = []
    for path in sorted(site.rglob("*.html")):
        if "_downloads" in path.parts:
            continue  # a copy of a file of the repository, as it is
        for targets, loads in ((page(path).links, False), (page(path).loaded, True)):
            for target in sorted(targets):
                wrong = fault(path, target, loads)
                if wrong:
                    found.append(f"{path.relative_to(site)}: {target}: {wrong}")
    return found


def check(app: Sphinx, error: Exception | None) -> None:
    """A warning for each fault, which ``make docs`` makes an error."""
    if error is None and app.builder.format == "html":
        for line in faults(Path(app.outdir)):
            log.warning("%s", line)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the check."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
