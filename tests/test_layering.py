"""Imports point one way: a file may import only files of lower rows, and the few of its own row named here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lowerbound

ROOT = Path(lowerbound.__file__).parent
ROWS = [
    {"errors", "schedules", "zoo", "flows", "threads"},
    {"compiled"},
    {
        "nn",
        "contexts",
        "files",
        "seeding",
        "devices",
        "laws",
        "levels",
        "footprint",
        "contraction",
        "corruptions",
        "pages",
        "fidelity",
    },
    {"adam", "bits", "data", "plots", "tables", "scales", "distributions", "objectives", "piecewise", "processes"},
    {"conditional", "coupled", "charts", "panels", "inputs", "facts"},
    {"likelihoods", "posteriors", "estimators"},
    {"priors", "proposals"},
    {"model"},
    {"loss", "density"},
    {"semi", "tasks", "fused"},
    {"words"},
    {"training", "recipes", "regret", "latents", "bubbles", "probes", "calibration"},
    {"assembly"},
    {"diagnosis"},
    {"evaluation", "checkpoint"},
    {"runs"},
    {"figures", "folders"},
    {"keeping"},
    {"report", "compare", "faults", "opening"},
    {"underway"},
    {"experiment"},
    {"lab"},
    {"cli"},
    {"__main__"},
]
RANK = {room: rank for rank, rooms in enumerate(ROWS) for room in rooms}
FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room(module: str) -> str:
    return module.split(".")[1]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> set[str]:
    """Modules of ours that a file imports, inside functions too, but not those for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            found |= {f"{node.module}.{alias.name}" if node.module == "lowerbound" else str(node.module) for alias in node.names}
    return {name for name in found if name.startswith("lowerbound.") and name != "lowerbound.__version__"}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_one_way(path: Path) -> None:
    own = room(module_of(path))
    for name in imports(path):
        other = room(name)
        assert other == own or RANK[other] < RANK[own], f"{module_of(path)} must not import {name}"


def test_every_room_has_its_row() -> None:
    assert {room(module_of(path)) for path in FILES} == set(RANK)


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
        assert not prints or room(module_of(path)) == "cli", path
