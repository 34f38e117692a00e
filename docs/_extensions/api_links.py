"""Names of the API in running text, as `lb.objectives.IWAE`, lead to their pages; nobody has to write a link."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from repository_links import within
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

CALLED = re.compile(r"(?P<start>lb|lowerbound)\.(?P<name>\w+(?:\.\w+)*)(?:\(.*\))?", re.DOTALL)
BARE = re.compile(r"[A-Z]\w*(?:\.\w+)*|[a-z]\w*(?:\.\w+)+")  # a word without a capital or a dot may be an argument


class Links(SphinxPostTransform):
    """A literal that is a public name, and not in a title or a link already, becomes a link to it."""

    default_priority = 20

    def run(self, **_: Any) -> None:
        """Do so on one page."""
        page = self.env.docname
        for literal in list(self.document.findall(nodes.literal)):
            uri = None if within(literal, (nodes.reference, nodes.title, nodes.term)) else self.found(literal.astext(), page)
            if uri:
                link = nodes.reference("", "", internal=True, refuri=uri)
                literal.replace_self(link)
                link += literal

    def found(self, text: str, page: str) -> str | None:
        """Where a name is explained, if that is another place."""
        match = CALLED.fullmatch(text)
        if match:
            return self.place(match["name"], page)
        if not page.startswith("api/") or not BARE.fullmatch(text):
            return None
        module = page.removeprefix("api/")
        inside = [f"{module}.{text}", f"{module.rpartition('.')[0]}.{text}".lstrip("."), text]
        return next((uri for name in inside if (uri := self.place(name, page))), None)

    def place(self, name: str, page: str) -> str | None:
        """The address of lb.NAME from a page."""
        known = self.env.domains.python_domain.objects.get(f"lowerbound.{name}")
        if known is None or known.docname == page:
            return None
        return f"{self.app.builder.get_relative_uri(page, known.docname)}#{known.node_id}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.add_post_transform(Links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
