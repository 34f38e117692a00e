"""A module in evaluation mode beside itself, so that whoever looks at a model does not switch one that is being trained."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from lowerbound.nn.twin import twin

M = TypeVar("M", bound=nn.Module)


def in_evaluation(module: M) -> M:
    """The module in evaluation mode (no dropout, fixed batch norms): itself, or else a twin of the same weights, buffers and hooks.

    The module's own mode is not touched, at no time; another thread may be training it. What a ``forward`` of your own
    writes to its module is the twin's.
    """
    if not any(part.training for part in module.modules()):
        return module
    return twin(module, _evaluate)


def _evaluate(module: nn.Module) -> None:
    module.training = False
