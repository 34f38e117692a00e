"""Where the outputs of executed cells are kept: a folder for each state of the library.

jupyter-cache runs a page's cells again where their source changed, and knows nothing of the library that they call. So the folder's
name has a digest of the library's code in it, without docstrings and comments: who mends a sentence need not wait for every page.
"""

from __future__ import annotations

import ast
import hashlib
import logging
from functools import partial
from pathlib import Path
from typing import Any

import nbclient
from jupyter_cache.executors import utils
from sphinx.application import Sphinx


def cache(root: Path) -> Path:
    """build/cells/DIGEST in the repository at ``root``."""
    return root / "build" / "cells" / digest(root / "src")


def digest(source: Path) -> str:
    """Sixteen hexadecimal digits of all Python below ``source``."""
    summed = hashlib.sha256()
    for path in sorted(source.rglob("*.py")):
        summed.update(str(path.relative_to(source)).encode())
        summed.update(code(path.read_text(encoding="utf-8")))
    return summed.hexdigest()[:16]


def code(text: str) -> bytes:
    """What Python does with a file, without docstrings and positions."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
    return ast.dump(tree).encode()


def setup(app: Sphinx) -> dict[str, Any]:
    """Let a page's kernel begin slowly, on a busy machine, and say nothing that a page does not show (it warns of its local port)."""
    logging.getLogger("traitlets").setLevel(logging.WARNING)
    utils.executenb = partial(nbclient.execute, startup_timeout=600, extra_arguments=["--log-level=40"])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
