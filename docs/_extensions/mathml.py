"""Formulas as MathML, made at build: a page needs no script and no font to show them, and screen readers can read them.

The builder for HTML asks for a renderer by name (``html_math_renderer``); this one gives ``latex2mathml``'s translation, with the thin
spaces about log and its kin that TeX sets. What it cannot translate is a warning, which fails the build.
"""

from __future__ import annotations

from html import escape
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

NAME = "mathml"
SPACE = "http://www.w3.org/1998/Math/MathML"
log = logging.getLogger(__name__)
ElementTree.register_namespace("", SPACE)


def named(element: ElementTree.Element) -> bool:
    """Whether it is a function that is written by its name, as log, with or without an index."""
    core = element[0] if element.tag.endswith(("msub", "msup", "munder")) and len(element) else element
    return core.tag.endswith(("mi", "mo")) and len(core.text or "") > 1 and (core.text or "").isalpha()


def opens(element: ElementTree.Element) -> bool:
    """Whether something begins with it, that is not a sign or a bracket."""
    return not element.tag.endswith(("mo", "mspace")) or named(element)


def closes(element: ElementTree.Element) -> bool:
    """Whether something ends with it: a letter, a number, a closing bracket."""
    return opens(element) or element.text in (")", "]", "}")


def spaced(row: ElementTree.Element) -> None:
    """Put thin spaces about the named functions of a row, and of those in it."""
    for child in row:
        spaced(child)
    if not row.tag.endswith(("mrow", "math")):
        return
    for at in range(len(row) - 1, 0, -1):
        before, after = row[at - 1], row[at]
        if (named(before) and opens(after)) or (named(after) and closes(before)):
            row.insert(at, ElementTree.Element(f"{{{SPACE}}}mspace", width="0.167em"))


def mathml(latex: str, display: str) -> str:
    """One ``<math>`` element. Errors: whatever the translation raises for LaTeX that it does not know."""
    root = ElementTree.fromstring(convert(latex, display=display))  # noqa: S314 - made on the line itself
    spaced(root)
    return ElementTree.tostring(root, encoding="unicode")


def translated(node: nodes.Element, display: str) -> str:
    """The formula of a node, or its LaTeX as text, with a warning."""
    try:
        return mathml(node.astext(), display)
    except Exception as error:  # whatever a parser of LaTeX raises
        log.warning("no MathML for %r: %r", node.astext(), error, location=node)
        return f"<code>{escape(node.astext())}</code>"


def visit_inline(self: Any, node: nodes.math) -> None:
    """A formula within a line."""
    self.body.append(translated(node, "inline"))
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.math_block) -> None:
    """A formula on a line of its own, which a narrow page scrolls."""
    self.body.append(f'<div class="formula">{translated(node, "block")}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer(NAME, (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
