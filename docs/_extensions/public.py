"""What is public: the one rule that the pages of the API, the tests and the count go by.

Public are the names that ``lowerbound`` offers (``lowerbound.PUBLIC``) and ``lowerbound.sklearn``. Of a module among them it is what the
module means to offer: its ``__all__``, or where it has none the classes and functions that are defined in it, without an underscore. A
module that a public module offers is public by the same rule. What has several names has one page: under that of the package itself, if
it has one.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import lowerbound

#: beside what the package offers by itself
BESIDE = {"sklearn": "lowerbound.sklearn"}
#: modules whose names version 0.1.0 had, and which programs may have: what is elsewhere too is not looked for there first
OLD = ("coupled", "laws")


@dataclass(frozen=True)
class Name:
    """A class or function, under the name it is to be called by: ``likelihoods.Gaussian``; ``others`` are its other names."""

    name: str
    what: Any
    others: tuple[str, ...] = ()

    @property
    def parent(self) -> str:
        """The public module that it is in, "" for the package itself."""
        return self.name.rpartition(".")[0]

    @property
    def is_class(self) -> bool:
        """Whether it is a class, and not a function."""
        return inspect.isclass(self.what)


def is_member(what: Any) -> bool:
    """Whether it is a class or a function: constants are told of on the page of their module."""
    return inspect.isclass(what) or inspect.isroutine(what)


def offered(module: ModuleType) -> list[str]:
    """The names that a module means to offer, in order."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("_")]
    defined = [name for name, what in vars(module).items() if is_member(what) and what.__module__ == module.__name__]
    return [name for name in defined if not name.startswith("_")]


def modules() -> dict[str, ModuleType]:
    """Every public module by its name in the package: ``likelihoods``, ``tasks.complete``. A second name of one is left out."""
    found = {name: import_module(path) for name, path in BESIDE.items()}
    for name in sorted(lowerbound.PUBLIC, key=lambda name: name in OLD):
        what = getattr(lowerbound, name)
        found |= {name: what} if isinstance(what, ModuleType) else {}
    for name, module in list(found.items()):
        inner = {f"{name}.{inside}": getattr(module, inside) for inside in offered(module)}
        found |= {path: what for path, what in inner.items() if isinstance(what, ModuleType)}
    first: dict[int, str] = {}
    for name, module in found.items():
        first.setdefault(id(module), name)
    return {name: module for name, module in found.items() if first[id(module)] == name}


def places() -> list[tuple[str, Any]]:
    """Every public name of a class or function, and what it is: the package's own first."""
    own = [(name, what) for name in lowerbound.PUBLIC if is_member(what := getattr(lowerbound, name))]
    inside = [(f"{name}.{inner}", getattr(module, inner)) for name, module in modules().items() for inner in offered(module)]
    return own + [(name, what) for name, what in inside if is_member(what)]


def names() -> list[Name]:
    """What is public, each class and function once, by module and name."""
    known: dict[int, list[tuple[str, Any]]] = {}
    for name, what in places():
        known.setdefault(id(what), []).append((name, what))
    found = []
    for same in known.values():
        (name, what), *others = sorted(same, key=lambda row: row[0].rpartition(".")[2] != row[1].__name__)
        found.append(Name(name, what, tuple(other for other, _ in others)))
    return sorted(found, key=lambda row: (row.parent, row.name.lower(), row.name))


def constants(module: ModuleType) -> list[str]:
    """What a module offers that is neither class nor function nor module."""
    return [name for name in offered(module) if not is_member(what := getattr(module, name)) and not isinstance(what, ModuleType)]


def comment(module: ModuleType, constant: str) -> str:
    """What is said of a constant beside or above it, in the module that defines it."""
    lines = inspect.getsource(module).splitlines()
    for node in ast.parse("\n".join(lines)).body:
        if isinstance(node, ast.ImportFrom) and node.module and constant in [alias.asname or alias.name for alias in node.names]:
            return comment(import_module(node.module), constant)
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == constant for target in targets):
            above, beside = lines[node.lineno - 2], lines[node.lineno - 1].partition("  # ")[2]
            return beside or (above.removeprefix("#: ") if above.startswith("#: ") else "")
    return ""
