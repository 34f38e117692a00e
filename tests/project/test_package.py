"""What is said of the package elsewhere agrees with pyproject.toml: the citation, the extras that messages name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import lowerbound
from lowerbound.interfaces.trackers.table import TRACKERS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_citation_is_of_this_version() -> None:
    found = dict(re.findall(r"^([a-z-]+): (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE))
    assert (found["title"], found["version"], found["license"]) == (PROJECT["name"], lowerbound.__version__, PROJECT["license"])


def test_extras_that_messages_name_are_there() -> None:
    texts = [path.read_text(encoding="utf-8") for path in Path(lowerbound.__file__).parent.rglob("*.py")]
    named = {name for text in texts for name in re.findall(r"lowerbound\[([a-z]+)\]", text)} | {
        name for name, row in TRACKERS.items() if row.needs
    }
    assert named <= PROJECT["optional-dependencies"].keys()


def test_every_extra_is_in_the_table_of_dependencies() -> None:
    table = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for extra in PROJECT["optional-dependencies"].keys() - {"dev"}:
        assert f"`{extra}`" in table, extra
