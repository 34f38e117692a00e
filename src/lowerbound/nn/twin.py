"""A module beside itself: a twin that shares what it is made of, but for what is changed in each part of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def twin(module: M, change: Callable[[nn.Module], None]) -> M:
    """A shallow copy of the module and of those in it, each of them once, however often it is there; ``change`` is done to each copy."""
    made: M = _twin(module, change, {})
    return made


def _twin(module: nn.Module, change: Callable[[nn.Module], None], known: dict[int, nn.Module]) -> Any:
    if id(module) in known:
        return known[id(module)]
    made = known[id(module)] = copy.copy(module)
    for name, value in vars(module).items():
        if isinstance(value, nn.Module):
            vars(made)[name] = _twin(value, change, known)
        elif isinstance(value, tuple) and any(isinstance(one, nn.Module) for one in value):  # shared with another, and not counted twice
            vars(made)[name] = tuple(_twin(one, change, known) if isinstance(one, nn.Module) else one for one in value)
    made._modules = {name: None if child is None else _twin(child, change, known) for name, child in module._modules.items()}
    change(made)
    return made
