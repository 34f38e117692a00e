"""Formulas as MathML, made at build: a page needs no script and no font to show them, and screen readers can read them.

The builder for HTML asks for a renderer by name (``html_math_renderer``); this one gives ``latex2mathml``'s translation. What it
cannot translate is a warning, which fails the build.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

NAME = "mathml"
log = logging.getLogger(__name__)


def translated(node: nodes.Element, display: str) -> str:
    """The formula of a node as one ``<math>`` element, or its LaTeX as text, with a warning."""
    latex = node.astext()
    try:
        return convert(latex, display=display)
    except Exception as error:  # whatever a parser of LaTeX raises
        log.warning("no MathML for %r: %r", latex, error, location=node)
        return f"<code>{nodes.raw('', latex).astext()}</code>"


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
