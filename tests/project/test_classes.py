"""A class is abstract or final, and no method is written twice on the way from one to the other.

Of the classes that the package defines:

- One that has subclasses cannot be made itself: some method of it is abstract.
- A method that has a body in a class has none in a class below it. To give an abstract one its body is no second.

A method is a function, a class method, a static method or a property. Data of a class (``outputs = 2``) are what the class says of
itself, and each class may say it. Left out are constructors and what ``dataclass`` writes; exceptions, which are below one another
so that they can be caught together; and the classes of torch and of Python, whose methods ours may replace, once on each way.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cached_property

import pytest

import lowerbound

#: classes that are not so yet; it only ever shrinks
BEING_CARVED: set[str] = set()
#: a class's own, or what a dataclass is given
MACHINERY = {"__init__", "__post_init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__"}


def everything() -> list[type]:
    """All classes that the package defines."""
    found: set[type] = set()
    for module in pkgutil.walk_packages(lowerbound.__path__, "lowerbound."):
        if not module.name.endswith("__main__"):
            names = vars(importlib.import_module(module.name))
            found |= {value for value in names.values() if inspect.isclass(value) and value.__module__.startswith("lowerbound.")}
    return sorted((kind for kind in found if not issubclass(kind, BaseException)), key=lambda kind: (kind.__module__, kind.__qualname__))


def above(kind: type) -> list[type]:
    """The classes of ours that it is made of."""
    return [base for base in kind.__mro__[1:] if base.__module__.startswith("lowerbound.")]


def methods(kind: type) -> dict[str, object]:
    """Those that the class itself has, with a body or without."""
    written = (staticmethod, classmethod, property, cached_property)
    return {name: value for name, value in vars(kind).items() if inspect.isfunction(value) or isinstance(value, written)}


def has_body(method: object) -> bool:
    return not getattr(method, "__isabstractmethod__", False)


CLASSES = [kind for kind in everything() if kind.__name__ not in BEING_CARVED]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_a_class_is_below_abstract_ones_alone(kind: type) -> None:
    made = [base.__qualname__ for base in above(kind) if not inspect.isabstract(base)]
    assert not made, f"{kind.__qualname__} is a subclass of {made}, which can be made: make that abstract, or have one in the other"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_no_method_is_written_twice(kind: type) -> None:
    twice = [
        f"{base.__qualname__}.{name}"
        for base in above(kind)
        for name, method in methods(base).items()
        if name in vars(kind) and name not in MACHINERY and has_body(method)
    ]
    assert not twice, f"{kind.__qualname__} has other bodies of {twice}: make those abstract, or ask for what differs as data"
