"""A module beside itself whose weights are held: what flows back through it reaches its inputs alone."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from lowerbound.nn.twin import twin

M = TypeVar("M", bound=nn.Module)


def held(module: M) -> M:
    """A twin of the same buffers, hooks and mode, its weights those of the module as constants."""
    return twin(module, _hold)


def _hold(module: nn.Module) -> None:
    module._parameters = {name: None if weight is None else weight.detach() for name, weight in module._parameters.items()}  # type: ignore[misc]
