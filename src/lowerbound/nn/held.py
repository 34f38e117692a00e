"""A module beside itself whose weights are held: what flows back through it reaches its inputs alone."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def held(module: M) -> M:
    """A twin of the same buffers, hooks and mode, its weights those of the module as constants."""
    twin: M = _twin(module, {})
    return twin


def _twin(module: nn.Module, known: dict[int, nn.Module]) -> Any:
    """A shallow copy of the module and of those in it, each of them once, however often it is there."""
    if id(module) in known:
        return known[id(module)]
    twin = known[id(module)] = copy.copy(module)
    twin._parameters = {name: None if weight is None else weight.detach() for name, weight in module._parameters.items()}  # type: ignore[misc]
    for name, value in vars(module).items():
        if isinstance(value, tuple) and any(isinstance(one, nn.Module) for one in value):  # shared with another, and not counted twice
            vars(twin)[name] = tuple(_twin(one, known) if isinstance(one, nn.Module) else one for one in value)
    twin._modules = {name: None if child is None else _twin(child, known) for name, child in module._modules.items()}
    return twin
