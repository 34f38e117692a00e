"""The page of findings, made at build from findings/: the table of its README, the first lines of each script, and what it printed.

A script's first line says of which version it is and what happens; ``Guess before it was run`` what was expected, ``Seen`` what happened.
findings/seen/NAME.txt is what it printed, where it was run on a machine that shows it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

PAGE = "findings"
ROW = re.compile(r"^\| \[(?P<script>[\w-]+\.sh)\]\([^)]*\) \| (?P<what>.+?) \|$", re.MULTILINE)
SAID = re.compile(r"(?P<version>[^:]+): (?P<first>.*?)Guess before it was run: (?P<guess>.*?)Seen(?P<where> [^:]*)?: (?P<seen>.*)")


def said(script: Path) -> dict[str, str]:
    """The parts of a script's first lines, by name."""
    lines = script.read_text(encoding="utf-8").splitlines()[1:]
    ends = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    match = SAID.fullmatch(" ".join(" ".join(line.lstrip("#").strip() for line in lines[:ends]).split()))
    if match is None:
        raise ValueError(f"{script.name} does not begin with a version, a guess and what was seen")
    return {name: re.sub(r"([*_<])", r"\\\1", part or "").strip() for name, part in match.groupdict().items()}


def section(script: Path, what: str) -> str:
    """One finding."""
    parts, printed = said(script), script.parent / "seen" / f"{script.stem}.txt"
    seen = f"**Seen** ({parts['where']}): " if parts["where"] else "**Seen:** "
    text = f"## {what[0].upper()}{what[1:]}\n\n*{parts['version']}.* [The script](../findings/{script.name}).\n\n"
    text += f"**Expected:** {parts['guess']}\n\n{seen}{parts['seen']}\n\n"
    if printed.exists():
        text += f"**Printed:**\n\n```text\n{printed.read_text(encoding='utf-8').rstrip()}\n```\n\n"
    return text


def read(app: Sphinx, name: str, source: list[str]) -> None:
    """The page in the place of its stub."""
    if name != PAGE:
        return
    folder = Path(app.srcdir).parent / "findings"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    rows = [(folder / row["script"], row["what"]) for row in ROW.finditer(readme)]
    source[0] = readme[: readme.index("\n|")] + "\n" + "".join(section(script, what) for script, what in rows)
    for path in [folder / "README.md", *(script for script, _ in rows), *(folder / "seen").glob("*.txt")]:
        app.env.note_dependency(path)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
