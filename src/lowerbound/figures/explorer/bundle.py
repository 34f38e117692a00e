"""The scripts of the page, modules in a folder, as one script: a file that is opened from disk can load no other."""

from __future__ import annotations

import re
from importlib.resources import files

IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([\w-]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?(?:function|const|let|class) (\w+))", re.MULTILINE)


def read(name: str) -> str:
    """A file of the page's folder."""
    return (files("lowerbound.figures.explorer") / "page" / name).read_text(encoding="utf-8")


def modules(*wanted: str) -> list[str]:
    """The names of modules and of all that they import, each after what it needs itself."""
    found: list[str] = []

    def add(name: str) -> None:
        for _, needed in IMPORT.findall(read(f"{name}.js")):
            if needed not in found:
                add(needed)
        if name not in found:
            found.append(name)

    for name in wanted:
        add(name)
    return found


def exports(name: str) -> list[str]:
    """What a module offers others."""
    return [found for _, found in EXPORT.findall(read(f"{name}.js"))]


def bundled(*wanted: str) -> str:
    """Modules and all that they need, in one script; each a function of its own, so that their names do not meet."""
    return "\n".join(['"use strict";', *map(_wrapped, modules(*wanted))])


def _wrapped(name: str) -> str:
    """``const module_name = (() => {…})();``, an object of what it offers."""
    content = IMPORT.sub(lambda found: f"const {found[1]} = {_variable(found[2])};\n", read(f"{name}.js"))
    content = EXPORT.sub(lambda found: found[1], content)
    return f"const {_variable(name)} = (() => {{\n{content}\nreturn {{ {', '.join(exports(name))} }};\n}})();"


def _variable(name: str) -> str:
    return f"module_{name.replace('-', '_')}"


def names(*wanted: str) -> str:
    """A statement by which all that these modules offer is known under its own name."""
    return "\n".join(f"const {{ {', '.join(exports(name))} }} = {_variable(name)};" for name in modules(*wanted))
