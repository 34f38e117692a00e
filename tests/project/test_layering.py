"""Imports point one way: a folder imports only those of the rows before its own, and no file imports itself by a detour."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lowerbound

ROOT = Path(lowerbound.__file__).parent
#: who may import whom: those of a row only rows above them, each folder itself as it likes
ROWS = [
    {"errors"},
    {"system"},
    {"data", "distributions"},
    {"nn"},
    {"vae"},
    {"training", "evaluation", "recipes"},
    {"tasks", "runs"},
    {"figures"},
    {"lab"},
    {"interfaces"},
    {"__main__", "sklearn"},
]
RANK = {room: rank for rank, rooms in enumerate(ROWS) for room in rooms}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room(module: str) -> str:
    return module.split(".")[1]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path, whole: bool = False) -> set[str]:
    """Modules of ours that a file imports, inside functions too, but, unless it is ``whole``, not those for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not whole and isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            found |= {f"{node.module}.{alias.name}" if whole or node.module == "lowerbound" else str(node.module) for alias in node.names}
            found |= {str(node.module)}
    found = {name for name in found if name.startswith("lowerbound.") and name != "lowerbound.__version__"}
    own = module_of(path)
    return {name for name in found if name != own and not (whole and own.startswith(name + "."))}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_one_way(path: Path) -> None:
    own = room(module_of(path))
    for name in imports(path):
        other = room(name)
        assert other == own or RANK[other] < RANK[own], f"{module_of(path)} must not import {name}"


def test_every_folder_has_its_row() -> None:
    assert {room(module_of(path)) for path in FILES} == set(RANK)


def test_no_file_imports_itself_by_a_detour() -> None:
    known = {module_of(path) for path in FILES}
    graph = {module_of(path): {name for name in imports(path, whole=True) if name in known} for path in FILES}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " imports ".join([*way, name])
        if name not in done:
            for other in graph[name]:
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_nobody_inside_imports_the_root() -> None:
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert "lowerbound" not in {alias.name for alias in node.names}, path


def test_only_the_command_line_prints() -> None:
    for path in FILES:
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        prints = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
        assert not prints or room(module_of(path)) == "interfaces", path
