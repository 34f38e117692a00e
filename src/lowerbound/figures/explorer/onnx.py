"""Networks of one's own as ONNX, which a page computes by onnxruntime-web. The other half of ``page/onnx.js``."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lowerbound.errors import RecipeError
from lowerbound.figures.explorer.arrays import Arrays
from lowerbound.figures.explorer.networks import NotComputed, Words, words_of
from lowerbound.nn.graph import EXAMPLES, Input, must_have_onnx, onnx_of, traced


def network_words(module: nn.Module, arrays: Arrays, inputs: Sequence[Sequence[int]] | None = None) -> Words:
    """A network as ``words_of`` has it, or if a page does not know one of its layers, all of it as ONNX.

    ``inputs`` are the shapes of one example of what it is given, the context last; None where ONNX is not wanted.
    Errors: RecipeError for a network that cannot be written; UsageError where the packages that ONNX needs are not installed.
    """
    if inputs is None:
        return words_of(module, arrays)
    try:
        words_of(module, Arrays())
    except NotComputed:
        graph = np.frombuffer(exported(module, inputs), np.uint8)
        return {"kind": "onnx", "graph": arrays.numbers(graph, np.uint8)}
    return words_of(module, arrays)


def has_graph(words: Any) -> bool:
    """Whether some of these words are of a network as ONNX."""
    if isinstance(words, dict):
        return words.get("kind") == "onnx" or any(map(has_graph, words.values()))
    return isinstance(words, list) and any(map(has_graph, words))


class _Called(nn.Module):
    """A network by a signature that is known, and what it gives by a name."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        """``y``."""
        return {"y": self.network(*inputs)}


def exported(module: nn.Module, inputs: Sequence[Sequence[int]]) -> bytes:
    """A module in evaluation, as an ONNX model in single precision: ``x`` and ``context`` ``(N, …)`` → ``y`` ``(N, …)``, whatever N.

    Errors: RecipeError where torch cannot write it, or writes another version; UsageError where packages are not installed.
    """
    must_have_onnx()
    network = copy.deepcopy(module).cpu().float().eval()
    _must_be_of_examples(network, inputs)
    given = [Input(name, ("batch", *shape)) for name, shape in zip(("x", "context"), inputs, strict=False)]
    what = f"the {type(module).__name__} network"
    return onnx_of(traced(_Called(network), given, what), given, what)


@torch.no_grad()
def _must_be_of_examples(network: nn.Module, inputs: Sequence[Sequence[int]]) -> None:
    """Errors: RecipeError for a network that gives no row for each example, since it was made for batches of one size."""
    for n in (EXAMPLES + 1, 1):
        made = network(*(torch.zeros(n, *shape) for shape in inputs))
        if len(made) != n:
            raise RecipeError(f"a network gives {len(made)} rows for {n} examples, and a page asks for one for each")
