"""The scripts of the page, modules in a folder, as one script: a file that is opened from disk can load no other."""

from __future__ import annotations

import re
from importlib.resources import files

IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ", re.MULTILINE)


def read(name: str) -> str:
    """A file of the page's folder."""
    return (files("lowerbound.figures.explorer") / "page" / name).read_text(encoding="utf-8")


def modules(last: str) -> list[str]:
    """The names of a module and of all that it imports, each after what it needs itself."""
    found: list[str] = []

    def add(name: str) -> None:
        for needed in IMPORT.findall(read(f"{name}.js")):
            if needed not in found:
                add(needed)
        if name not in found:
            found.append(name)

    add(last)
    return found


def bundled(last: str) -> str:
    """A module and all that it needs, in one script; names at the top of files are those of one scope, and so differ from file to file."""
    parts = [EXPORT.sub("", IMPORT.sub("", read(f"{name}.js"))) for name in modules(last)]
    return "\n".join(['"use strict";', *parts])
