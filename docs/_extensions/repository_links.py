"""Pages and links that leave docs/: right on the site as they are where the files are read.

Some files of the repository are pages of the site: their stubs in docs/ link to them, and here have their text, its links made relative to
docs/. A link to such a file is one to its page; a link to any other file outside docs/ gives the reader a copy of it (MyST's own way).
An address that is written out is a link, as it is where the files are read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

#: page of the site → the file that has its text
PAGES = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md"}
#: files that have a page without being its text
TOLD = {"README.md": "index", "findings/README.md": "findings"}
ADDRESS = re.compile(r"(https?://[^\s<>()\[\]]+[^\s<>()\[\].,;:!?])")
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")


def rebased(text: str, base: Path, docs: Path) -> str:
    """The text with links relative to ``base`` made relative to ``docs``, where they are to files that exist."""

    def moved(match: re.Match[str]) -> str:
        found = base / match[1]
        return Path(os.path.relpath(found, docs)).as_posix() if found.exists() else match[1]

    return LINK.sub(moved, text)


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """In the place of a stub, the file that it is about."""
    if name in PAGES:
        docs = Path(app.srcdir)
        path = docs.parent / PAGES[name]
        source[0] = rebased(path.read_text(encoding="utf-8"), path.parent, docs)
        app.env.note_dependency(path)


class ToPages(SphinxTransform):
    """A link to a file that is a page of the site → the page."""

    default_priority = 5  # before files are collected to be copied

    def apply(self, **_: Any) -> None:
        """Replace each such link of the page."""
        root = Path(self.app.srcdir).parent
        pages = {str(root / path): page for page, path in PAGES.items()} | {str(root / path): page for path, page in TOLD.items()}
        for node in list(self.document.findall(addnodes.pending_xref)):
            page = pages.get(f"{node['reftarget']}.md")  # MyST takes any Markdown for a page
            if page and node.get("refdomain") == "doc":
                node["reftarget"] = page


class Addresses(SphinxTransform):
    """Addresses in the text become links."""

    default_priority = 900

    def apply(self, **_: Any) -> None:
        """Of each text that is no link, code or title, make links of what is an address."""
        for text in list(self.document.findall(nodes.Text)):
            parts = ADDRESS.split(text)
            if len(parts) > 1 and not within(text, (nodes.reference, nodes.literal, nodes.literal_block, nodes.raw, nodes.comment)):
                links = [nodes.reference("", part, refuri=part) if at % 2 else nodes.Text(part) for at, part in enumerate(parts)]
                text.parent.replace(text, links)


def within(node: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> bool:
    """Whether it is in one of these."""
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kinds):
            return True
    return False


def setup(app: Sphinx) -> dict[str, Any]:
    """Register all three."""
    app.connect("source-read", read)
    app.add_transform(ToPages)
    app.add_transform(Addresses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
