"""The type in which this processor multiplies matrices fastest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from lowerbound.system.machine import INPUTS, OUTPUTS, ROWS, Question, Ways, choice, numbers
from lowerbound.system.machine import fastest as fastest_way

SINGLE, BFLOAT16 = "float32", "bfloat16"


def fastest() -> torch.dtype:
    """bfloat16 where the processor has instructions for it and is clearly faster so, else single precision."""
    found: torch.dtype = getattr(torch, str(choice(PRODUCTS).answer)) if _has_bfloat16() else torch.float32
    return found


def product(n: int, inputs: int, outputs: int, kind: torch.dtype) -> Callable[[], Tensor]:
    """One of x ``(n, inputs)`` and a layer's weight in this type."""
    x, weight, found = (numbers(*shape).to(kind) for shape in ((n, inputs), (outputs, inputs), (n, outputs)))
    return lambda: torch.mm(x, weight.t(), out=found)


def _has_bfloat16() -> bool:
    """Whether a processor has instructions for it; without, products in it are emulated."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _of_types() -> Ways:
    kinds = [SINGLE, *([BFLOAT16] if _has_bfloat16() else [])]
    return {kind: product(ROWS, INPUTS, OUTPUTS, getattr(torch, kind)) for kind in kinds}


def _usual() -> str:
    return BFLOAT16 if _has_bfloat16() else SINGLE


PRODUCTS = Question("products", "type of products", _of_types, partial(fastest_way, SINGLE), _usual)
