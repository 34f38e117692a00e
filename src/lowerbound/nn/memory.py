"""How much memory a network takes for one input, and so how many inputs fit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lowerbound.errors import UsageError

#: copies of a network's output that a law makes of it: parameters, the terms of its logarithm, their sum
COPIES = 6
#: a part that does not fit is at most a fourth of the memory asked for
SHARES = 4


@torch.no_grad()
def bytes_each(network: nn.Module, *examples: Tensor) -> int:
    """Bytes that ``network`` needs for inputs like ``examples`` ``(1, *in)``: all of its layers' outputs, and ``COPIES`` of the last."""
    sizes = [example.numel() for example in examples]
    layers = [layer for layer in network.modules() if not list(layer.children())]
    handles = [layer.register_forward_hook(lambda _, __, output: sizes.extend(_numbers(output))) for layer in layers]
    try:
        output = network(*examples)
    finally:
        for handle in handles:
            handle.remove()
    return output.element_size() * (sum(sizes) + COPIES * output.numel())


def _numbers(output: Any) -> list[int]:
    """How many numbers are in each tensor of what a layer gave; a recurrent one gives a tuple."""
    if isinstance(output, Tensor):
        return [output.numel()]
    return [size for part in output for size in _numbers(part)] if isinstance(output, tuple | list) else []


def how_many(memory: int, each: int, what: str, most: int = 2**20) -> int:
    """How many of ``each`` bytes fit into ``memory``, at most ``most``. Errors: UsageError, naming ``what``, where not one does."""
    if each > memory:
        raise UsageError(f"{what} takes {each / 2**20:,.1f} MiB; allow {SHARES * -(-each // 2**20):,} MiB of memory or more")
    return min(most, memory // each)


def in_batches(memory: int, each: int, what: str, most: int) -> int:
    """The same; where memory is what limits it a power of two, so that batches of several kinds soon end at the same row."""
    found = how_many(memory, each, what, most)
    return found if found == most else 1 << (found.bit_length() - 1)
