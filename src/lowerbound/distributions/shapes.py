"""The shape that several have together."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def broadcast_shapes(*shapes: Sequence[int | torch.SymInt]) -> torch.Size:
    """As torch's function of that name, which imports sympy when it is first called: a second of a command's time."""
    scalar = torch.empty(())
    return torch.broadcast_tensors(*(scalar.expand(tuple(shape)) for shape in shapes))[0].shape
