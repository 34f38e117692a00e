"""The README's words do what they say: its Python runs, its commands parse and run, its tree is the tree."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import lowerbound
from lowerbound.interfaces.cli import main
from lowerbound.interfaces.cli.parser import parse

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str = README) -> list[list[str]]:
    """The words after ``lowerbound`` of every command in the text's console blocks."""
    lines = [line for block in blocks("console", text) for line in block.splitlines()]
    split = [shlex.split(line.removeprefix("$ "), comments=True) for line in lines]
    return [words[1:] for words in split if words[:1] == ["lowerbound"]]


PYTHON = [(page.name, block) for page in PAGES for block in blocks("python", page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "block"), PYTHON, ids=[page for page, _ in PYTHON])
def test_its_python_runs(
    page: str, block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, page, "exec"), {})
    capsys.readouterr()


def test_its_commands_on_bundled_data_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for words in commands():
        if "runs/m" not in words:  # those are run on the real data by test_mnist
            assert main(words) == 0, words
            capsys.readouterr()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_all_pages_are_understood(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        parse(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_its_tree_names_every_file() -> None:
    tree = next(block for block in blocks("text") if "src/lowerbound/" in block)
    package = Path(lowerbound.__file__).parent
    for path in package.iterdir():
        if path.name not in ("__pycache__", "__main__.py", "py.typed"):
            assert re.search(rf"(^|\s){re.escape(path.name)}/?(\s|$)", tree, re.MULTILINE), path.name


def test_its_table_names_every_dependency() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in project["dependencies"]:
        name = re.match(r"[a-z0-9-]*[a-z0-9]", requirement)
        assert name is not None
        assert f"| {name[0]} |" in README, requirement


def test_the_version_is_in_the_changelog() -> None:
    assert f"## [{lowerbound.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
