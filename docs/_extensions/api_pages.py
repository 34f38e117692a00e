"""The pages of the API, made at build from signatures and docstrings: one of each public module, and of each class and function.

They are written to docs/api/ before Sphinx looks for pages, and only where they changed; autodoc fills them.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import public
from docstrings import first_sentence, prose
from sphinx.application import Sphinx

#: module → under which heading of the API's first page
PARTS = {
    "A model's parts": ["priors", "likelihoods", "scales", "posteriors", "contexts", "nn", "corruptions", "distributions"],
    "Training": ["objectives", "estimators", "schedules", "semi"],
    "What a model is used for": ["tasks", "calibration", "plots"],
    "Data, recipes and files": ["data", "recipes", "checkpoint", "seeding", "errors"],
    "scikit-learn": ["sklearn"],
}


def called(name: str) -> str:
    """How a program calls it: ``lb.priors``; ``lowerbound.sklearn``, which is imported by itself."""
    return f"lowerbound.{name}" if name.partition(".")[0] in public.BESIDE else f"lb.{name}"


def slug(name: public.Name, taken: set[str]) -> str:
    """A file's name, which differs from others where capitals are no difference."""
    return f"{name.name}-function" if not name.is_class and name.name in taken else name.name


def heading(text: str, line: str = "=") -> str:
    """A heading of reStructuredText."""
    return f"{text}\n{line * len(text)}\n"


def listed(rows: list[tuple[str, str, str]]) -> str:
    """Links with a sentence each, from (text, page, sentence)."""
    if not rows:
        return ""
    lines = [".. list-table::", "   :class: names", "   :widths: auto", ""]
    for text, page, sentence in rows:
        lines += [f"   * - :doc:`{text} <{page}>`", f"     - {sentence}"]
    return "\n".join(lines) + "\n\n"


def contents(pages: list[str]) -> str:
    """What is below a page, for the list at its side: (text, page) as ``text <page>``."""
    return "\n".join([".. toctree::", "   :hidden:", "", *(f"   {page}" for page in pages)]) + "\n"


class Pages:
    """All pages of the API, as text by file."""

    def __init__(self) -> None:
        self.modules, self.names = public.modules(), public.names()
        classes = {name.name.lower() for name in self.names if name.is_class}
        self.page = {name.name: slug(name, classes) for name in self.names}
        self.own = {id(name.what): name for name in self.names}

    def all(self) -> dict[str, str]:
        """File → text."""
        found = {"index.rst": self.index()}
        found |= {f"{name}.rst": self.module(name, module) for name, module in self.modules.items()}
        return found | {f"{self.page[name.name]}.rst": self.member(name) for name in self.names}

    def rows(self, names: list[tuple[str, Any]]) -> str:
        """A list of classes and functions, whatever page they are on."""
        return listed([(name, self.page[self.own[id(what)].name], first_sentence(what)) for name, what in names])

    def below(self, module: str) -> list[str]:
        """The pages of a module's own members, and of modules in it."""
        inner = [name for name in self.modules if name.rpartition(".")[0] == module and name != module]
        own = [name.name for name in self.names if name.parent == module]
        return [f"{name.rpartition('.')[2]} <{self.page.get(name, name)}>" for name in inner + own]

    def index(self) -> str:
        """The first page: what the package itself offers, then its modules."""
        text = heading("API") + INTRODUCTION
        own = [name for name in self.names if not name.parent]
        text += heading("The package", "-") + "\n" + self.rows([(called(name.name), name.what) for name in own])
        placed = [name for modules in PARTS.values() for name in modules]
        rest = [name for name in self.modules if "." not in name and name not in placed]
        for title, modules in [*PARTS.items(), ("Names of before", rest)]:
            text += heading(title, "-") + "\n"
            text += listed([(called(name), name, first_sentence(self.modules[name])) for name in modules])
        own_pages = [f"{called(name.name)} <{self.page[name.name]}>" for name in own]
        return text + contents([f"{called(name)} <{name}>" for name in placed + rest] + own_pages)

    def module(self, name: str, module: ModuleType) -> str:
        """A module: its docstring, and what it offers with a sentence each."""
        text = heading(called(name)) + f"\n.. automodule:: lowerbound.{name}\n   :no-members:\n\n"
        offered = [(inside, getattr(module, inside)) for inside in public.offered(module)]
        inner = [(inside, f"{name}.{inside}", first_sentence(what)) for inside, what in offered if isinstance(what, ModuleType)]
        kinds = {"Modules": listed(inner)}
        kinds["Classes"] = self.rows([row for row in offered if inspect.isclass(row[1])])
        kinds["Functions"] = self.rows([row for row in offered if inspect.isroutine(row[1])])
        kinds["Constants"] = "".join(
            f"``{constant}``\n    {prose(public.comment(module, constant))}\n\n" for constant in public.constants(module)
        )
        text += "".join(heading(kind, "-") + "\n" + rows for kind, rows in kinds.items() if rows)
        return text + contents(self.below(name))

    def elsewhere(self, what: type) -> list[str]:
        """The classes that a class is made of and that are explained elsewhere: what it has from others is on its own page."""
        return [base.__name__ for base in what.__mro__[1:] if id(base) in self.own or not base.__module__.startswith("lowerbound")]

    def member(self, name: public.Name) -> str:
        """A class or a function."""
        text = heading(called(name.name)) + "\n"
        directive = "autoclass" if name.is_class else "autofunction"
        text += f".. {directive}:: lowerbound.{name.name}\n"
        if name.is_class:
            text += f"   :members:\n   :show-inheritance:\n   :inherited-members: {', '.join(self.elsewhere(name.what))}\n"
        if name.others:
            text += f"\nAlso {', '.join(f'``{called(other)}``' for other in name.others)}.\n"
        return text


INTRODUCTION = """
Every public name, from its signature and its docstring; examples are run by the tests. After ``import lowerbound as lb`` all of it is
there, each part imported when it is first used. What begins with an underscore, or is in a module that is not here, may change without
notice.

"""


def write(app: Sphinx) -> None:
    """Write the pages that are not as they should be, and remove those of names that are no more."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    pages = Pages().all()
    for file, text in pages.items():
        path = folder / file
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.glob("*.rst"):
        if path.name not in pages:
            path.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
