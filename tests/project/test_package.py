"""What is said of the package elsewhere agrees with pyproject.toml: the citation, the extras that messages name."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet

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


def test_what_is_pinned_installs_on_the_oldest_python() -> None:
    """Of those that are here: Debian 12 has Python 3.11.2, and some packages want a later 3.11."""
    oldest = f"{PROJECT['requires-python'].removeprefix('>=')}.0"
    names = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    here = {each.name.lower(): each for each in metadata.distributions() if each.name.lower() in {name.lower() for name in names}}
    wanted = {name: each.metadata.get("Requires-Python") or "" for name, each in here.items()}
    assert len(here) > len(names) / 2
    assert [name for name, python in wanted.items() if oldest not in SpecifierSet(python)] == []
