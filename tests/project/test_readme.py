"""What README, CONTRIBUTING, docs and their guide say is so: Python runs, commands parse and run, links, files and names are there."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import lowerbound
from lowerbound.interfaces.cli import main
from lowerbound.interfaces.cli.parser import parse

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]
#: those that speak of the package as it is: the log tells what was, the changelog too
PRESENT = [page for page in [*PAGES, ROOT / "CONTRIBUTING.md"] if page != DOCS / "log.md"]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str = README) -> list[list[str]]:
    """The words after ``lowerbound`` of every command in the text's console blocks; lines without a ``$`` are what one printed."""
    lines = [line for block in blocks("console", text) for line in block.splitlines() if line.startswith("$ ")]
    split = [shlex.split(line.removeprefix("$ "), comments=True) for line in lines]
    return [words[1:] for words in split if words[:1] == ["lowerbound"]]


PYTHON = [(name_of(page), block) for page in PAGES for block in blocks("python", page.read_text(encoding="utf-8"))]


#: pages whose code trains several models
LONG = ("docs/guide/scikit-learn.md",)


TRIED = [pytest.param(*row, id=row[0], marks=pytest.mark.long if row[0] in LONG else ()) for row in PYTHON]


@pytest.mark.parametrize(("page", "block"), TRIED)
def test_its_python_runs(
    page: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, page, "exec"), {})
    capsys.readouterr()


@pytest.mark.parametrize("page", [ROOT / "README.md", pytest.param(DOCS / "guide" / "index.md", marks=pytest.mark.long)], ids=name_of)
def test_its_commands_on_bundled_data_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in commands(page.read_text(encoding="utf-8")):
        assert main(words) == 0, words
        capsys.readouterr()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_of_all_pages_are_understood(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        parse(words)


def headings(page: Path) -> set[str]:
    """What a link to a heading of the page may end in."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not heading or heading in headings(file), f"{target}#{heading}"


def resolve(name: str) -> Any:
    """What a dotted name is: ``lb.x.y`` by attributes alone, of ``lowerbound.x.y`` modules are imported. Errors: AttributeError."""
    first, *parts = name.split(".")
    found: Any = lowerbound
    for part in parts:
        if first == "lowerbound" and isinstance(found, type(lowerbound)) and not hasattr(found, part):
            importlib.import_module(f"{found.__name__}.{part}")
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("page", PRESENT, ids=name_of)
def test_the_names_it_gives_exist(page: Path) -> None:
    for name in re.findall(r"(?<![\w.])(?:lb|lowerbound)(?:\.[A-Za-z_]\w*)+", page.read_text(encoding="utf-8")):
        resolve(name)


@pytest.mark.parametrize("page", PRESENT, ids=name_of)
def test_the_files_it_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in {*re.findall(r"(?<![\w./-])\w[\w/]*\.py\b", text), *re.findall(r"`(\w[\w/]*/)`", text)}:
        assert (ROOT / name).exists() or (ROOT / "src" / "lowerbound" / name).exists(), name


def test_pictures_of_the_guide_are_small_and_shown() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (DOCS / "guide").glob("*.md")]
    for picture in (DOCS / "guide").glob("*.png"):
        assert picture.stat().st_size < 100_000, picture.name
        assert any(f"]({picture.name})" in page for page in pages), picture.name


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 120


def test_its_tree_names_every_part() -> None:
    tree = next(block for block in blocks("text") if "src/lowerbound/" in block)
    parts = {module.name + ("/" if module.ispkg else ".py") for module in pkgutil.iter_modules(lowerbound.__path__)} - {"__main__.py"}
    assert set(re.findall(r"^  (\S+)", tree, re.MULTILINE)) == parts


def test_the_table_of_dependencies_names_each() -> None:
    import tomllib

    table = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        name = re.match(r"[a-z0-9-]*[a-z0-9]", requirement)
        assert name is not None
        assert f"| {name[0]} |" in table, requirement


def test_the_version_is_in_the_changelog() -> None:
    assert f"## [{lowerbound.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
