"""A module in evaluation mode beside itself, so that whoever looks at a model does not switch one that is being trained."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def in_evaluation(module: M) -> M:
    """The module in evaluation mode (no dropout, fixed batch norms): itself, or else a twin of the same weights, buffers and hooks.

    The module's own mode is not touched, at no time; another thread may be training it. What a ``forward`` of your own
    writes to its module is the twin's.
    """
    if not any(part.training for part in module.modules()):
        return module
    twin: M = _twin(module, {})
    return twin


def _twin(module: nn.Module, known: dict[int, nn.Module]) -> Any:
    """A shallow copy of the module and of those in it, each of them once, however often it is there."""
    if id(module) in known:
        return known[id(module)]
    twin = known[id(module)] = copy.copy(module)
    twin.training = False
    for name, value in vars(module).items():
        if isinstance(value, nn.Module):
            vars(twin)[name] = _twin(value, known)
        elif isinstance(value, tuple) and any(isinstance(one, nn.Module) for one in value):  # shared with another, and not counted twice
            vars(twin)[name] = tuple(_twin(one, known) if isinstance(one, nn.Module) else one for one in value)
    twin._modules = {name: None if child is None else _twin(child, known) for name, child in module._modules.items()}
    return twin
