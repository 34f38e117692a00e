"""Memory that loops write to, and numbers as the integers that they are given."""

from __future__ import annotations

import struct

import torch
from torch import Tensor


def floats(*shape: int, kind: torch.dtype = torch.float32) -> Tensor:
    """An uninitialised tensor of this shape, of this type for any default type of torch."""
    return torch.empty(shape, dtype=kind, device="cpu")


def as_wholes(*given: float) -> tuple[int, ...]:
    """The 32-bit integers with the same bits as these numbers in single precision."""
    return struct.unpack(f"{len(given)}i", struct.pack(f"{len(given)}f", *given))
